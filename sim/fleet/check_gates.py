"""Promises about gates: their lists, the alarms that must not be, and those that must."""

from collections.abc import Iterator

from circulation.link import RECONNECT_MS_MAX
from sim.fleet.acts import BROKER, EVERY_LINK, MESSAGES, MINUTE_MS, Rate, has_security
from sim.fleet.oracle import MOVES, Truth, causes, told, truth
from sim.fleet.outcome import Alarm, Committed, Event, Outcome, SiteNews
from sim.fleet.verdict import DISASTERS, Violation, befell, end_ms

_MAY_LEAVE = frozenset(("on_loan", "uncertain", "in_transit", "in_repair", "withdrawn"))
_UNSECURED_ROW = 1  # of the table of decisions, docs/gate.md
HONEST_AFTER_MS = 2_000
"""How long after a loan every gate of the site must know of it."""
MEETS_MS = 5_000
"""How long a gate that has come back takes to be told by the kiosks what it missed."""
DEAF_MS = 75_000
"""After so long without a word from the gateway at most a station has connected anew."""
SETTLES_MS = MINUTE_MS
"""How long after its network was in trouble a gate may still lack something of it."""

_LOSES = frozenset(("loss", "delay", "reorder"))
_CUTS = {"partition": "heal", "swizzle_stop": "swizzle_start"}
_LEAVES_TAG = frozenset(("tag_stays", "cut_power"))


def lists(outcome: Outcome) -> Iterator[Violation]:
    """Every gate has the gateway's lineage, version and entries, and knows that they are new.

    What of the site's news may stand for ever is said by `_may_stand`.
    """
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
        stand = [news for news in found.overlay if not _may_stand(outcome, news)]
        if stand:
            wrong.append(f"{len(stand)} of the site's news were never covered")
        for text in wrong:
            yield Violation("gate_lists", gate, end_ms(outcome), f"{gate}: {text}")


def _may_stand(outcome: Outcome, news: SiteNews) -> bool:
    """Return whether news lies over a gate's list for good reason though all is at rest.

    Loans stand that a kiosk told in an epoch that has ended, until as much has been recorded
    again: nobody can tell a gate which of them were among the rows that are gone. So does what
    died with a card before the gateway had heard of it, until the kiosk is as far again: it goes
    on in the same epoch, since nobody who could tell it knows that there were more rows.
    """
    station = outcome.stations.get(news.station)
    if station is None:
        return False
    if news.epoch_n < station.epoch_n:
        return news.is_on
    is_ahead = (news.epoch_n, news.seq) > (station.epoch_n, station.seq_last)
    return is_ahead and news.fact_id not in outcome.surviving


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
    """No gate sounds for whoever borrowed the book at its site, saw the tick, and left later.

    Where another kiosk wrote what the lender had not heard of, the order is not always known,
    and staff are told. A tag that was switched speaks for its reader whatever the network does.
    Where it was not, the word of the kiosk must have had a way to the gate, and somebody must
    still have it: the kiosk's card, or the gateway.
    """
    sites = {place.name: place.site for place in outcome.plan.shape.places}
    ticks = {event.detail[2]: event for event in outcome.of("lent")}
    for alarm in outcome.alarms:
        lent = _truth_of(outcome, alarm.item, alarm.at_ms)
        tick = ticks.get(lent.last)
        if not lent.is_on_loan or tick is None or alarm.holder != lent.patron:
            continue
        is_due = alarm.at_ms - tick.at_ms >= HONEST_AFTER_MS
        if alarm.applied and _is_disputed(outcome, alarm, lent):
            continue
        if _is_gone(outcome, tick, alarm, lent):
            continue
        if is_due and sites.get(tick.who) == sites[alarm.gate] and _is_known(outcome, tick, alarm):
            yield _against_honest(alarm, tick, lent)


def heard(outcome: Outcome) -> Iterator[Violation]:
    """What a kiosk has told a gate the gate does not forget while the loan lasts, whatever
    happens to network and gateway, unless the gate itself is switched off.

    Once the gateway has a loan it is the list that counts, and another kiosk that had not heard
    of it may say otherwise. Of a loan that went with its card nobody can tell for how long.
    """
    for alarm in outcome.alarms:
        lent = _truth_of(outcome, alarm.item, alarm.at_ms)
        if not (lent.is_on_loan and alarm.holder == lent.patron and lent.last in alarm.heard):
            continue
        is_excused = alarm.applied and _is_disputed(outcome, alarm, lent)
        if not is_excused and not befell(outcome, lent.lent_by, DISASTERS):
            text = (
                f"{alarm.gate} sounded (row {alarm.row}) for {alarm.item}, though it had been "
                f"told of {lent.patron}'s loan {lent.last}"
            )
            yield Violation("heard", alarm.gate, alarm.at_ms, text, alarm.item)


def _is_disputed(outcome: Outcome, alarm: Alarm, lent: Truth) -> bool:
    """Return whether another kiosk had written about the item what the lender did not know."""
    own = [
        fact
        for fact in told(outcome.committed)
        if fact.one.item == alarm.item and fact.kind in MOVES and fact.one.at_ms <= alarm.at_ms
    ]
    loan = next(fact for fact in own if fact.one.fact_id == lent.last)
    known = causes(loan, own)
    return any(fact.one.fact_id not in known for fact in own if fact.one.station != lent.lent_by)


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


