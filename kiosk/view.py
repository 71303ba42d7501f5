"""What the screen shows, as plain data: made from the visit, shown by kiosk/web.

Only while a visit is open does a view hold anything about a person, and then no more than the
short name, the items of the visit and the reader's open loans.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from kiosk.beliefs import Known
from kiosk.session import Session
from kiosk.transitions import PERSONAL
from kiosk.visit import State, Tile
from kiosk.wording import language_names, phrase, reason_lines, texts

LOANS_MAX = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """How the kiosk itself is: for the small badges and for staff."""

    place: str
    station: str
    online: bool
    waiting: int
    oldest: int | None
    clock_sure: bool
    pad: bool
    scanner: bool
    lends: bool
    numbers: bool
    health: tuple[str, ...] = ()
    device_health: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, int], ...] = ()
    alarm: tuple[tuple[str, str], ...] | None = None
    sound: tuple[int, str] = (0, "")


@dataclass(frozen=True, slots=True)
class Locale:
    """In which language and time zone the screen speaks."""

    language: str
    languages: tuple[str, ...]
    zone: ZoneInfo


def build_view(
    session: Session, standing: Standing, locale: Locale, loans: Sequence[Known], now: dt.datetime
) -> dict[str, Any]:
    """Return the whole view; equal situations give equal views."""
    personal = session.state in PERSONAL
    language = locale.language
    return {
        "state": session.state.value,
        "language": language,
        "languages": language_names(locale.languages),
        "texts": dict(texts(language)),
        "place": standing.place,
        "station": standing.station,
        "patron": session.patron.short_name if personal and session.patron else None,
        "items": [_tile(tile, locale) for tile in session.tiles],
        "loans": _loans(session, loans, locale, now) if personal else [],
        "notice": _notice(session, language),
        "left_over": bool(session.left_over),
        "farewell": _farewell(session),
        "stopped": session.stopped_why or None,
        "lends": standing.lends,
        "numbers": standing.numbers,
        "pad": standing.pad,
        "scanner": standing.scanner,
        "online": standing.online,
        "waiting": standing.waiting,
        "oldest": standing.oldest,
        "clock": "sure" if standing.clock_sure else "unsure",
        "health": list(standing.health),
        "devices": dict(standing.device_health),
        "versions": dict(standing.versions),
        "alarm": dict(standing.alarm) if standing.alarm else None,
        "sound": list(standing.sound),
    }


def add_countdown(view: dict[str, Any], session: Session, now_ms: int) -> None:
    """Write the seconds left into a view; they change while nothing else does."""
    left_ms = session.countdown_ms(now_ms)
    view["countdown_s"] = None if left_ms is None else -(-left_ms // 1_000)
    view["countdown_total_s"] = session.timing.countdown_ms // 1_000


def _tile(tile: Tile, locale: Locale) -> dict[str, Any]:
    due = _local(tile.due_at, locale.zone)
    return {
        "key": tile.key,
        "title": tile.title,
        "author": tile.author,
        "state": tile.state.value,
        "mode": tile.mode.value,
        "on_pad": tile.on_pad,
        "due_on": f"{due:%Y-%m-%d}" if due else None,
        "due_time": f"{due:%H:%M}" if due else None,
        "on_site": tile.on_site,
        "reasons": reason_lines(tile.refused, locale.language),
        "notice": phrase(locale.language, tile.notice) if tile.notice else "",
        "notes": [phrase(locale.language, note) for note in tile.notes],
        "parts_missing": list(tile.parts_missing),
        "shelf_mark": tile.shelf_mark,
    }


def _loans(
    session: Session, loans: Sequence[Known], locale: Locale, now: dt.datetime
) -> list[dict[str, Any]]:
    """The reader's open loans that are not on a tile anyway."""
    shown = {tile.key for tile in session.tiles}
    rows = []
    for known in loans[:LOANS_MAX]:
        loan = known.item.loan
        if loan is None or known.item.item_id in shown:
            continue
        due = loan.due_at.astimezone(locale.zone)
        rows.append(
            {
                "key": known.item.item_id,
                "title": known.title.title,
                "due_on": f"{due:%Y-%m-%d}",
                "overdue": loan.due_at < now and not loan.doubtful,
                "renewable": not loan.on_site,
            }
        )
    return rows


def _notice(session: Session, language: str) -> str:
    if not session.notice:
        return ""
    name = session.notice if session.notice.startswith("notice_") else f"notice_{session.notice}"
    return phrase(language, name, n=session.pin_left or 0)


def _farewell(session: Session) -> dict[str, int] | None:
    if session.state is not State.FAREWELL:
        return None
    end = session.farewell
    return {"lent": end.lent, "returned": end.returned, "unswitched": end.unswitched}


def _local(at_ms: int | None, zone: ZoneInfo) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(at_ms / 1000, zone) if at_ms is not None else None
