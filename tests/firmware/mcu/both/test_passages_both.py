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


NOW_SECTOR = 128  # four records


def restarted(chip, now):
    """Return what a start finds that also has what was put down of the running slot."""
    rings = [
        Ring(BlockRegion(one, one.blocks, sector_bytes=one.block_bytes), record_bytes=RECORD_BYTES)
        for one in (chip, now)
    ]
    return PassageRing(rings[0], rings[1], station="gate-1", gate="door", site="main")


def chips(supply=None):
    """Return two chips, for slots and for the running one."""
    return (
        NorFlash(3, block_bytes=SECTOR, page_bytes=16, supply=supply),
        NorFlash(2, block_bytes=NOW_SECTOR, page_bytes=16, supply=supply),
    )


def counted(chip, now):
    """Return who came in, by slot, as the next start tells it."""
    return [fact["in"] for fact in moved(restarted(chip, now))]


def test_the_running_slot_survives_a_power_cut():
    """What was put down last is a slot at the next start, and at no later one again."""
    chip, now = chips()
    passages = restarted(chip, now)
    for people in (3, 7):
        passages.put_down(slot(1, {"in": people, "out": 1}), STAMP)

    assert restarted(chip, now).waiting == 1
    assert counted(chip, now) == [7]
    assert restarted(chip, now).waiting == 0


def test_a_slot_that_ended_is_counted_once():
    """What was put down of it before is forgotten, also when later slots were never put down."""
    for later in (0, 1, 3):
        chip, now = chips()
        passages = restarted(chip, now)
        passages.put_down(slot(1, {"in": 3, "out": 1}), STAMP)
        for number in range(1, 2 + later):
            passages.keep(slot(number, {"in": 9, "out": 1}), STAMP)

        assert counted(chip, now) == [9] * (1 + later)


def test_the_same_quarter_in_two_boots_is_two_slots():
    """Each counted its own people; the gateway adds them up."""
    chip, now = chips()
    restarted(chip, now).put_down(slot(1, {"in": 3, "out": 1}), STAMP)
    again = {"boot": "00000002", "mono": 60_000, "wall": 0, "sure": True}
    restarted(chip, now).keep(slot(1, {"in": 4, "out": 0}), again)

    assert counted(chip, now) == [3, 4]


def test_counts_that_are_in_flash_are_not_written_again():
    """A quiet hour costs no erase."""
    chip, now = chips()
    passages = restarted(chip, now)
    passages.put_down(slot(1, {"in": 3, "out": 1}), STAMP)
    programs = now.programs
    for minute in range(60):
        stamp = {"boot": "0123abcd", "mono": 7_200_000 + minute, "wall": 0, "sure": True}
        passages.put_down(slot(1, {"in": 3, "out": 1}), stamp)

    assert now.programs == programs


def test_a_cut_at_any_byte_counts_nobody_twice():
    """While it is put down, while the slot ends, and while the next start takes it up."""
    for steps in range(0, 400, 3):
        supply = Supply(seed=steps)
        chip, now = chips(supply)
        passages = restarted(chip, now)
        passages.put_down(slot(1, {"in": 3, "out": 0}), STAMP)
        supply.cut_after(steps)
        try:
            passages.put_down(slot(1, {"in": 5, "out": 0}), STAMP)
            if steps % 2:
                passages.keep(slot(1, {"in": 6, "out": 0}), STAMP)
            restarted(chip, now)
        except PowerCut:
            pass
        supply.restore()

        assert counted(chip, now) in ([3], [5], [6])
