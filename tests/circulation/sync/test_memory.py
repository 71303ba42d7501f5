"""The journal in memory keeps the contract of all journals."""

from circulation.sync.memory import MemoryJournal
from tests.contract.journal_contract import FIRST_EPOCH, PLENTY, JournalContract, body


class TestMemoryJournal(JournalContract):
    """A gate without a disk, and every station of the fleet simulation."""

    def make(self, epoch_id):
        """Return a new, empty journal."""
        return MemoryJournal(epoch_id)

    def test_a_copy_is_an_image_of_its_moment(self):
        """What is written later is in the journal and not in its image."""
        journal = MemoryJournal(FIRST_EPOCH)
        journal.append(body(1))
        image = journal.copy()
        journal.append(body(2))

        assert (image.last_seq, journal.last_seq) == (1, 2)
        assert image.rows(1, 50, PLENTY) == journal.rows(1, 1, PLENTY)
