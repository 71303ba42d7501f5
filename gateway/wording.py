"""Codes and instants in words for staff, in one place.

Every function takes what the tables hold and returns a sentence or a part of one; an unknown
code is shown as it is, never hidden. Times are the library's (`in_zone`), not the machine's: a
gateway often runs on a server that keeps UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from circulation.reasons import Reason, say

EXACT_MS = 120_000  # an interval this long is shown as one minute
Doc = dict[str, Any]
SILENT = "not heard for a minute: "  # how a gate names the lending stations it has not heard
_REASONS = {reason.value: reason for reason in Reason}

STATES = {
    "available": "on the shelf",
    "to_be_shelved": "returned, to be shelved",
    "on_loan": "on loan",
    "on_hold_shelf": "on the hold shelf",
    "in_transit": "on its way",
    "missing": "missing",
    "lost": "lost",
    "claimed_returned": "the reader says it was returned",
    "damaged": "damaged",
    "in_repair": "out for repair",
    "withdrawn": "withdrawn",
    "uncertain": "uncertain",
}

KINDS = {
    "checkout": "Checked out",
    "checkin": "Checked in",
    "renewal": "Renewed",
    "used_in_house": "Used in the house",
    "seen": "Seen on the shelf",
    "tag_seen": "Tag and number seen together",
    "tag_written": "Tag written",
    "security_not_set": "Tag could not be switched",
    "hold_placed": "Hold placed",
    "hold_trapped": "Kept for a hold",
    "hold_shelved": "Put on the hold shelf",
    "hold_ended": "Hold ended",
    "sent": "Sent",
    "received": "Received",
    "deposited": "Given to a class or a corner",
    "recalled": "Recalled",
    "declared": "Declared",
    "repaired": "Repaired",
    "withdrawn": "Withdrawn",
    "charged": "Fee charged",
    "paid": "Fee paid",
    "waived": "Fee waived",
    "card_issued": "Card issued",
    "card_lost": "Card reported lost",
    "card_voided": "Card voided",
    "blocked": "Reader blocked",
    "cleared": "Block lifted",
    "passages": "People counted",
    "visit": "Visit",
    "tally": "Tally",
    "alarm": "Alarm",
    "alarm_answered": "Alarm answered",
    "clock": "Clock compared",
    "lost": "Facts lost at the station",
    "not_shown": "Loan taken back: never shown to the reader",
    "decision": "Decided by staff",
}

RULES = {
    "uncertain": "Two stations disagree, and nobody can say which was last.",
    "order_unclear": "The order is unclear, but every order ends the same way.",
    "unseen_by_decision": "Something arrived that a decision did not know of.",
    "not_shown": "A loan was taken back because the reader never saw it.",
    "implicit_return": "Lent to the next reader without a return; the first loan was ended.",
    "return_proposed": "Seen in the house while on loan. Was it returned?",
    "returned_while_missing": "It was missing and has turned up.",
    "returned_while_lost": "It was lost and has turned up; is there a fee to pay back?",
    "returned_while_claimed": "The reader had said so: it was returned.",
    "returned_while_in_transit": "It was on its way and is here.",
    "back_from_repair": "It was out for repair and is here.",
    "part_missing": "Returned without one of its parts.",
    "renewal_of_ended_loan": "Renewed after the loan had ended; the renewal counts for nothing.",
    "renewal_while_gone": "Renewed while it is missing or lost.",
    "renewal_while_uncertain": "Renewed while nobody knows who has it.",
    "hold_shelf_left": "Taken from the hold shelf and brought back.",
    "hold_of_absent_item": "Kept for a reader, but it is not here.",
    "damaged_item_lent": "Lent although it is marked as damaged.",
    "withdrawn_item_lent": "Lent although it was withdrawn.",
    "withdrawn_item_seen": "Withdrawn, and seen in the house.",
    "withdrawn_while_on_loan": "Withdrawn while a reader has it.",
    "reference_left": "A reference item was lent to be carried out of the house.",
    "item_unknown": "Nobody knows this item yet.",
    "tag_elsewhere": "This tag is known from another item.",
    "unsecured_full": "So many books have a tag that opens the gates that the gates forget the"
    " oldest of them. Look at the pads: returned books' tags are not being switched.",
    "facts_lost": "A station lost facts that nobody else has.",
    "edit_missing": "A backup was restored that does not have this edit. Do it again.",
}

EVENTS = {
    "born": "{station} started",
    "returned": "{station} came back with {waiting} waiting",
    "caught_up": "{station} came back with {waiting} waiting · {applied} applied in {took}",
    "gone": "{station} was lost from sight",
    "forked": "{station}: its card was rolled back; sending again from {common}",
    "parked": "{station}: one fact was set aside ({why})",
    "lost": "{station}: facts {first} to {last} are lost",
    "twin": "two programs answer to the name {station}",
    "alarm": "alarm at {station}: {what}",
    "unsealed": "{station} sends messages without the library's key; nobody acts on them",
    "lineage": "the gateway starts a new history; stations send again",
    "restored": "a backup was restored; {edits} edits since it was made are to be done again",
    "imported": "{station}: {applied} facts came on a stick ({file})",
    "recovered": "every station has sent again what an older history may have lacked",
    "snapshot": "a new list of {kind} is ready (version {version})",
    "update_offered": "version {version} is offered to gates on {board}",
    "update_withdrawn": "version {version} for gates on {board} is withdrawn",
    "updated": "{station} runs another program: {now}, before {before}",
    "update_refused": "{station} does not take the update: {why}",
    "policy": "policy version {version} is in force from its date",
}

LIST_STATES = {
    "FRESH": "its list is up to date",
    "STALE": "its list may be old; readers' doubt counts for them",
    "BLIND": "it has no list and stays quiet",
}

CONTACT = {
    "connected": "connected",
    "silent": "silent",
    "dead": "no sign of life",
    "expected": "not heard yet",
}

ILL = ", needs a look"


_ZONE: ContextVar[dt.tzinfo | None] = ContextVar("zone", default=None)
"""Where the library is; None for where this machine is."""


@contextmanager
def in_zone(zone: dt.tzinfo) -> Iterator[None]:
    """Say the times of what is said inside as the clocks of that zone show them."""
    token = _ZONE.set(zone)
    try:
        yield
    finally:
        _ZONE.reset(token)


def state(code: str) -> str:
    """Return an item's state in words."""
    return STATES.get(code, code)


