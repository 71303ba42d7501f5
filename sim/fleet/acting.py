"""What a plan's acts do to a fleet: one function for each, in one table."""

from __future__ import annotations

from collections.abc import Callable

from sim.fleet.acts import CHOKING, Act
from sim.fleet.gate import FleetGate
from sim.fleet.kiosk import FleetKiosk
from sim.fleet.world import Fleet

BROKER_DOWN_MS = 2_000
ROLL_BACK_MS = 5_000
NEW_CARD_MS = 60_000

Doing = Callable[[Fleet, Act], None]


def act(fleet: Fleet, one: Act) -> None:
    """Let an act happen; raises KeyError for one that nobody knows.

    A fault is counted when it strikes; those that wait for a step are counted when that comes.
    """
    if one.what in _STRIKES_AT_ONCE:
        fleet.fault(_STRIKES_AT_ONCE[one.what])
    _TABLE[one.what](fleet, one)


def _kiosk(fleet: Fleet, one: Act) -> FleetKiosk:
    found = fleet.stations[one.who]
    assert isinstance(found, FleetKiosk), f"{one.who} is no kiosk"
    return found


def _lend(fleet: Fleet, one: Act) -> None:
    patron, book = str(one.args[0]), fleet.books[str(one.args[1])]
    if book.is_out and book.holder != patron:
        fleet.note(one.who, "skipped", "lend", book.name, "not here")
        return
    book.is_out = False
    _kiosk(fleet, one).lend(patron, book)


def _return(fleet: Fleet, one: Act) -> None:
    book = fleet.books[str(one.args[0])]
    book.is_out = False
    _kiosk(fleet, one).take_back(book)


def _renew(fleet: Fleet, one: Act) -> None:
    patron, book = str(one.args[0]), fleet.books[str(one.args[1])]
    _kiosk(fleet, one).renew(patron, book)


def _use_in_house(fleet: Fleet, one: Act) -> None:
    book = fleet.books[str(one.args[0])]
    if book.is_out:
        fleet.note(one.who, "skipped", "use_in_house", book.name, "not here")
    else:
        _kiosk(fleet, one).use_in_house(book)


def _carry_out(fleet: Fleet, one: Act) -> None:
    book, how = fleet.books[str(one.args[0])], one.args[1]
    gate = fleet.stations[one.who]
    assert isinstance(gate, FleetGate), f"{one.who} is no gate"
    if book.is_out or (how == "lent" and not (book.holder and book.is_told)):
        fleet.note(one.who, "skipped", "carry_out", book.name, "not here")
        return
    book.is_out = True
    if how == "hidden":
        book.holder = ""
        book.is_told = False
    gate.pass_through(book, outwards=True)


def _carry_in(fleet: Fleet, one: Act) -> None:
    book = fleet.books[str(one.args[0])]
    gate = fleet.stations[one.who]
    assert isinstance(gate, FleetGate), f"{one.who} is no gate"
    if not book.is_out:
        fleet.note(one.who, "skipped", "carry_in", book.name, "not out")
        return
    book.is_out = False
    gate.pass_through(book, outwards=False)


def _staff_decide(fleet: Fleet, one: Act) -> None:
    fleet.gateway.decide(fleet.books[str(one.args[0])])


def _cut_power(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].cut_power(str(one.args[0]))


def _restore_power(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].restore_power()


def _torn_tail(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].tear_next()


def _partition(fleet: Fleet, one: Act) -> None:
    fleet.fault("partition" if one.who in fleet.stations else "site_partition")
    fleet.wires[one.who].cut("partition")


def _heal(fleet: Fleet, one: Act) -> None:
    fleet.wires[one.who].mend("partition")


def _swizzle_stop(fleet: Fleet, one: Act) -> None:
    fleet.wires[one.who].cut("swizzle")


def _swizzle_start(fleet: Fleet, one: Act) -> None:
    fleet.wires[one.who].mend("swizzle")


def _broker_restart(fleet: Fleet, one: Act) -> None:
    fleet.brokers[str(one.args[0])].restart(BROKER_DOWN_MS)


def _broker_overflow(fleet: Fleet, one: Act) -> None:
    site, length, for_ms = one.args
    fleet.brokers[str(site)].overflow(int(length), int(for_ms))


