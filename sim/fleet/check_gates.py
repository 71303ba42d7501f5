"""Promises about gates: their lists, the alarms that must not be, and those that must."""

from collections.abc import Iterator

from sim.fleet.acts import has_security
from sim.fleet.oracle import Truth, truth
from sim.fleet.outcome import Alarm, Outcome
from sim.fleet.verdict import Violation, end_ms

_MAY_LEAVE = frozenset(("on_loan", "uncertain", "in_transit", "in_repair", "withdrawn"))
HONEST_AFTER_MS = 2_000
"""How long after a loan every gate of the site must know of it."""


def lists(outcome: Outcome) -> Iterator[Violation]:
    """Every gate has the gateway's lineage, version and entries, and knows that they are new."""
    wanted = outcome.truth_list
    if wanted is None:
        return
    for gate, found in sorted(outcome.gate_lists.items()):
        wrong = [
            f"{name} {_short(getattr(found, name))} instead of {_short(getattr(wanted, name))}"
            for name in ("lineage", "version", "reaches", "unsecured")
            if getattr(found, name) != getattr(wanted, name)
        ]
        if found.freshness != "FRESH":
            wrong.append(f"it says {found.freshness} of itself")
        if found.overlay:
            wrong.append(f"{found.overlay} of the site's news were never covered")
        for text in wrong:
            yield Violation("gate_lists", gate, end_ms(outcome), f"{gate}: {text}")


def may_leave(outcome: Outcome) -> Iterator[Violation]:
    """What may leave by the catalogue is on the gateway's list, and nothing else."""
    if outcome.truth_list is None:
        return
    listed = {key for key, _ in outcome.truth_list.reaches}
    for name, item in sorted(outcome.item_states.items()):
        is_listed = any(key in listed for key in outcome.keys.get(name, ()))
        if is_listed != (item.state in _MAY_LEAVE):
            text = f"{name} is {item.state} and {'may' if is_listed else 'may not'} leave"
            yield Violation("may_leave", "gateway", end_ms(outcome), text, name)


def honest(outcome: Outcome) -> Iterator[Violation]:
    """No gate sounds for whoever borrowed the book at its site more than 2 s before."""
    sites = {place.name: place.site for place in outcome.plan.shape.places}
    for alarm in outcome.alarms:
        before, now = (
            _truth_of(outcome, alarm.item, until_ms)
            for until_ms in (alarm.at_ms - HONEST_AFTER_MS, alarm.at_ms)
        )
        is_lent = before.is_on_loan and before.last == now.last
        if is_lent and alarm.holder == now.patron and sites.get(now.lent_by) == sites[alarm.gate]:
            yield _against_honest(alarm, now)


def thief(outcome: Outcome) -> Iterator[Violation]:
    """A book that nobody ever borrowed does not get past a gate that has power in silence."""
    for event in outcome.of("carried_out"):
        item, _, sounded = event.detail[:3]
        never_lent = not any(
            one.item == item and one.patron and one.at_ms <= event.at_ms
            for one in outcome.committed
        )
        if never_lent and has_security(str(item)) and not sounded:
            text = f"{item} was never lent, and {event.who} let it pass"
            yield Violation("thief", event.who, event.at_ms, text, str(item))


def _truth_of(outcome: Outcome, item: str, until_ms: int) -> Truth:
    own = [one for one in outcome.committed if one.item == item]
    return truth(own, until_ms=until_ms).get(item, Truth(item))


def _against_honest(alarm: Alarm, lent: Truth) -> Violation:
    ago_s = (alarm.at_ms - lent.lent_at_ms) / 1_000
    text = (
        f"{alarm.gate} sounded (row {alarm.row}) for {alarm.item}, lent to {lent.patron} "
        f"{ago_s:.1f} s before at {lent.lent_by}"
    )
    return Violation("honest", alarm.gate, alarm.at_ms, text, alarm.item)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