def kind(code: str) -> str:
    """Return a fact's kind in words."""
    return KINDS.get(code, code)


def rule(code: str) -> str:
    """Return why an entry waits for staff; a verdict quotes what the reader would be told."""
    if code in RULES:
        return RULES[code]
    reason = _REASONS.get(code)
    if reason is not None:
        return f"Lent although the rules say: “{say(reason, 'en').what}”"
    return code.replace("_", " ")


def entry(row: Doc) -> str:
    """Return why an entry waits for staff, with what it counts or names.

    >>> entry({"rule": "facts_lost", "detail": {"first": 101, "last": 115}})
    'A station lost facts that nobody else has: 15 of them, numbers 101 to 115.'
    >>> entry({"rule": "edit_missing", "detail": {"what": "import-items new.csv", "at": 0}})
    'A backup was restored that does not have this edit. Do it again: import-items new.csv.'
    """
    text, detail = rule(row["rule"]), row.get("detail")
    if not isinstance(detail, dict):
        return text
    first, last = detail.get("first"), detail.get("last")
    if row["rule"] == "facts_lost" and isinstance(first, int) and isinstance(last, int):
        return f"{text.rstrip('.')}: {last - first + 1} of them, numbers {first} to {last}."
    if row["rule"] == "edit_missing" and detail.get("what"):
        return f"{text.rstrip('.')}: {detail['what']}."
    return text


def ending(entry: Doc, now_ms: int) -> str:
    """Return how an entry ended, or that it waits.

    >>> ending({"decided_at": None, "settled_at": 0, "settled_by": ["a1"]}, 60_000)
    'settled by a later fact, 1 min ago'
    """
    if entry["decided_at"] is not None:
        return f"decided {ago(entry['decided_at'], now_ms)}"
    if entry["settled_at"] is None:
        return "waits for a decision"
    how = "settled by a later fact" if entry["settled_by"] else "settled: the order is known now"
    return f"{how}, {ago(entry['settled_at'], now_ms)}"


