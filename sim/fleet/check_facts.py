"""Promises about facts: none lost, none twice, each in its place."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from sim.fleet.outcome import Committed, Outcome
from sim.fleet.verdict import DISASTERS, Violation, befell, end_ms

_RESTORED = frozenset(("restore_backup",))
_TWIN = frozenset(("twin",))
_POISONED = frozenset(("poison", "old_version"))
DESK = "desk"


def survivors(outcome: Outcome) -> Iterator[Violation]:
    """Every fact of which a copy is on some disk is in the gateway's table, as it was written."""
    bodies = {one.fact_id: one.body for one in outcome.applied}
    parked = {one.fact_id for one in outcome.parked}
    for one in outcome.committed:
        if one.fact_id not in outcome.surviving or one.fact_id in parked:
            continue
        if one.fact_id not in bodies:
            yield _about(one, "survivors", "is on a disk, and the gateway does not have it")
        elif bodies[one.fact_id] != one.body:
            yield _about(one, "survivors", "came to the gateway with other bytes")


def once(outcome: Outcome) -> Iterator[Violation]:
    """Nothing in the gateway's table twice, and nothing that no station wrote."""
    written = {one.fact_id for one in outcome.committed}
    seen: set[str] = set()
    for row in outcome.applied:
        where = f"fact {row.fact_id} of {row.station}"
        if row.fact_id in seen:
            yield Violation("once", row.station, end_ms(outcome), f"{where} is there twice")
        if row.fact_id not in written:
            yield Violation("once", row.station, end_ms(outcome), f"{where}: nobody wrote it")
        seen.add(row.fact_id)


def order(outcome: Outcome) -> Iterator[Violation]:
    """By (epoch, seq) the facts of a station stand as it wrote them.

    Two stations under one name write at the same time; no position can tell those apart, and
    staff are told that there are two.
    """
    rank = {one.fact_id: n for n, one in enumerate(outcome.committed)}
    of_station = defaultdict(list)
    for row in outcome.applied:
        if row.fact_id in rank:
            of_station[row.station].append(row)
    for station, rows in sorted(of_station.items()):
        if befell(outcome, station, _TWIN):
            continue
        rows.sort(key=lambda row: (row.epoch_n, row.seq))
        for first, then in pairwise(rows):
            if rank[first.fact_id] > rank[then.fact_id]:
                text = (
                    f"row {first.epoch_n}/{first.seq} was written after row "
                    f"{then.epoch_n}/{then.seq}"
                )
                yield Violation("order", station, end_ms(outcome), text, then.fact_id)


def no_gaps(outcome: Outcome) -> Iterator[Violation]:
    """In each epoch there is a place for every row up to the last, or a declared hole."""
    there = defaultdict(set)
    for place in outcome.positions:
        there[place.station, place.epoch].add(place.seq)
    for station, epoch, first, last in outcome.declared_lost:
        there[station, epoch].update(range(first, last + 1))
    for (station, epoch), seqs in sorted(there.items()):
        missing = sorted(set(range(1, max(seqs) + 1)) - seqs)
        if missing:
            text = f"epoch {epoch}: rows {_ranges(missing)} are neither there nor declared lost"
            yield Violation("no_gaps", station, end_ms(outcome), text)


def acknowledged(outcome: Outcome) -> Iterator[Violation]:
    """What was acknowledged is safe, unless two disks died: its own and the gateway's."""
    is_restored = befell(outcome, "gateway", _RESTORED)
    applied = {one.fact_id for one in outcome.applied} | {one.fact_id for one in outcome.parked}
    for one in outcome.committed:
        if one.fact_id not in outcome.acknowledged or one.fact_id in applied:
            continue
        if not (is_restored and befell(outcome, one.station, DISASTERS)):
            yield _about(one, "acknowledged", "was acknowledged, and is gone")


def lost(outcome: Outcome) -> Iterator[Violation]:
    """A fact is gone only where a card was replaced or rolled back, or a twin went away."""
    for one in outcome.committed:
        if one.fact_id not in outcome.surviving and not befell(outcome, one.station, DISASTERS):
            yield _about(one, "lost_by_disk", "is on no disk, although none was replaced")


def lost_is_told(outcome: Outcome) -> Iterator[Violation]:
    """Of what a station had announced and is gone, an entry names the rows.

    A gateway that was restored does not know what was announced after its backup. What two
    stations of one name announce is not told apart.
    """
    if befell(outcome, "gateway", _RESTORED):
        return
    named = _rows_named(outcome)
    for one in outcome.committed:
        if one.fact_id in outcome.surviving or befell(outcome, one.station, _TWIN):
            continue
        is_named = any(first <= one.seq <= last for first, last in named[one.station])
        if _was_announced(outcome, one) and not is_named:
            yield _about(one, "lost_is_told", "was announced and is gone; no entry says so")


def _was_announced(outcome: Outcome, one: Committed) -> bool:
    """Return whether the gateway heard of a row before the disk that held it was gone."""
    ends = (
        act.at_ms
        for act in outcome.plan.acts
        if act.who == one.station and act.what in DISASTERS and act.at_ms >= one.at_ms
    )
    gone_ms = min(ends, default=end_ms(outcome))
    return any(
        birth.station == one.station
        and birth.epoch_n == one.epoch_n
        and birth.seq_last >= one.seq
        and one.at_ms <= birth.at_ms <= gone_ms
        for birth in outcome.announced
    )


def only_poison_is_parked(outcome: Outcome) -> Iterator[Violation]:
    """Nothing waits for a newer version but what a poisoned or a newer station wrote."""
    for row in outcome.parked:
        if not befell(outcome, row.station, _POISONED):
            text = f"row {row.epoch_n}/{row.seq} is parked: {row.why}"
            yield Violation("poison", row.station, end_ms(outcome), text, row.fact_id)


def _rows_named(outcome: Outcome) -> dict[str, list[tuple[int, int]]]:
    """Return by station which rows entries for staff, or declared holes, say to be gone."""
    named = defaultdict(list)
    for entry in outcome.reviews:
        if entry.rule == "facts_lost":
            detail = json.loads(entry.detail or "{}")
            named[entry.station].append((detail.get("first", 0), detail.get("last", 0)))
    for station, _, first, last in outcome.declared_lost:
        named[station].append((first, last))
    return named


def _about(one: Committed, rule: str, what: str) -> Violation:
    text = f"fact {one.fact_id} (row {one.epoch_n}/{one.seq}) {what}"
    return Violation(rule, one.station, one.at_ms, text, one.fact_id)


def _ranges(numbers: list[int]) -> str:
    """Return sorted numbers with runs drawn together: 3-5, 9."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