def _is_known(outcome: Outcome, tick: Event, alarm: Alarm) -> bool:
    """Return whether the gate must know of a loan: by its tag, or by the site's own network.

    A kiosk's word that a book came back with its tag unswitched counts for more than the tag,
    until the gate hears of a newer loan.
    """
    is_switched = not (outcome.plan.shape.dead_pads or befell(outcome, tick.who, _LEAVES_TAG))
    is_told = not _is_at_old_place(outcome, str(tick.detail[2]))
    if has_security(alarm.item) and is_switched and alarm.row != _UNSECURED_ROW:
        return True
    if not is_told or not _have_met(outcome, tick, alarm):
        return False
    since_ms = tick.at_ms - SETTLES_MS
    return not any(
        trouble.link in (tick.who, alarm.gate, BROKER, EVERY_LINK)
        and trouble.from_ms <= alarm.at_ms
        and trouble.to_ms >= since_ms
        for trouble in _troubles(outcome)
    )


def _is_at_old_place(outcome: Outcome, fact_id: str) -> bool:
    """Return whether a loan stands at a place that another fact had before the card went back:
    until the gateway has told the kiosk, gates take it for old news."""
    loan = _committed(outcome, fact_id)
    place = (loan.station, loan.epoch_n, loan.seq)
    return any(
        (one.station, one.epoch_n, one.seq) == place and one.fact_id != fact_id
        for one in outcome.committed
        if one.at_ms < loan.at_ms
    )


def _is_gone(outcome: Outcome, tick: Event, alarm: Alarm, lent: Truth) -> bool:
    """Return whether a loan went with its card before the alarm, no copy of it is left, and
    nothing tells it any more from one that has ended.

    Gates keep the site's word of it until the kiosk has written as much again as it had lost.
    If the gateway had it, and went back to a backup, the old list speaks for it until all that
    can come back is said to be back.
    """
    acts = [act for act in outcome.plan.acts if tick.at_ms < act.at_ms < alarm.at_ms]
    went = [act.at_ms for act in acts if act.who == tick.who and act.what in DISASTERS]
    if lent.last in outcome.surviving or not went:
        return False
    restored = [act.at_ms for act in acts if act.what == "restore_backup"]
    is_back = any(
        min(restored) < event.at_ms <= alarm.at_ms for event in outcome.of("recovered") if restored
    )
    loan = _committed(outcome, lent.last)
    own = [one for one in outcome.committed if one.station == loan.station]
    lost = [one for one in own if one.at_ms <= loan.at_ms and one.fact_id not in outcome.surviving]
    anew = [one for one in own if min(went) < one.at_ms <= alarm.at_ms]
    return is_back or len(anew) >= len(lost)


def _committed(outcome: Outcome, fact_id: str) -> Committed:
    return next(one for one in outcome.committed if one.fact_id == fact_id)


def _have_met(outcome: Outcome, tick: Event, alarm: Alarm) -> bool:
    """Return whether the gate has been on beside the kiosk for a while since the loan: what it
    heard is gone with its power, and a kiosk that is off answers nobody."""
    met_ms = 0
    on_since = {alarm.gate: 0, tick.who: 0}
    for event in outcome.events:
        if event.at_ms > alarm.at_ms:
            break
        if event.what not in ("started", "stopped") or event.who not in (alarm.gate, tick.who):
            continue
        if event.what == "started":
            on_since[event.who] = event.at_ms
            met_ms = 0 if event.who == alarm.gate else met_ms
        elif len(on_since) == 2:
            met_ms = max(met_ms, event.at_ms - max(*on_since.values(), tick.at_ms))
        if event.what == "stopped":
            on_since.pop(event.who, None)
    if len(on_since) == 2:
        met_ms = max(met_ms, alarm.at_ms - max(*on_since.values(), tick.at_ms))
    is_new = on_since.get(alarm.gate, 0) > tick.at_ms
    return met_ms >= (MEETS_MS if is_new else HONEST_AFTER_MS)


def _troubles(outcome: Outcome) -> Iterator[Rate]:
    """Yield when messages of a link, or of the whole broker, were lost or late."""
    plan = outcome.plan
    yield from (rate for rate in plan.rates if rate.kind in _LOSES)
    for act in plan.acts:
        if act.what == "broker_overflow":
            until_ms = act.at_ms + int(act.args[2])
            yield Rate(act.what, BROKER, act.at_ms, until_ms, MESSAGES)
        elif act.what == "deaf":
            yield Rate(act.what, act.who, act.at_ms, act.at_ms + DEAF_MS, MESSAGES)
        elif act.what == "twin":  # two of one name throw each other out at the broker
            until_ms = act.at_ms + int(act.args[0]) + RECONNECT_MS_MAX
            yield Rate(act.what, act.who, act.at_ms, until_ms, MESSAGES)
        elif act.what in _CUTS:
            ends = (
                end.at_ms
                for end in plan.acts
                if end.who == act.who and end.what == _CUTS[act.what] and end.at_ms >= act.at_ms
            )
            until_ms = min(ends, default=plan.shape.duration_ms)
            yield Rate(act.what, act.who, act.at_ms, until_ms, MESSAGES)


def _against_honest(alarm: Alarm, tick: Event, lent: Truth) -> Violation:
    ago_s = (alarm.at_ms - tick.at_ms) / 1_000
    text = (
        f"{alarm.gate} sounded (row {alarm.row}) for {alarm.item}, lent to {lent.patron} "
        f"{ago_s:.1f} s before at {tick.who}"
    )
    return Violation("honest", alarm.gate, alarm.at_ms, text, alarm.item)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
