"""What one simulated tag is, before anything reads it."""

import pytest

from hardware.chips.tag_data import new_content
from hardware.errors import TagLocked
from hardware.ports import ISO14443A, ISO15693, MIFARE_CLASSIC, NTAG, Security
from sim.tags import FRAM_2K, NTAG215, NTAG216, SimTag

CONTENT = new_content("30000000001", "DE-715")


@pytest.mark.parametrize(
    ("tag", "technology", "memory_bytes", "block_bytes"),
    [
        (SimTag("e004015000000001"), ISO15693, 112, 4),
        (SimTag("e008015000000001", model=FRAM_2K), ISO15693, 2000, 8),
        (SimTag("04a1b2c3d4e580", technology=NTAG), NTAG, 144, 4),
        (SimTag("04a1b2c3d4e580", model=NTAG215), NTAG, 504, 4),
        (SimTag("04a1b2c3d4e580", model=NTAG216), NTAG, 888, 4),
        (SimTag("deadbeef", technology=MIFARE_CLASSIC), MIFARE_CLASSIC, 720, 16),
        (SimTag("deadbeef", technology=ISO14443A), ISO14443A, 0, 4),
    ],
)
def test_a_tag_has_the_memory_of_its_model(tag, technology, memory_bytes, block_bytes):
    """User memory and block sizes are those of the data sheets."""
    assert tag.technology == technology
    assert len(tag.memory) == memory_bytes
    assert tag.block_bytes == block_bytes


@pytest.mark.parametrize("uid", ["88adbeef", "04a1b288d4e580"])
def test_a_uid_that_no_card_may_have_is_refused(uid):
    """The cascade tag cannot stand where a uid begins or a level of it: no maker sells that."""
    with pytest.raises(ValueError, match="cascade tag"):
        SimTag(uid, technology=NTAG)


def test_a_tag_with_library_data_says_so_in_its_dsfid():
    """A tag made with content carries the DSFID of ISO 28560-3; a blank one carries none."""
    assert SimTag("e004015000000001", content=CONTENT).dsfid == 0x3E
    assert SimTag("e004015000000001").dsfid == 0x00


def test_a_locked_afi_stays():
    """Somebody locked the AFI for good: setting it is refused, and the tag is as it was."""
    tag = SimTag("e004015000000001", security=Security.IN_STOCK)
    tag.afi_locked = True

    with pytest.raises(TagLocked, match="e004015000000001"):
        tag.set_security(Security.ON_LOAN)
    assert tag.afi == 0x07


def test_a_card_without_memory_takes_no_library_data():
    """Content needs memory: a mistake in a test is said at once."""
    with pytest.raises(ValueError, match="hold no library data"):
        SimTag("deadbeef", technology=ISO14443A, content=CONTENT)


@pytest.mark.parametrize(
    ("tag", "start"),
    [
        (SimTag("04a1b2c3d4e580", technology=NTAG, content=CONTENT), "0103a00c340300fe"),
        (SimTag("04a1b2c3d4e580", model=NTAG216), "0300fe0000000000"),
        (SimTag("deadbeef", technology=MIFARE_CLASSIC), "0000000000000000"),
    ],
)
def test_a_new_tag_holds_what_its_maker_left(tag, start):
    """A sticker comes with an empty NDEF message: not blank, and no library data either."""
    tag.make_as_delivered()

    assert tag.memory[:8].hex() == start
    assert not any(tag.memory[8:])
    assert tag.content is None
