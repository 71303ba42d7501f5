"""The lists as files, in ranges if asked, so that a broken download goes on where it stopped.

A large list is handed out to a few at a time, packed for those who can unpack it, and never to
somebody who takes nothing: a download costs no thread, but a place.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from gateway.errors import SnapshotUnknown
from gateway.list_files import FORMATS, formats_of
from gateway.snapshots import Snapshot, Snapshots, packed_file
from gateway.web.turnstile import Turnstile

LARGE_BYTES = 1 << 20  # below, it is done before anybody could wait for it
STALL_S = 30.0
PACKED = "zstd"

router = APIRouter(tags=["snapshots"])


@router.get("/healthz")
def healthz(request: Request) -> dict[str, str]:
    """Say that the gateway answers, and for which library."""
    return {"status": "ok", "library": request.app.state.desk.library_id}


@router.head("/snapshot/{kind}/{format}", include_in_schema=False)
@router.get("/snapshot/{kind}/{format}", response_class=FileResponse)
def newest(request: Request, kind: str, format: str) -> Response:
    """Return the newest list of a kind."""
    return _file(request, _offered(request, kind, format, None))


@router.head("/snapshot/{kind}/{format}/{version}", include_in_schema=False)
@router.get("/snapshot/{kind}/{format}/{version}", response_class=FileResponse)
def one_version(request: Request, kind: str, format: str, version: int) -> Response:
    """Return the list of that version, while it is offered."""
    return _file(request, _offered(request, kind, format, version))


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


def _file(request: Request, snapshot: Snapshot) -> Response:
    headers = {
        "ETag": f'"{snapshot.sha256}"',
        "Cache-Control": "no-transform",
        "Vary": "Accept-Encoding",
        "X-Lendgate-Lineage": snapshot.lineage,
        "X-Lendgate-Version": str(snapshot.version),
    }
    file = snapshot.file
    packed = packed_file(file)
    if _takes_packed(request.headers.get("accept-encoding", "")) and packed.exists():
        file = packed
        headers |= {"ETag": f'"{snapshot.sha256}-{PACKED}"', "Content-Encoding": PACKED}
    return ListResponse(file, headers=headers, turnstile=request.app.state.turnstile)


def _takes_packed(accepted: str) -> bool:
    """Whether somebody who accepts these encodings can unpack ours.

    >>> _takes_packed("gzip, zstd;q=0.8"), _takes_packed("zstd;q=0"), _takes_packed("identity")
    (True, False, False)
    """
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == PACKED:
            return quality.strip().removeprefix("q=").strip("0.") != "" or not quality
    return False


class ListResponse(FileResponse):
    """A file for one of many: 503 with an appointment when too many are being served.

    Its parts are read in whatever thread is free, one part at a time.
    """

    chunk_size = 256 * 1024

    def __init__(self, file: Path, *, headers: dict[str, str], turnstile: Turnstile):
        super().__init__(file, media_type="application/octet-stream", headers=headers)
        self._turnstile = turnstile
        self._is_large = file.stat().st_size > LARGE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or say when to come again."""
        if not self._is_large or scope["method"] == "HEAD":
            await super().__call__(scope, receive, send)
            return
        ticket = self._turnstile.enter(_now_ms())
        if ticket is None:
            await self._come_again()(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, _patient(send))
        except TimeoutError:
            return  # the server closes what was not sent to its end
        finally:
            self._turnstile.leave(ticket, _now_ms())

    def _come_again(self) -> Response:
        # In whole seconds: stations come in the course of the one that they are told.
        wait_s = self._turnstile.appointment_ms(_now_ms()) // 1_000
        return PlainTextResponse(
            f"Many stations fetch lists just now. Come again in {wait_s} s.",
            status_code=503,
            headers={"Retry-After": str(wait_s)},
        )


def _patient(send: Send) -> Send:
    """Return a `send` that gives up on somebody who takes nothing for a while."""

    async def send_or_give_up(message: Message) -> None:
        async with asyncio.timeout(STALL_S):
            await send(message)

    return send_or_give_up


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
