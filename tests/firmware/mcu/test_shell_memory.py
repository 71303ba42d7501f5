"""A gate that runs for months: nothing it keeps grows with the number of turns."""

import gc
import tracemalloc

from circulation.wire.messages import Head, SiteLoan
from circulation.wire.topics import Topics
from firmware.gate.events import TagRead
from firmware.mcu.passages import open_passages
from sim.mcu.flash import FlashFiles
from tests.firmware.mcu.bench import LIBRARY, LINEAGE, SITE, Bench
from tests.firmware.mcu.through_shell import Antenna

TOPICS = Topics(LIBRARY)
TURNS = 100_000
STEP_MS = 100


class Day:
    """A gate with everything going on: tags, people, loans, heads, a link that flaps."""

    def __init__(self, loan_every=100):
        self.loan_every = loan_every
        self.bench = Bench()
        self.bench.clear()
        lane = self.bench.shell.devices.lanes[0]
        lane.antenna = self.antenna = Antenna("lane-1")
        self.bench.shell.detection._antennas = {"lane-1": self.antenna}
        self.turns = self.tags = 0

    def run(self, turns):
        """Let turns follow each other."""
        shell, clock = self.bench.shell, self.bench.clock
        for _ in range(turns):
            self.turns += 1
            if self.turns % 8 == 0:
                self._tag()
            if self.turns % 40 == 0:
                self.bench.input("beam_1").drive(self.turns // 40 % 2)
            if self.turns % self.loan_every == 0:
                self._loan(self.turns // self.loan_every)
            if self.turns % 300 == 0:
                self._head(self.turns // 300)
            if self.turns % 2_000 == 0:
                self.bench.client.events = [("closed", "flapping")]
            shell.turn()
            clock.advance(STEP_MS)
            if self.turns % 50 == 0:
                self._forget()

    def _forget(self):
        """Forget what this bench has seen; only the gate's own memory is looked at."""
        self.antenna.wanted.clear()
        self.bench.client.sent.clear()
        self.bench.client.filters.clear()
        for pin in self.bench.machine.pins.values():
            pin.history.clear()

    def _tag(self):
        self.tags += 1
        uid = f"e00401{self.tags // 2:010x}"  # twice read, and gone
        self.antenna.next_reads = [TagRead(uid, "on_loan", None, "XX-1")]

    def _loan(self, number):
        loan = SiteLoan(
            *("kiosk-1", 1, number, f"{number:016x}", [f"e00402{number:010x}"], "on", 3, []),
            *(f"{number:016x}", 0, None, ""),
        )
        self.bench.tell(TOPICS.site_loan(SITE), loan)

    def _head(self, number):
        self.bench.tell(TOPICS.head(), Head(LINEAGE, number, 0, {"may_leave": 1}, 3, False, ""))


def test_a_hundred_thousand_turns_keep_no_more_than_ten_thousand():
    """Tags, loans and messages come and go; what is in memory is the same afterwards."""
    day = Day()
    day.run(TURNS // 10)
    before = objects()
    day.run(TURNS * 9 // 10)

    assert day.turns == TURNS
    assert objects() <= before * 101 // 100
    assert len(day.bench.shell.gate.holdings.overlay) == day.bench.board.LIMITS.overlay


def test_the_second_two_thousand_turns_take_no_byte_more_than_the_first():
    """Counted in bytes, as numbers in a list are no objects to the collector."""
    tracemalloc.start()
    try:
        day = Day(loan_every=10)
        day.run(2_000)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        day.run(2_000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 16_000  # one number a turn would be 80,000


def objects():
    gc.collect()
    return len(gc.get_objects())


def test_a_restart_in_a_quarter_of_an_hour_loses_only_the_last_minutes_people():
    """Three walk out, six minutes later the power goes and comes: all three are in the journal,
    and one who comes later is counted beside them."""
    flash = FlashFiles()
    bench = Bench()
    bench.passages = open_passages(
        "/counts", station="gate-1", gate="gate-1", site="main", opener=flash.open
    )
    bench.start()
    bench.clear()
    for _ in range(3):
        bench.walk()
        bench.run(1_000)
    bench.run(360_000, step_ms=1_000)

    bench.passages = open_passages(
        "/counts", station="gate-1", gate="gate-1", site="main", opener=flash.open
    )
    bench.start()
    bench.clear()
    bench.walk()
    bench.shell.stop()
    assert bench.passages.waiting == 2
    bench.passages.move(bench.journal)

    counted = [fact["out"] for fact in bench.facts() if fact["kind"] == "passages"]
    assert counted == [3, 1]
