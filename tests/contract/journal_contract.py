"""What every journal promises, whatever it is kept in."""

import random

import pytest

from circulation.sync.rows import Parent
from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.errors import FactInvalid

FIRST_EPOCH = "00000000000000e1"
SECOND_EPOCH = "00000000000000e2"
SALT = bytes(range(16))
PLENTY = 1 << 20


def body(number: int) -> bytes:
    """Return a readable body that is unlike any other."""
    return b'{"v":1,"id":"%016x","kind":"seen","boot":"00000000","mono":%d}' % (number, number)


class JournalContract:
    """Subclasses give `make(epoch_id)`, and `reopened(journal)` if it outlives its program."""

    def make(self, epoch_id: str):
        """Return a new, empty journal."""
        raise NotImplementedError

    def reopened(self, journal):
        """Return the journal as the next start of the program finds it."""
        return journal

    @pytest.fixture
    def journal(self):
        """A new journal."""
        return self.make(FIRST_EPOCH)

    @pytest.fixture
    def filled(self, journal):
        """A journal of five rows."""
        for number in range(1, 6):
            journal.append(body(number))
        return journal

    def test_a_new_journal_is_empty(self, journal):
        """Its first epoch has number 1 and no parent, and nothing was acknowledged."""
        assert (journal.epoch.n, journal.epoch.id, journal.epoch.parent) == (1, FIRST_EPOCH, None)
        assert (journal.last_seq, journal.acked, journal.lineage) == (0, 0, None)
        assert journal.rows(1, 50, PLENTY) == []
        assert journal.has_older is False

    def test_rows_are_numbered_without_gaps_and_chained(self, journal):
        """The first row stands on the epoch's start, each next one on the row before it."""
        first = journal.append(body(1), SALT, "aa")
        second = journal.append(body(2))

        assert (first.seq, first.prev_hash) == (1, chain_start(FIRST_EPOCH))
        assert first.hash == chain_hash(first.prev_hash, 1, body(1))
        assert (second.seq, second.prev_hash) == (2, first.hash)
        assert journal.last_seq == 2

    def test_a_row_comes_back_as_it_was_written(self, journal):
        """The bytes of the body, the salt and the patron are kept as they were."""
        odd = b'{ "id" : "\xc3\xa4" ,\n"kind":"?"}'
        journal.append(odd, SALT, "aa")
        journal.append(b"\xff\x00not text at all")

        first, second = self.reopened(journal).rows(1, 50, PLENTY)

        assert (first.body, first.salt, first.patron) == (odd, SALT, "aa")
        assert (second.body, second.salt, second.patron) == (
            b"\xff\x00not text at all",
            None,
            None,
        )

    def test_a_body_that_no_message_could_carry_is_refused_to_its_author(self, journal):
        """Nothing is journalled that could never be sent."""
        with pytest.raises(FactInvalid, match="8193 bytes; at most 8192"):
            journal.append(b"x" * 8193)

        assert journal.last_seq == 0

    def test_the_journal_outlives_its_program(self, filled):
        """What was written and what was acknowledged are there after a restart."""
        filled.mark_acked(2, 1)
        filled.set_lineage("00000000000000a1", 3)

        journal = self.reopened(filled)

        assert (journal.last_seq, journal.acked, journal.lineage) == (5, 3, "00000000000000a1")

    def test_rows_are_given_up_to_a_count_and_a_size(self, filled):
        """A batch is cut at whichever limit comes first, but is never empty for its size."""
        size = len(body(1))

        assert [row.seq for row in filled.rows(2, 2, PLENTY)] == [2, 3]
        assert [row.seq for row in filled.rows(2, 50, 2 * size)] == [2, 3]
        assert [row.seq for row in filled.rows(2, 50, 2 * size - 1)] == [2]
        assert [row.seq for row in filled.rows(2, 50, 1)] == [2]
        assert filled.rows(6, 50, PLENTY) == []

    def test_the_hash_of_every_place_is_known(self, filled):
        """Seq 0 is the epoch's start; beyond the end there is nothing."""
        third = filled.rows(3, 1, PLENTY)[0]

        assert filled.hash_at(0) == chain_start(FIRST_EPOCH)
        assert filled.hash_at(3) == third.hash
        assert filled.hash_at(6) is None

    def test_an_old_acknowledgement_takes_nothing_back(self, filled):
        """A late ack for less leaves the mark where it is."""
        filled.mark_acked(4, 1)
        filled.mark_acked(2, 1)

        assert filled.acked == 4

    def test_nothing_is_pruned_at_or_above_keep_from(self, filled):
        """The gateway says what its oldest backup still needs."""
        before = filled.rows(3, 50, PLENTY)
        filled.mark_acked(4, 3)

        assert filled.rows(1, 50, PLENTY) == before
        assert filled.hash_at(1) is None
        assert filled.hash_at(2) == before[0].prev_hash
        assert filled.hash_at(0) == chain_start(FIRST_EPOCH)

    def test_nothing_unacknowledged_is_pruned_whatever_keep_from_says(self, filled):
        """A gateway that asks for too much forgets nothing of ours."""
        filled.mark_acked(2, 100)

        assert [row.seq for row in filled.rows(1, 50, PLENTY)] == [3, 4, 5]

    def test_a_journal_pruned_to_its_end_goes_on_where_it_was(self, filled):
        """The next row has the next number and stands on the row that is gone."""
        last = filled.rows(5, 1, PLENTY)[0]
        filled.mark_acked(5, 6)

        row = self.reopened(filled).append(body(6))

        assert (row.seq, row.prev_hash) == (6, last.hash)

    def test_pruning_again_changes_nothing(self, filled):
        """The same ack may come twice."""
        filled.mark_acked(4, 3)
        filled.mark_acked(4, 3)
        filled.mark_acked(4, 2)

        assert [row.seq for row in filled.rows(1, 50, PLENTY)] == [3, 4, 5]

    def test_a_known_mark_may_let_more_go(self, filled):
        """The gateway's backups grow older while a station has nothing new to say."""
        filled.mark_acked(4, 1)
        filled.mark_acked(4, 4)

        assert [row.seq for row in filled.rows(1, 50, PLENTY)] == [4, 5]

    def test_another_lineage_may_know_less(self, filled):
        """A restored gateway sets the mark back, and rows are sent again."""
        filled.mark_acked(5, 1)
        filled.set_lineage("00000000000000a2", 1)

        assert (filled.acked, filled.lineage) == (1, "00000000000000a2")

    def test_a_new_epoch_takes_over_every_row_after_the_common_one(self, journal):
        """Bodies, salts and patrons go along unchanged; places and hashes are new."""
        for number in range(1, 6):
            journal.append(body(number), SALT, f"{number:02x}")
        journal.mark_acked(4, 1)
        third = journal.rows(3, 1, PLENTY)[0]

        journal.open_epoch(3, SECOND_EPOCH, 2)
        journal = self.reopened(journal)

        rows = journal.rows(1, 50, PLENTY)
        assert journal.epoch.n == 2
        assert journal.epoch.id == SECOND_EPOCH
        assert journal.epoch.parent == Parent(1, FIRST_EPOCH, 3, third.hash)
        assert [(row.seq, row.body) for row in rows] == [(1, body(4)), (2, body(5))]
        assert [(row.salt, row.patron) for row in rows] == [(SALT, "04"), (SALT, "05")]
        assert rows[0].prev_hash == chain_start(SECOND_EPOCH)
        assert (journal.acked, journal.last_seq, journal.has_older) == (0, 2, True)

    def test_an_epoch_may_skip_numbers(self, filled):
        """A card rolled back twice opens an epoch later than all the gateway has seen."""
        filled.open_epoch(5, SECOND_EPOCH, 7)

        assert (filled.epoch.n, filled.last_seq) == (7, 0)
        assert filled.append(body(6)).seq == 1

    def test_a_common_row_that_is_pruned_means_all_that_is_kept(self, filled):
        """Nothing is left behind when the last shared row is no longer there."""
        filled.mark_acked(4, 4)
        filled.open_epoch(1, SECOND_EPOCH, 2)

        assert [row.body for row in filled.rows(1, 50, PLENTY)] == [body(4), body(5)]
        assert filled.epoch.parent.seq == 3

    def test_gathering_offers_every_row_that_is_kept_once(self, filled):
        """After a fork and then a restored gateway, rows of both epochs are sent again."""
        filled.open_epoch(3, SECOND_EPOCH, 2)
        filled.append(body(6))

        filled.gather("00000000000000e3", 3)
        journal = self.reopened(filled)

        assert [row.body for row in journal.rows(1, 50, PLENTY)] == [
            body(number) for number in range(1, 7)
        ]
        assert (journal.epoch.n, journal.acked, journal.has_older) == (3, 0, False)

    def test_older_epochs_are_kept_until_a_backup_holds_the_new_one(self, filled):
        """keep_from 1 says that no backup knows this epoch; 2 says that one does."""
        filled.open_epoch(3, SECOND_EPOCH, 2)

        filled.mark_acked(2, 1)
        kept = filled.has_older
        filled.mark_acked(2, 2)

        assert (kept, filled.has_older) == (True, False)

    def test_the_chain_holds_through_everything_at_random(self, seed):
        """Whatever happens to a journal, each row stands on the one before it."""
        chance = random.Random(seed)
        journal = self.make(FIRST_EPOCH)
        for number in range(1, 200):
            choice = chance.random()
            if choice < 0.8:
                journal.append(body(number))
            elif choice < 0.9:
                acked = chance.randint(journal.acked, journal.last_seq)
                journal.mark_acked(acked, chance.randint(0, acked + 1))
            elif choice < 0.95:
                common = chance.randint(0, journal.last_seq)
                journal.open_epoch(common, f"{number:016x}", journal.epoch.n + 1)
            else:
                journal.gather(f"{number:016x}", journal.epoch.n + 1)

        rows = journal.rows(1, PLENTY, PLENTY)
        for row in rows:
            assert row.prev_hash == journal.hash_at(row.seq - 1)
            assert row.hash == chain_hash(row.prev_hash, row.seq, row.body)
        assert [row.seq for row in rows] == list(
            range(journal.last_seq - len(rows) + 1, journal.last_seq + 1)
        )
