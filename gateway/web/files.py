"""The lists as files, in ranges if asked, so that a broken download goes on where it stopped."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from gateway.errors import SnapshotUnknown
from gateway.list_files import FORMATS, formats_of
from gateway.snapshots import Snapshot, Snapshots

router = APIRouter(tags=["snapshots"])


@router.get("/healthz")
def healthz(request: Request) -> dict[str, str]:
    """Say that the gateway answers, and for which library."""
    return {"status": "ok", "library": request.app.state.desk.library_id}


@router.head("/snapshot/{kind}/{format}", include_in_schema=False)
@router.get("/snapshot/{kind}/{format}", response_class=FileResponse)
def newest(request: Request, kind: str, format: str) -> Response:
    """Return the newest list of a kind."""
    return _file(_offered(request, kind, format, None))


@router.head("/snapshot/{kind}/{format}/{version}", include_in_schema=False)
@router.get("/snapshot/{kind}/{format}/{version}", response_class=FileResponse)
def one_version(request: Request, kind: str, format: str, version: int) -> Response:
    """Return the list of that version, while it is offered."""
    return _file(_offered(request, kind, format, version))


def _offered(request: Request, kind: str, format_name: str, version: int | None) -> Snapshot:
    if format_name not in formats_of(kind):
        known = ", ".join(f"{kind}/{name}" for kind in FORMATS for name in formats_of(kind))
        raise SnapshotUnknown(f"no list {kind}/{format_name}; there are {known}")
    snapshots: Snapshots = request.app.state.snapshots
    if version is not None:
        return snapshots.offered(kind, version, format_name)
    newest = snapshots.newest_for(kind, format_name, have=0)
    if newest is None:
        raise SnapshotUnknown(f"{kind}/{format_name} is being built; ask again in some seconds")
    return newest


def _file(snapshot: Snapshot) -> Response:
    headers = {
        "ETag": f'"{snapshot.sha256}"',
        "Cache-Control": "no-transform",
        "X-Lendgate-Lineage": snapshot.lineage,
        "X-Lendgate-Version": str(snapshot.version),
    }
    return FileResponse(snapshot.file, media_type="application/octet-stream", headers=headers)
