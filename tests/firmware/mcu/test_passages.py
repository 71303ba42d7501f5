"""People counted for thirty days, at the size that a board has."""

from circulation.sync.memory import MemoryJournal
from circulation.wire.fact import decode_body
from firmware.mcu.passages import open_passages
from sim.mcu.flash import FlashFiles

QUARTER_MS = 900_000
MONDAY_MS = 1_790_000_100_000
STAMP = {"boot": "0123abcd", "mono": 7_200_000, "wall": 0, "sure": True}


def opened(files):
    """Return what a start of the program finds."""
    return open_passages("/counts", station="gate-1", gate="door", site="main", opener=files.open)


def slot(number):
    """Return the fact of a quarter of an hour, as the gate's machine makes it."""
    begun_ms = MONDAY_MS + number * QUARTER_MS
    fact = {"kind": "passages", "gate": "door", "from": begun_ms, "until": begun_ms + QUARTER_MS}
    return fact | {"in": number, "out": 0}


def moved(passages, count_max):
    """Return the facts that a journal gets."""
    journal = MemoryJournal("00000000000000e1")
    passages.move(journal, count_max)
    return [decode_body(row.body) for row in journal.rows(1, 10_000, 1 << 30)]


def test_thirty_days_are_kept():
    """2,880 quarters of an hour without a gateway are all there; the next ones push out the
    oldest, and that is told."""
    files = FlashFiles()
    passages = opened(files)
    for number in range(2_880):
        passages.keep(slot(number), STAMP)
    later = opened(files)

    assert (passages.waiting, later.waiting, later.overrun) == (2_880, 2_880, 0)
    assert [fact["in"] for fact in moved(opened(files), 2_880)] == list(range(2_880))
    assert sum(map(len, files.contents.values())) == (96 + 8) * 1024


def test_a_second_month_pushes_out_the_first_and_says_so():
    """A sector of slots makes room at a time, the oldest; health counts them."""
    files = FlashFiles()
    passages = opened(files)
    for number in range(3_100):
        passages.keep(slot(number), STAMP)

    assert passages.overrun == 128
    assert passages.health() == {"passages": "128 quarters of an hour of counts were not kept"}
    assert passages.waiting == opened(files).waiting == 3_100 - 128
    assert moved(passages, 1)[0]["in"] == 128