def _image(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].image()


def _roll_back(fleet: Fleet, one: Act) -> None:
    station = fleet.stations[one.who]
    if station.roll_back():
        fleet.fault("roll_back")
        fleet.timeline.after(ROLL_BACK_MS, station.power_on)


def _new_card(fleet: Fleet, one: Act) -> None:
    station = fleet.stations[one.who]
    station.new_card()
    fleet.timeline.after(NEW_CARD_MS, station.power_on)


def _clock_jump(fleet: Fleet, one: Act) -> None:
    jump_ms = int(one.args[0])
    fleet.fault(_name_of_jump(jump_ms))
    fleet.stations[one.who].clock.jump(jump_ms)


def _twin(fleet: Fleet, one: Act) -> None:
    fleet.begin_twin(_kiosk(fleet, one), int(one.args[0]))


def _kill_gateway(fleet: Fleet, one: Act) -> None:
    if fleet.gateway.is_up:
        fleet.gateway.arm(str(one.args[0]), int(one.args[1]))


def _backup(fleet: Fleet, one: Act) -> None:
    fleet.gateway.back_up()


def _restore_backup(fleet: Fleet, one: Act) -> None:
    if fleet.gateway.restore():
        fleet.fault("restore_backup")


def _poison(fleet: Fleet, one: Act) -> None:
    fleet.fault("choke" if one.args[0] == CHOKING else "poison")
    fleet.stations[one.who].poison(str(one.args[0]))


def _deaf(fleet: Fleet, one: Act) -> None:
    station = fleet.stations[one.who]
    if station.link is not None and station.link.session is not None:
        fleet.fault("deaf")
        station.link.session.forget_filters()


def _replay(fleet: Fleet, one: Act) -> None:
    if fleet.brokers[str(one.args[0])].replay():
        fleet.fault("replay")


def _disk_full(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].card.is_full = True


def _disk_free(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].card.is_full = False


def _slow_consumer(fleet: Fleet, one: Act) -> None:
    fleet.gateway.slow_ms = int(one.args[0])


def _fast_consumer(fleet: Fleet, one: Act) -> None:
    fleet.gateway.slow_ms = 0


def _old_version(fleet: Fleet, one: Act) -> None:
    fleet.stations[one.who].is_old_version = True


def _tag_stays(fleet: Fleet, one: Act) -> None:
    _kiosk(fleet, one).tag_stays = True


_TABLE: dict[str, Doing] = {
    "lend": _lend,
    "return": _return,
    "renew": _renew,
    "use_in_house": _use_in_house,
    "carry_out": _carry_out,
    "carry_in": _carry_in,
    "staff_decide": _staff_decide,
    "cut_power": _cut_power,
    "restore_power": _restore_power,
    "torn_tail": _torn_tail,
    "partition": _partition,
    "heal": _heal,
    "swizzle_stop": _swizzle_stop,
    "swizzle_start": _swizzle_start,
    "broker_restart": _broker_restart,
    "broker_overflow": _broker_overflow,
    "image": _image,
    "roll_back": _roll_back,
    "new_card": _new_card,
    "clock_jump": _clock_jump,
    "twin": _twin,
    "kill_gateway": _kill_gateway,
    "backup": _backup,
    "restore_backup": _restore_backup,
    "poison": _poison,
    "deaf": _deaf,
    "replay": _replay,
    "disk_full": _disk_full,
    "disk_free": _disk_free,
    "slow_consumer": _slow_consumer,
    "fast_consumer": _fast_consumer,
    "old_version": _old_version,
    "tag_stays": _tag_stays,
}

_STRIKES_AT_ONCE = {
    "swizzle_stop": "swizzle",
    "broker_restart": "broker_restart",
    "broker_overflow": "broker_overflow",
    "new_card": "new_card",
    "twin": "twin",
    "disk_full": "disk_full",
    "slow_consumer": "slow_consumer",
    "old_version": "old_version",
}
_YEAR_MS = 365 * 24 * 3_600_000


def _name_of_jump(jump_ms: int) -> str:
    if jump_ms > 0:
        return "clock_2106"
    return "clock_1970" if jump_ms < -_YEAR_MS else "clock_back"
