"""The slip a reader takes along: what, until when, and a number staff can find it by.

It names no reader: slips lie about.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from kiosk.visit import EndVisit, Mode, Tile, TileState

COLUMNS = 32
ON_SLIP = (TileState.DONE, TileState.UNSWITCHED, TileState.RECORDED, TileState.AGAIN)
Say = Callable[..., str]


def slip_lines(ended: EndVisit, *, place: str, say: Say, now: dt.datetime) -> list[str]:
    """Return the lines of one visit's slip; `now` is local time."""
    settled = [tile for tile in ended.tiles if tile.state in ON_SLIP]
    lines = [place, f"{now:%Y-%m-%d %H:%M}", "-" * COLUMNS]
    for tile in settled:
        lines += _tile_lines(tile, say, now.tzinfo)
    if any(tile.state is not TileState.DONE and tile.mode is Mode.LEND for tile in settled):
        lines += ["-" * COLUMNS, say("farewell_slip")]
    return lines


def _tile_lines(tile: Tile, say: Say, zone: dt.tzinfo | None) -> list[str]:
    title = tile.title if len(tile.title) <= COLUMNS else f"{tile.title[: COLUMNS - 1]}…"
    if tile.mode is Mode.RETURN:
        return [title, f"  {say('done_return')}"]
    label = say("done_renew" if tile.mode is Mode.RENEW else "done_lend")
    return [title, f"  {label} {due_text(tile.due_at, zone)}"]


def due_text(due_at: int | None, zone: dt.tzinfo | None) -> str:
    """The day an item is due, as staff and readers write it down."""
    if due_at is None:
        return ""
    return f"{dt.datetime.fromtimestamp(due_at / 1000, zone):%Y-%m-%d}"