def event(entry: Doc) -> str:
    """Return a diary entry as a sentence; a field it lacks is shown as a dash.

    >>> event({"code": "born", "station": "kiosk-1", "detail": None})
    'kiosk-1 started'
    >>> event({"code": "born", "station": "kiosk-1", "name": "Door kiosk", "detail": None})
    'Door kiosk started'
    """
    template = EVENTS.get(entry["code"], str(entry["code"]))
    values = _Dashes(entry.get("detail") or {})
    values["station"] = entry.get("name") or entry.get("station") or "a station"
    return template.format_map(values)


def program(firmware: str | None) -> str:
    """Return which program a station runs.

    >>> program("lendgate 2 pico-w-6 on trial")
    'version 2 on pico-w-6, on trial'
    >>> program("lendgate-kiosk 0.1.0")
    'lendgate-kiosk 0.1.0'
    >>> program(None)
    'not known yet'
    """
    words = (firmware or "not known yet").split(" ", 3)
    if len(words) < 3 or words[0] != "lendgate":
        return " ".join(words)
    return ", ".join([f"version {words[1]} on {words[2]}", *words[3:]])


def update(view: Any) -> str:
    """Return what the gates made of an update that is offered, an `UpdateView`."""
    parts = [
        f"{what} {', '.join(stations)}"
        for what, stations in (
            ("taken by", view.taken),
            ("awaited by", view.waiting),
            ("refused by", list(view.refused)),
        )
        if stations
    ]
    return "; ".join(parts) or "no such gate has reported"


def trouble(subject: str, text: str, names: Mapping[str, str]) -> str:
    """Return what a station says is wrong with it, other stations by their names.

    >>> trouble("lenders", "not heard for a minute: kiosk-1, kiosk-2", {"kiosk-1": "Door kiosk"})
    'has not heard from Door kiosk and kiosk-2 for a minute'
    >>> trouble("printer", "paper is low", {})
    'printer: paper is low'
    >>> trouble("pad", "pad: /dev/ttyUSB0 is not there; check its plug", {})
    'pad: /dev/ttyUSB0 is not there; check its plug'
    """
    silent = text.removeprefix(SILENT)
    if subject != "lenders" or silent == text:
        return text if text.startswith(f"{subject}: ") else f"{subject}: {text}"
    called = [names.get(station, station) for station in silent.split(", ")]
    listed = " and ".join([", ".join(called[:-1]), called[-1]] if called[1:] else called)
    return f"has not heard from {listed} for a minute"


