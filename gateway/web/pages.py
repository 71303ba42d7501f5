"""The pages: the live sync board, a building, a station, an item. Each does without JavaScript."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.templating import Jinja2Templates

from gateway import wording
from gateway.board import Board, Desk
from gateway.policies import newest_policy
from gateway.sites import at_site, overview, site_view
from gateway.web.api import public_fact
from gateway.web.live import Pictures, Pulse

REFRESH_S = 15.0  # states change by silence alone: look again without news
PARTS = ("totals", "stations", "review", "diary")
DECIDABLE = ("available", "on_loan", "missing", "lost", "claimed_returned", "damaged", "withdrawn")

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.globals.update(wording=wording, decidable=DECIDABLE, overview=overview)


@router.get("/", response_class=HTMLResponse)
def sync_page(request: Request) -> Response:
    """Show what is synced and what is not."""
    return _page(request, "board.html", {"board": _desk(request).board()})


@router.get("/live")
async def live(request: Request) -> Response:
    """Send each part of the sync page whenever it changes."""
    stream = _parts(request)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.get("/item", response_class=HTMLResponse)
def find_item(number: str = "") -> Response:
    """Go to the item whose number was typed."""
    return RedirectResponse(f"/item/{number.strip()}" if number.strip() else "/", 303)


@router.get("/item/{number}", response_class=HTMLResponse)
def item_page(request: Request, number: str) -> Response:
    """Show an item: where it is, and the facts that say so."""
    item = _desk(request).item(number)
    if item is None:
        what = f"No item has the number “{number[:60]}”."
        return _missing(request, what, "Check the number on the label, or scan it.")
    item["facts"] = [public_fact(row) for row in item["facts"]]
    context = {"item": item, "now_ms": _desk(request).store.clock()}
    return _page(request, "item.html", context)


@router.get("/station/{station}", response_class=HTMLResponse)
def station_page(request: Request, station: str) -> Response:
    """Show a station: how it is, and what it last reported."""
    desk = _desk(request)
    view = desk.station(station)
    if view is None:
        return _missing(request, f"No station is called “{station[:60]}”.", "See the list.")
    context = {
        "view": view,
        "facts": [public_fact(row) for row in desk.facts(station)],
        "parked": desk.parked(station),
        "now_ms": desk.store.clock(),
    }
    return _page(request, "station.html", context)


@router.get("/site", response_class=HTMLResponse)
def site_page(request: Request, name: str = "") -> Response:
    """Show the stations of one building; without a name, those that named none."""
    desk = _desk(request)
    stations = at_site(desk.stations(), name or None)
    if not stations:
        what = (
            f"No station stands in “{name[:60]}”." if name else "Every station named a building."
        )
        return _missing(request, what, "See the list.")
    context = {
        "site": site_view(name or None, stations),
        "stations": stations,
        "now_ms": desk.store.clock(),
    }
    return _page(request, "site.html", context)


@router.post("/review")
def decide(
    request: Request, entry: Annotated[str, Form()], state: Annotated[str, Form()]
) -> Response:
    """Take a decision on an entry, then show the board again."""
    request.app.state.decides.decide(entry, state)
    return RedirectResponse("/#review", 303)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _page(
    request: Request, name: str, context: dict[str, Any], *, status_code: int = 200
) -> Response:
    """Return a page in the library's own time."""
    with wording.in_zone(desk_zone(_desk(request))):
        return templates.TemplateResponse(request, name, context, status_code=status_code)


def desk_zone(desk: Desk) -> dt.tzinfo:
    """Return the zone of the library's clocks."""
    with desk.store.read() as connection:
        return newest_policy(connection, desk.library_id).zone


def _missing(request: Request, what: str, next_step: str) -> Response:
    context = {"what": what, "next_step": next_step}
    return _page(request, "missing.html", context, status_code=404)


async def _parts(request: Request) -> AsyncIterator[str]:
    """Yield the parts of the page that differ from what this browser has."""
    pulse: Pulse = request.app.state.pulse
    pictures: Pictures = request.app.state.pictures
    sent: dict[str, str] = {}
    yield "retry: 2000\n\n"
    while not await request.is_disconnected():
        picture = await pictures.newest()
        for name, text in picture.parts.items():
            if sent.get(name) != text:
                sent[name] = text
                yield _event(name, text)
        await pulse.after(picture.changes, timeout_s=REFRESH_S)


def draw(desk: Desk) -> dict[str, str]:
    """Return the parts of the sync page as they are now, and the page's clock as `beat`."""
    board, zone = desk.board(), desk_zone(desk)
    parts = {name: render_part(name, board, zone) for name in PARTS}
    return {**parts, "beat": str(board.now_ms)}


def render_part(name: str, board: Board, zone: dt.tzinfo = dt.UTC) -> str:
    """Return one part of the sync page as HTML, its times as clocks in that zone show them."""
    with wording.in_zone(zone):
        return templates.get_template(f"part_{name}.html").render(board=board)


def _event(name: str, text: str) -> str:
    lines = "\n".join(f"data: {line}" for line in text.splitlines() if line.strip())
    return f"event: {name}\n{lines}\n\n"
