"""Facts bear the time they were decided at, and wait in memory while the disk refuses."""

import pytest

from circulation.errors import JournalFull
from circulation.sync.memory import MemoryJournal
from circulation.wire.fact import decode_body
from firmware.pi import facts
from firmware.pi.facts import FactWriter, StationTime
from sim.clock import WALL_START_MS, VirtualClock

BOOT = "0badcafe"


class FullDisk(MemoryJournal):
    """A journal whose disk is full until it is told otherwise."""

    is_full = True

    def append(self, body, salt=None, patron=None):
        if self.is_full:
            raise JournalFull("journal: the disk is full; nothing was written")
        return super().append(body, salt, patron)


def written(journal):
    return [decode_body(row.body) for row in journal.rows(1, 10_000, 10_000_000)]


def writer(journal, clock=None):
    time = StationTime(clock or VirtualClock(5_000), boot=BOOT)
    return FactWriter(journal, time, site="main", new_id=lambda: "00000000000000f1")


def test_a_fact_bears_when_it_was_decided():
    """Journalled later, it still says the moment of the decision, counted from the start."""
    clock, journal = VirtualClock(5_000), MemoryJournal("00000000000000e1")
    facts_of = writer(journal, clock)
    clock.advance(900)

    facts_of.write({"kind": "passages", "in": 1, "out": 0}, 400)
    (fact,) = written(journal)
    assert (fact["mono"], fact["wall"], fact["boot"]) == (400, WALL_START_MS + 400, BOOT)
    assert (fact["sure"], fact["site"], fact["id"]) == (True, "main", "00000000000000f1")


def test_an_alarm_keeps_the_id_it_was_published_with():
    """The fact and the message about it are the same alarm."""
    journal = MemoryJournal("00000000000000e1")

    writer(journal).write({"kind": "alarm"}, 0, "00000000000000a1")
    assert written(journal)[0]["id"] == "00000000000000a1"


def test_a_full_disk_loses_nothing_that_fits():
    """Facts wait in order until the disk takes them again; health says why meanwhile."""
    journal = FullDisk("00000000000000e1")
    facts_of = writer(journal)
    for number in range(3):
        assert not facts_of.write({"kind": "tally", "n": number}, number)
    assert (facts_of.waiting, "disk is full" in facts_of.health()["journal"]) == (3, True)

    journal.is_full = False
    assert facts_of.flush()
    assert [fact["n"] for fact in written(journal)] == [0, 1, 2]
    assert facts_of.health() == {}


def test_what_does_not_fit_is_counted():
    """Beyond the limit the newest facts are lost, and that is said."""
    facts_of = writer(FullDisk("00000000000000e1"))
    for number in range(facts.WAITING_MAX + 2):
        facts_of.write({"kind": "tally"}, number)

    assert facts_of.health()["facts"] == "2 facts could not be kept"


@pytest.mark.parametrize("fields", [{"kind": "no kind"}, {"kind": "alarm", "uid": "XYZ"}])
def test_a_fact_nobody_may_write_is_counted_and_skipped(fields):
    """A fact with impossible fields is an error of ours; the next one is written."""
    journal = MemoryJournal("00000000000000e1")
    facts_of = writer(journal)

    assert not facts_of.write(fields, 0)
    assert facts_of.write({"kind": "alarm"}, 1)
    assert facts_of.lost == 1


def test_the_gateways_clock_makes_an_unsure_one_sure():
    """Without a time server the answer of the gateway, halfway between, is the time."""
    clock = VirtualClock(0, wall_ms=0, sure=False)
    time = StationTime(clock, boot=BOOT)
    assert time.wall_ms(0) == (0, False)

    time.learn(mono_sent=100, mono_received=200, gateway_now=1_000_150)
    assert time.wall_ms(500) == (1_000_500, True)
    clock.set_wall(7_000_000, sure=True)
    assert time.wall_ms(0) == (7_000_000, True)


def test_since_when_facts_wait_is_said_of_the_oldest_that_the_gateway_lacks():
    """Each ack moves it on; a row that nobody can read says nothing, and neither does an end."""
    journal = MemoryJournal("00000000000000e1")
    facts_of = writer(journal)
    assert facts_of.waiting_since() is None

    facts_of.write({"kind": "passages", "in": 1, "out": 0}, 400)
    facts_of.write({"kind": "passages", "in": 2, "out": 0}, 900)
    journal.append(b"\xff")
    assert facts_of.waiting_since() == WALL_START_MS + 400

    since = []
    for acked in (1, 2, 3):
        journal.mark_acked(acked, 0)
        since.append(facts_of.waiting_since())
    assert since == [WALL_START_MS + 900, None, None]
