"""JSON for other programs; `/openapi.json` describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from gateway.board import Desk

router = APIRouter(prefix="/api", tags=["api"])
Doc = dict[str, Any]
PRIVATE = ("body", "salt", "patron_id")


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


@router.get("/board")
def board(request: Request) -> JSONResponse:
    """Return everything the sync page shows."""
    return JSONResponse(_desk(request).board().as_dict())  # as it is: a thousand stations or more


@router.get("/stations")
def stations(request: Request) -> JSONResponse:
    """Return every station with its contact, facts waiting and last alarm."""
    return JSONResponse([view.as_dict() for view in _desk(request).stations()])


@router.get("/items/{number}")
def item(request: Request, number: str) -> Doc:
    """Return an item by its id or barcode, with the facts behind its state."""
    found = _desk(request).item(number)
    if found is None:
        raise HTTPException(404, f"no item {number[:60]!r}; give its id or barcode")
    found["facts"] = [public_fact(row) for row in found["facts"]]
    return found


@router.get("/alarms")
def alarms(request: Request, station: str | None = None) -> list[Doc]:
    """Return the newest alarms, with title and shelf mark if known."""
    return [asdict(view) for view in _desk(request).alarms(station)]


@router.get("/review")
def review(request: Request, decided: bool = False) -> list[Doc]:
    """Return the entries that wait for staff, or those already decided."""
    return _desk(request).reviews(decided=decided)


@router.get("/parked")
def parked(request: Request, station: str | None = None) -> list[Doc]:
    """Return the facts that could not be applied yet."""
    return _desk(request).parked(station)


@router.get("/facts")
def facts(request: Request, station: Annotated[str, Query(min_length=1)]) -> list[Doc]:
    """Return a station's last facts, newest first."""
    return [public_fact(row) for row in _desk(request).facts(station)]


@router.post("/decide")
def decide(
    request: Request, entry: Annotated[str, Body()], state: Annotated[str, Body()]
) -> dict[str, str]:
    """Decide a review entry: the item is in this state; return the decision's fact id."""
    return {"fact": request.app.state.decides.decide(entry, state)}


def public_fact(row: Doc) -> Doc:
    """Return a fact's row with its body read, without what names a reader.

    >>> public_fact({"id": "a", "body": b'{"kind": "seen", "patron": "77"}', "salt": b"x"})
    {'id': 'a', 'fields': {'kind': 'seen'}}
    """
    from gateway.rows import read_fields

    plain = {name: value for name, value in row.items() if name not in PRIVATE}
    fields = read_fields(row["body"])
    fields.pop("patron", None)
    return {**plain, "fields": fields}
