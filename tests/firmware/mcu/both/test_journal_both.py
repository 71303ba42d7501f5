"""The journal in flash under every power cut, with plain asserts: the same on both Pythons."""

from circulation.sync.batch import make_batch
from firmware.mcu.journal import FlashJournal
from firmware.mcu.region import BlockRegion
from firmware.mcu.ring import Ring
from sim.mcu.flash import NorFlash, PowerCut, Supply
from tests.contract.journal_contract import (
    FIRST_EPOCH,
    SALT,
    SECOND_EPOCH,
    JournalContract,
    body,
)

SPARE_EPOCH = "00000000000000ff"
SECTOR, RECORD = 512, 128  # four records a sector, so that every few rows enter one
PLENTY = 1 << 20


class Board:
    """Two chips on one supply, and the journal that a start of the program finds on them."""

    def __init__(self, sectors=6, seed=1):
        """Switch a new board on."""
        self.supply = Supply(seed)
        self.rows = NorFlash(sectors, block_bytes=SECTOR, supply=self.supply)
        self.marks = NorFlash(2, block_bytes=SECTOR, supply=self.supply)

    def start(self, epoch_id=SPARE_EPOCH):
        """Start the program."""
        rows = BlockRegion(self.rows, self.rows.blocks, sector_bytes=SECTOR)
        marks = BlockRegion(self.marks, 2, sector_bytes=SECTOR)
        return FlashJournal(
            Ring(rows, record_bytes=RECORD), Ring(marks, record_bytes=RECORD), epoch_id=epoch_id
        )

    def twin(self, seed):
        """Return another board with the same content."""
        other = Board(self.rows.blocks, seed)
        other.rows.image[:] = self.rows.image
        other.marks.image[:] = self.marks.image
        return other


class TestFlashJournal(JournalContract):
    """The contract of every journal, which also runs on MicroPython."""

    def make(self, epoch_id):
        """A new board, with room for all that the contract writes."""
        self.board = Board(64)
        return self.board.start(epoch_id)

    def reopened(self, journal):
        """The next start on the same flash."""
        return self.board.start()


def filled(count, size=0):
    """Return a board with a journal of so many rows in its first epoch."""
    board = Board()
    journal = board.start(FIRST_EPOCH)
    for number in range(1, count + 1):
        journal.append(body(number) + b" " * size, SALT, "aa")
    return board


def seen(journal):
    """Return everything that the port shows of a journal."""
    marks = (journal.epoch, journal.acked, journal.lineage, journal.has_older, journal.last_seq)
    return marks, journal.rows(1, PLENTY, PLENTY), journal.trouble


def expect_all_or_nothing(board, change, steps_min):
    """Assert that a change cut anywhere is there as a whole or not at all."""
    before, whole = seen(board.start()), board.twin(1)
    change(whole.start())
    after = seen(whole.start())
    assert before != after
    for steps in range(10_000):
        twin = board.twin(steps)
        journal = twin.start()
        twin.supply.cut_after(steps)
        try:
            change(journal)
            break
        except PowerCut:
            twin.supply.restore()
        found = twin.start()
        shown = seen(found)
        assert shown in (before, after), (steps, shown)
        change(found)
        assert seen(twin.start())[1][-1].body == after[1][-1].body
        assert (twin.rows.spoiled, twin.marks.spoiled) == (0, 0)
    assert steps >= steps_min


def test_an_append_is_there_or_not():
    """Cut after every byte: the row is whole at its place or was never written."""
    expect_all_or_nothing(filled(3), lambda journal: journal.append(body(4), SALT, "bb"), 80)


def test_a_long_row_is_there_or_not():
    """A row over several records, through the erase of a sector, is one row or none."""
    long = b'{"long":"' + b"x" * 400 + b'"}'
    expect_all_or_nothing(filled(3), lambda journal: journal.append(long), 400)


def test_an_acknowledgement_is_there_or_not():
    """Mark and pruning go together."""
    expect_all_or_nothing(filled(5), lambda journal: journal.mark_acked(4, 3), 50)


def test_a_lineage_is_there_or_not():
    """The gateway's history changes with what it has, or neither does."""
    board = filled(5)
    board.start().mark_acked(3, 1)
    expect_all_or_nothing(board, lambda journal: journal.set_lineage("00000000000000a1", 1), 50)


def test_a_fork_is_there_or_not():
    """A new epoch has all its rows at once, or the old one is as it was."""
    board = filled(5)
    board.start().mark_acked(4, 1)
    expect_all_or_nothing(board, lambda journal: journal.open_epoch(3, SECOND_EPOCH, 2), 50)


def test_a_gathering_is_there_or_not():
    """So are the rows of all epochs in a third."""
    board = filled(5)
    board.start().open_epoch(3, SECOND_EPOCH, 2)
    expect_all_or_nothing(board, lambda journal: journal.gather("00000000000000e3", 3), 50)


def test_a_full_ring_gives_up_its_oldest_rows_and_says_so():
    """Rows that made room before the gateway had them are declared as lost in the batch."""
    board = Board()
    journal = board.start(FIRST_EPOCH)
    for number in range(1, 61):
        journal.append(body(number))
    for found in (journal, board.start()):
        rows = found.rows(1, PLENTY, PLENTY)
        first = rows[0].seq
        assert [row.body for row in rows] == [body(number) for number in range(first, 61)]
        assert first <= 61 - 20
        assert found.overrun == first - 1
        batch, last = make_batch(found, first=1, facts_max=5, is_raw=False, clock={})
        assert (batch.lost, batch.seq0, last) == ([1, first - 1], first, first + 4)
        assert found.hash_at(first - 1) == rows[0].prev_hash
        assert rows == journal.rows(1, PLENTY, PLENTY)


def test_a_row_that_makes_others_go_may_be_cut_anywhere():
    """While the ring overruns, a cut costs the row being written and the oldest, no other."""
    board = filled(39)
    before = board.start().rows(1, PLENTY, PLENTY)
    chained = {row.seq: row.hash for row in before}
    for steps in range(10_000):
        twin = board.twin(steps)
        journal = twin.start()
        twin.supply.cut_after(steps)
        try:
            for number in range(40, 44):
                chained[number] = journal.append(body(number)).hash
            break
        except PowerCut:
            twin.supply.restore()
        found = twin.start()
        rows = found.rows(1, PLENTY, PLENTY)
        assert found.trouble == ""
        assert [row.seq for row in rows] == list(range(rows[0].seq, found.last_seq + 1))
        assert found.last_seq >= journal.last_seq
        assert len(rows) >= 18
        assert [row.hash for row in rows if row.seq in chained] == [
            chained[row.seq] for row in rows if row.seq in chained
        ]
    assert steps > 280


def test_a_first_start_may_be_cut_anywhere():
    """A new board that dies while it makes its journal makes one at the next start."""
    for steps in range(10_000):
        board = Board(seed=steps)
        board.supply.cut_after(steps)
        try:
            board.start(FIRST_EPOCH).append(body(1))
            break
        except PowerCut:
            board.supply.restore()
        journal = board.start(SECOND_EPOCH)
        journal.append(body(2))
        again = board.start()
        assert (again.epoch, again.epoch.n) == (journal.epoch, 1)
        assert again.rows(1, PLENTY, PLENTY)[-1].body == body(2)
    assert steps > 100
