"""People counted for thirty days, with plain asserts: the same on both Pythons."""

from circulation.sync.memory import MemoryJournal
from circulation.wire.fact import decode_body
from firmware.mcu.passages import RECORD_BYTES, PassageRing
from firmware.mcu.region import BlockRegion
from firmware.mcu.ring import Ring, RingUnwritable
from sim.mcu.flash import NorFlash, PowerCut, Supply

SECTOR = 256  # eight slots
QUARTER_MS = 900_000
MONDAY_MS = 1_790_000_100_000
STAMP = {"boot": "0123abcd", "mono": 7_200_000, "wall": 0, "sure": True}


def opened(chip):
    """Return what a start of the program finds on the chip."""
    ring = Ring(
        BlockRegion(chip, chip.blocks, sector_bytes=chip.block_bytes), record_bytes=RECORD_BYTES
    )
    return PassageRing(ring, station="gate-1", gate="door", site="main")


def slot(number, counted=None):
    """Return the fact of a quarter of an hour, as the gate's machine makes it."""
    begun_ms = MONDAY_MS + number * QUARTER_MS
    fact = {"kind": "passages", "gate": "door", "from": begun_ms, "until": begun_ms + QUARTER_MS}
    fact.update(counted or {"in": number, "out": 0})
    return fact


def moved(passages, count_max=10_000):
    """Return the facts that a journal gets."""
    journal = MemoryJournal("00000000000000e1")
    count = passages.move(journal, count_max)
    facts = [decode_body(row.body) for row in journal.rows(1, 10_000, 1 << 30)]
    assert len(facts) == count
    return facts


def test_a_slot_becomes_the_fact_it_was():
    """Every count, the time and the boot come back; what is zero and unusual is left out."""
    chip = NorFlash(3, block_bytes=SECTOR)
    opened(chip).keep(slot(1, {"in": 3, "out": 4, "unknown": 5, "foreign": 6}), STAMP)
    opened(chip).keep(slot(2), {"boot": "00000001", "mono": 5_999, "wall": 0, "sure": False})

    first, second = moved(opened(chip))

    assert first.pop("id") != second.pop("id")
    assert first == {
        "v": 1,
        "kind": "passages",
        "boot": "0123abcd",
        "mono": 7_200_000,
        "wall": MONDAY_MS + 2 * QUARTER_MS,
        "sure": True,
        "site": "main",
        "gate": "door",
        "from": MONDAY_MS + QUARTER_MS,
        "until": MONDAY_MS + 2 * QUARTER_MS,
        "in": 3,
        "out": 4,
        "unknown": 5,
        "foreign": 6,
    }
    assert (second["mono"], second["sure"], second["boot"]) == (5_000, False, "00000001")
    assert "unknown" not in second


def test_each_slot_is_moved_once():
    """A few at a time, in order, across restarts."""
    chip = NorFlash(4, block_bytes=SECTOR)
    passages = opened(chip)
    for number in range(10):
        passages.keep(slot(number), STAMP)
    told = []
    while opened(chip).waiting:
        told += moved(opened(chip), 3)

    assert [fact["in"] for fact in told] == list(range(10))
    assert len({fact["id"] for fact in told}) == 10
    assert moved(opened(chip)) == []


def test_a_cut_anywhere_loses_and_doubles_nothing():
    """Whatever byte the supply fails at, every slot that was kept is told, under one id."""
    for steps in range(10_000):
        supply = Supply(seed=steps)
        chip = NorFlash(3, block_bytes=SECTOR, supply=supply)
        passages = opened(chip)
        for number in range(6):
            passages.keep(slot(number), STAMP)
        journal = MemoryJournal("00000000000000e1")
        kept = 6
        supply.cut_after(steps)
        try:
            passages.move(journal, 2)
            for number in range(6, 9):
                passages.keep(slot(number), STAMP)
                kept = number + 1
            passages.move(journal, 2)
            break
        except PowerCut:
            supply.restore()
        again = opened(chip)
        while again.waiting:
            again.move(journal, 2)
        facts = [decode_body(row.body) for row in journal.rows(1, 10_000, 1 << 30)]
        told = {fact["id"]: fact["in"] for fact in facts}
        assert sorted(told.values()) in (list(range(kept)), list(range(kept + 1)))
    assert steps > 120


class RefusingJournal:
    """A journal whose flash cannot be written."""

    def append(self, _body):
        """Refuse."""
        raise RingUnwritable("ring: full")


def test_a_journal_that_refuses_gets_them_later():
    """Nothing is moved, nothing is forgotten."""
    passages = opened(NorFlash(3, block_bytes=SECTOR))
    passages.keep(slot(1), STAMP)

    assert passages.move(RefusingJournal()) == 0
    assert [fact["in"] for fact in moved(passages)] == [1]


def test_a_mark_that_cannot_be_written_repeats_nothing_now():
    """The journal is not filled with the same counts while the ring of counts is worn out."""
    chip = NorFlash(3, block_bytes=SECTOR)
    passages = opened(chip)
    passages.keep(slot(1), STAMP)
    chip.image[32:] = bytes(len(chip.image) - 32)  # nothing can be programmed any more
    chip.erase = lambda block: None

    assert [fact["in"] for fact in moved(passages)] == [1]
    assert moved(passages) == []
    assert "worn out" in passages.health()["passages"]


def test_hostile_counts_are_cut_to_what_fits():
    """A count beyond 65,535 and a clock beyond the year 2106 stop at their limits."""
    chip = NorFlash(3, block_bytes=SECTOR)
    fact = slot(1, {"in": 70_000, "out": 1})
    fact.update({"from": 1 << 52, "until": (1 << 52) + QUARTER_MS})
    opened(chip).keep(fact, {"boot": "00000000", "mono": 1 << 50, "wall": 0, "sure": False})

    (found,) = moved(opened(chip))

    assert (found["in"], found["out"]) == (65_535, 1)
    assert found["from"] == 4_294_967_295_000
