"""Promises about what stations and gateway say of each other: nothing that is not so.

A second line of defence mends most of what goes wrong here before the end; so these rules look
at the moment in which something was said.
"""

from collections import defaultdict
from collections.abc import Iterator

from sim.fleet.acts import EVERY_LINK
from sim.fleet.outcome import Outcome, PutBack
from sim.fleet.verdict import DISASTERS, Violation, befell, end_ms

_TWIN = frozenset(("twin",))


def backed(outcome: Outcome) -> Iterator[Violation]:
    """Whenever a station counted a row as acknowledged, the gateway had it under its hash."""
    for one in outcome.unbacked:
        text = f"{one.station} believed that row {one.seq} of {one.epoch} is applied; it was not"
        yield Violation("backed", one.station, one.at_ms, text)


def old_card(outcome: Outcome) -> Iterator[Violation]:
    """A station on an old card, of whose journal the gateway has more, begins a new epoch.

    Not if a backup took those rows from the gateway too before it could say that it has them:
    then nobody is left who knows more than the card.
    """
    kept = {place.hash for place in outcome.positions}
    for card in outcome.put_back:
        station = outcome.stations.get(card.station)
        is_behind = card.hw > card.seq_last
        if station is None or not is_behind or befell(outcome, card.station, _TWIN):
            continue
        if _is_forgotten(outcome, card, kept):
            continue
        if station.epoch_n <= card.epoch_n:
            text = (
                f"{card.station} came back with {card.seq_last} rows where the gateway had "
                f"{card.hw}, and is still in epoch {station.epoch_n}"
            )
            yield Violation("old_card", card.station, card.at_ms, text)


def _is_forgotten(outcome: Outcome, card: PutBack, kept: set[str]) -> bool:
    """Return whether the gateway, restored since, has none of the rows that a card lacked."""
    is_restored = any(
        act.what == "restore_backup" and act.at_ms >= card.at_ms for act in outcome.plan.acts
    )
    return is_restored and kept.isdisjoint(card.gone)


def numbers(outcome: Outcome) -> Iterator[Violation]:
    """No two journals of a station have one number, or the order of their rows is none.

    Two stations under one name may choose alike; a new card begins at 1 before it is told.
    """
    found = defaultdict(list)
    for station, number, epoch in outcome.epochs:
        found[station, number].append(epoch)
    for (station, number), epochs in sorted(found.items()):
        if len(epochs) > 1 and not befell(outcome, station, _TWIN):
            text = f"{station} has {len(epochs)} journals of number {number}: {', '.join(epochs)}"
            yield Violation("numbers", station, end_ms(outcome), text)


def history(outcome: Outcome) -> Iterator[Violation]:
    """A gateway that was not restored has no reason to begin a new history."""
    for event in outcome.of("history"):
        text = f"the gateway began a new history by itself: {event.detail[0]}"
        yield Violation("history", "gateway", event.at_ms, text)


def recovered(outcome: Outcome) -> Iterator[Violation]:
    """When a restored gateway says that all is back, it has all that a station kept."""
    for one in outcome.missing:
        if not befell(outcome, one.station, DISASTERS):
            text = f"the gateway said that all is back, and had not yet got fact {one.fact_id}"
            yield Violation("recovered", one.station, one.at_ms, text, one.fact_id)


def told(outcome: Outcome) -> Iterator[Violation]:
    """A change of a list that counts as published was handed to the broker."""
    for kind, version in outcome.untold:
        text = f"version {version} of {kind} counts as published and never was"
        yield Violation("told", "gateway", end_ms(outcome), text)


def shown(outcome: Outcome) -> Iterator[Violation]:
    """Whoever looks is told of each station that is on that it is.

    A birth that was lost on its way is not said again before the next connection.
    """
    lossy = {rate.link for rate in outcome.plan.rates if rate.kind == "loss"}
    for name, station in sorted(outcome.stations.items()):
        if station.connected and not station.shown and not lossy & {name, EVERY_LINK}:
            text = f"{name} is on, and its retained status says that it is not"
            yield Violation("shown", name, end_ms(outcome), text)