class _Dashes(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "–"


def connected(count: int, of: int) -> str:
    """Return how many of a building's stations are connected."""
    if count < of:
        return f"{count:,} of {of:,} connected"
    return "1 station, connected" if of == 1 else f"{of:,} stations, all connected"


def undecided(count: int, *, or_more: bool) -> str:
    """Return how many entries wait for staff. or_more: there may be some beyond those."""
    if or_more:
        return f"{count} or more entries wait for you."
    return "1 entry waits for you." if count == 1 else f"{count} entries wait for you."


def ago(then_ms: int | None, now_ms: int) -> str:
    """Return how long ago something was.

    >>> ago(0, 90_000)
    '2 min ago'
    >>> ago(None, 0)
    'never'
    """
    if then_ms is None:
        return "never"
    return f"{span(max(now_ms - then_ms, 0))} ago" if now_ms - then_ms >= 2_000 else "just now"


def span(duration_ms: int) -> str:
    """Return a duration with one unit.

    >>> [span(ms) for ms in (400, 12_000, 90_000, 7_200_000, 260_000_000)]
    ['0.4 s', '12 s', '2 min', '2 h', '3 days']
    """
    seconds = duration_ms / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def clock(instant_ms: int | None) -> str:
    """Return an instant as date and time where the library is, to the minute.

    >>> with in_zone(dt.timezone(dt.timedelta(hours=1))):
    ...     clock(1_700_000_000_000)
    '14 Nov 2023 23:13'
    """
    if instant_ms is None:
        return "unknown"
    try:
        local = dt.datetime.fromtimestamp(instant_ms / 1000, dt.UTC).astimezone(_ZONE.get())
    except (OverflowError, OSError, ValueError):
        return "unknown"
    return f"{local:%d %b %Y %H:%M}"


def fact(row: Doc) -> str:
    """Return what a fact says happened, without naming a reader.

    >>> fact({"kind": "declared", "fields": {"state": "missing"}})
    'Declared missing'
    """
    fields = row.get("fields") or {}
    text = kind(row["kind"])
    if row["kind"] in ("declared", "decision") and fields.get("state"):
        text = f"{text}{':' if row['kind'] == 'decision' else ''} {state(fields['state'])}"
    if row["kind"] in ("checkout", "renewal") and fields.get("due_at") is not None:
        text = f"{text}, due {clock(fields['due_at'])}"
    if fields.get("place"):
        text = f"{text} ({fields['place']})"
    if row["kind"] == "passages":
        text = f"{text}: {fields.get('in', 0)} in, {fields.get('out', 0)} out"
    return text


def instant(row: Doc) -> int | None:
    """Return the middle of a fact's interval, else what its station's clock said."""
    earliest, latest = row.get("earliest_ms"), row.get("latest_ms")
    if earliest is not None and latest is not None:
        return int((earliest + latest) // 2)
    return row.get("wall_ms") or row.get("received_at")


def is_exact(row: Doc) -> bool:
    """Return whether it is known to the minute when a fact happened.

    >>> is_exact({"earliest_ms": 0, "latest_ms": EXACT_MS})
    True
    >>> is_exact({"earliest_ms": 0, "latest_ms": EXACT_MS + 1})
    False
    """
    earliest_ms, latest_ms = row.get("earliest_ms"), row.get("latest_ms")
    if earliest_ms is None or latest_ms is None or row.get("flagged"):
        return False
    return bool(latest_ms - earliest_ms <= EXACT_MS)


def when(row: Doc) -> str:
    """Return when a fact happened, and within what bounds unless that is known to the minute.

    An interval has a bound or has none: a boot that never met the gateway lies between its
    neighbours, and the newest facts of such a station have none behind them yet.

    >>> bounds = {"earliest_ms": 1_700_000_000_000, "latest_ms": 1_700_003_000_000}
    >>> when(bounds).rpartition(" ± ")[2]
    '25 min'
    >>> when({**bounds, "flagged": 1}).rpartition("; ")[2]
    'its clock contradicts the order of writing'
    """
    text = _bounded(row.get("earliest_ms"), row.get("latest_ms")) or _unbounded(row)
    return f"{text}; its clock contradicts the order of writing" if row.get("flagged") else text


def _bounded(earliest_ms: int | None, latest_ms: int | None) -> str | None:
    if earliest_ms is None:
        return None if latest_ms is None else f"before {clock(latest_ms)}"
    if latest_ms is None:
        return f"after {clock(earliest_ms)}"
    middle = clock((earliest_ms + latest_ms) // 2)
    if latest_ms - earliest_ms <= EXACT_MS:
        return middle
    return f"about {middle} ± {_at_most((latest_ms - earliest_ms + 1) // 2)}"


def _unbounded(row: Doc) -> str:
    """Return what a station's own clock said, or when the fact came; nothing follows from it."""
    if row.get("wall_ms"):
        return f"about {clock(row['wall_ms'])} by the station's own clock"
    return f"before {clock(row.get('received_at'))}"


def _at_most(duration_ms: int) -> str:
    """Return a duration in one unit, rounded up: a bound may be too wide, never too narrow."""
    for name, unit_ms, units_max in (("min", 60_000, 90), ("h", 3_600_000, 36)):
        if duration_ms <= units_max * unit_ms:
            return f"{-(-duration_ms // unit_ms)} {name}"
    return f"{-(-duration_ms // 86_400_000)} days"
