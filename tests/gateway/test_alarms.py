"""What is shouted within a building: shown once, by its book's name, if it has the key."""

from dataclasses import asdict

import pytest

from circulation.wire.messages import SiteAlarm, SiteLoan, decode, encode, sealed
from gateway.hub import Heard
from gateway.web.pages import render_part
from tests.gateway.conftest import KEY, START_MS, Station
from tests.gateway.test_hub import TOPICS, journal, status
from tests.gateway.test_web import ABOUT, write_without_a_clock

WRONG_KEY = bytes(16)


def alarm(key=KEY, **fields):
    """Return a gate's alarm as heard over its site."""
    values = {
        "station": "gate-1",
        "alarm": "00000000000000a1",
        "gate": "gate-1",
        "lane": "1",
        "direction": "out",
        "row": 4,
        "uid": "e004010000001001",
        "item": None,
        "title": None,
        "shelf_mark": None,
        "latency_ms": 3,
        "answers": None,
        "mac": "",
        **fields,
    }
    return Heard(TOPICS.site_alarm("main"), encode(sealed(SiteAlarm(**values), key)))


def test_an_alarm_names_its_book_at_once(hub, board, books):
    """The page and the gate learn title and shelf mark before the journal has come."""
    sends = hub.take([alarm()], START_MS)

    answer = decode(SiteAlarm, sends[0].payload)
    (shown,) = board.alarms("gate-1")
    assert (answer.answers, answer.title) == ("00000000000000a1", "Momo")
    assert (shown.title, shown.direction, shown.item_id) == ("Momo", "out", books["1001"])


def test_an_alarm_of_a_stranger_is_shown_without_a_title(hub, board):
    """A book nobody knows is an alarm all the same."""
    assert hub.take([alarm(uid="e0ffffffffffffff")], START_MS) == []
    assert board.alarms()[0].title is None


def test_each_gate_shows_its_own_newest_alarm(hub, board, clock, books):
    """Of two in the same millisecond one is shown; who never sounded shows none."""
    alarms = [("gate-1", 1), ("gate-2", 2), ("gate-2", 3), ("gate-2", 4), ("gate-3", 5)]
    for gate, number in alarms:
        heard = alarm(station=gate, alarm=f"{number:016x}")
        clock.now_ms = START_MS + min(number, 3)
        hub.take([heard], clock.now_ms)
    hub.take([status(Station("gate-4"), role="gate")], clock.now_ms)

    shown = {view.station: view.last_alarm for view in board.stations() if view.role == "gate"}
    assert {gate: view and int(view.fact_id, 16) for gate, view in shown.items()} == {
        "gate-1": 1,
        "gate-2": 3,
        "gate-3": 5,
        "gate-4": None,
    }
    assert shown["gate-2"] == board.alarms("gate-2")[0]
    assert board.board().as_dict() == asdict(board.board())


def test_the_alarms_fact_and_its_message_are_one_alarm(hub, board, books):
    """Both have one id, whichever comes first."""
    gate = Station("gate-1")
    gate.write(
        "alarm",
        fact_id="00000000000000a1",
        uid="e004010000001001",
        gate="gate-1",
        lane="1",
        direction="out",
        row=4,
        latency_ms=3,
    )
    hub.take([alarm(), journal(gate)], START_MS)

    assert len(board.alarms()) == 1
    assert len([e for e in board.board().events if e["code"] == "alarm"]) == 1


SOUNDED = {"fact_id": "00000000000000a1", "uid": "e004010000001001", "gate": "gate-1", "row": 4}


def sound_soon_after_comparing_clocks(gate):
    gate.ask_time(START_MS - 600_000)
    gate.write("alarm", **SOUNDED)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda gate: gate.ask_time(START_MS), ">just now</time></span>"),
        (sound_soon_after_comparing_clocks, ">10 min ago</time></span>"),
        (lambda gate: write_without_a_clock(gate, "alarm", **SOUNDED), f'"soft">{ABOUT}</span>'),
        (
            lambda gate: gate.write("alarm", **SOUNDED),
            '"soft">about 14 Nov 2023 22:13 by the station&#39;s own clock</span>',
        ),
    ],
    ids=["heard at once", "by a clock compared", "between two clocks", "by no clock"],
)
def test_the_last_alarm_says_when_as_far_as_it_is_known(hub, board, books, write, said):
    """A gate that was cut off tells of it later; what its own clock says may be wrong by years."""
    gate = Station("gate-1")
    write(gate)

    hub.take([status(gate, role="gate"), alarm(), journal(gate)], START_MS)

    assert said in render_part("stations", board.board())


def told(board, code):
    """Return the stations that the diary names for a code, oldest first."""
    return [e["station"] for e in reversed(board.board().events) if e["code"] == code]


def test_an_alarm_without_the_librarys_key_is_no_alarm(hub, board, books):
    """Whoever can write on the building's network cannot make a guard run."""
    gate = Station("gate-1")
    hub.take([status(gate, role="gate")], START_MS)

    sends = hub.take([alarm(WRONG_KEY)], START_MS)

    assert sends == []
    assert board.alarms() == []
    assert told(board, "unsealed") == ["gate-1"]


def test_a_wrong_key_is_told_once_per_station_and_hour(hub, board):
    """The diary is for people: a flood is one sentence, and names nobody made up."""
    gate, hour_ms = Station("gate-1"), 3_600_000
    hub.take([status(gate, role="gate")], START_MS)

    for at_ms in (0, 1, hour_ms - 1, hour_ms):
        hub.take([alarm(WRONG_KEY), alarm(WRONG_KEY, station="nobody-7")], START_MS + at_ms)

    assert told(board, "unsealed") == ["gate-1", None, "gate-1", None]


@pytest.mark.parametrize(
    ("key", "expected"), [(KEY, []), (WRONG_KEY, ["kiosk-1"])], ids=["right", "wrong"]
)
def test_a_sites_loan_with_a_wrong_key_is_told_of(hub, board, key, expected):
    """Gates ignore it by themselves; staff should know that somebody tries."""
    kiosk = Station("kiosk-1")
    loan = SiteLoan(
        station="kiosk-1",
        epoch=1,
        seq=1,
        item=None,
        uids=["e004010000001001"],
        state="on",
        reach=3,
        saw=[],
        fact="00000000000000a1",
        wall=START_MS,
        barcode=None,
        mac="",
    )
    hub.take([status(kiosk)], START_MS)

    hub.take([Heard(TOPICS.site_loan("main"), encode(sealed(loan, key)))], START_MS)

    assert told(board, "unsealed") == expected
