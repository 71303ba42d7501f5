"""What every tag reader does: real, recorded, simulated, or at the other end of a wire."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hardware.chips.tag_data import encode, new_content
from hardware.errors import (
    BlockOutOfRange,
    DeviceUnavailable,
    SecurityUnsupported,
    TagLost,
    WriteFailed,
)
from hardware.ports import Security, TagReader

UID = "e004010000000001"
OTHER_UID = "e004010000000002"
CONTENT = new_content("30000000001", "DE-715")


@dataclass
class ReaderRig:
    """A reader and the hand in front of it.

    `place(uid, content, security)` puts a tag into the field, `lift(uid)` takes it out,
    `pull(uid, after_writes)` makes it leave while it is written, `weaken(uid, writes)` makes that
    many writes do nothing, `unplug()` and `plug_in()` are the reader's cable. `uid` and
    `other_uid` are two that the reader's technology has, in the order of inventories.
    """

    reader: TagReader
    place: Callable[..., Any]
    lift: Callable[[str], None]
    pull: Callable[[str, int], None]
    weaken: Callable[[str, int], None]
    unplug: Callable[[], None]
    plug_in: Callable[[], None]
    uid: str = UID
    other_uid: str = OTHER_UID


class TagReaderContract:
    """Inherit, give the fixture `rig` a `ReaderRig`, and have all of these."""

    def test_an_empty_field_is_an_empty_inventory(self, rig):
        """Nothing on the pad is no error."""
        inventory = rig.reader.inventory()

        assert inventory.tags == ()
        assert inventory.complete

    def test_every_tag_in_the_field_is_listed_in_order(self, rig):
        """Two tags on the pad are two tags, in the order of their uids."""
        rig.place(rig.other_uid, CONTENT, Security.IN_STOCK)
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)

        assert rig.reader.inventory().uids == (rig.uid, rig.other_uid)

    def test_a_lifted_tag_is_no_longer_listed(self, rig):
        """A tag that was taken away is not in the next inventory."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.reader.inventory()
        rig.lift(rig.uid)

        assert rig.reader.inventory().tags == ()

    def test_the_content_is_what_was_encoded(self, rig):
        """The item id and the owner come back as they were written."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)

        content = rig.reader.read_content(rig.uid)

        assert content is not None
        assert (content.pii, content.owner) == ("30000000001", "DE715")

    def test_a_blank_tag_has_no_content(self, rig):
        """A tag that was never written is read as nothing, not as an error."""
        rig.place(rig.uid, None, Security.IN_STOCK)

        assert rig.reader.read_content(rig.uid) is None

    @pytest.mark.parametrize("security", [Security.ON_LOAN, Security.IN_STOCK])
    def test_security_set_is_security_read(self, rig, security):
        """What was set is what a gate will see."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.reader.set_security(rig.uid, security)

        assert rig.reader.get_security(rig.uid) is security

    def test_security_none_cannot_be_set(self, rig):
        """A tag can be set in stock or on loan; nothing else."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)

        with pytest.raises(SecurityUnsupported):
            rig.reader.set_security(rig.uid, Security.NONE)
        assert rig.reader.get_security(rig.uid) is Security.IN_STOCK

    @pytest.mark.parametrize(
        "ask",
        [
            lambda reader, uid: reader.read_content(uid),
            lambda reader, uid: reader.get_security(uid),
            lambda reader, uid: reader.set_security(uid, Security.ON_LOAN),
            lambda reader, uid: reader.read(uid, 0, 1),
            lambda reader, uid: reader.write(uid, 0, bytes(4)),
        ],
        ids=["read_content", "get_security", "set_security", "read", "write"],
    )
    def test_a_tag_that_left_raises_tag_lost(self, rig, ask):
        """Asking for a tag that is not there names it and says to place it again."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.lift(rig.uid)

        with pytest.raises(TagLost, match=rf"{rig.uid}.*place it again") as lost:
            ask(rig.reader, rig.uid)
        assert lost.value.uid == rig.uid
        assert lost.value.retry

    def test_a_tag_pulled_before_the_write_keeps_its_security(self, rig):
        """A hand faster than the write leaves the tag as it was."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.pull(rig.uid, 0)

        with pytest.raises(TagLost):
            rig.reader.set_security(rig.uid, Security.ON_LOAN)
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        assert rig.reader.get_security(rig.uid) is Security.IN_STOCK

    def test_a_tag_pulled_before_reading_back_raises_tag_lost(self, rig):
        """A write nobody could read back is no success."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.pull(rig.uid, 1)

        with pytest.raises(TagLost):
            rig.reader.set_security(rig.uid, Security.ON_LOAN)
        assert rig.reader.inventory().tags == ()

    def test_a_write_that_did_nothing_raises_write_failed(self, rig):
        """A weak field is noticed by reading back, and trying again works."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.weaken(rig.uid, 1)

        with pytest.raises(WriteFailed, match=rig.uid):
            rig.reader.set_security(rig.uid, Security.ON_LOAN)
        rig.reader.set_security(rig.uid, Security.ON_LOAN)
        assert rig.reader.get_security(rig.uid) is Security.ON_LOAN

    def test_a_block_write_that_did_nothing_raises_write_failed(self, rig):
        """Also memory is read back: a block that did not take is no success."""
        rig.place(rig.uid, None, Security.IN_STOCK)
        rig.weaken(rig.uid, 1)

        with pytest.raises(WriteFailed, match=rig.uid):
            rig.reader.write(rig.uid, 0, b"book")
        assert rig.reader.read(rig.uid, 0, 1) == bytes(4)

    def test_blocks_written_are_blocks_read(self, rig):
        """Memory holds what was written, and the content follows it."""
        rig.place(rig.uid, None, Security.IN_STOCK)
        block = encode(CONTENT) + bytes(2)
        rig.reader.write(rig.uid, 0, block)

        assert rig.reader.read(rig.uid, 0, 9) == block
        assert rig.reader.read_content(rig.uid) is not None

    def test_a_torn_write_leaves_no_content(self, rig):
        """A tag pulled in the middle of encoding names no book afterwards."""
        tag = rig.place(rig.uid, None, Security.IN_STOCK)
        rig.pull(rig.uid, 3)

        with pytest.raises(TagLost):
            rig.reader.write(rig.uid, 0, encode(CONTENT) + bytes(2))
        rig.place(rig.uid, tag, Security.IN_STOCK)
        assert rig.reader.read_content(rig.uid) is None

    @pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 0), (0, 1000), (1000, 1)])
    def test_a_block_outside_the_memory_is_refused(self, rig, first, count):
        """Memory that is not there is a named error."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)

        with pytest.raises(BlockOutOfRange, match=rig.uid):
            rig.reader.read(rig.uid, first, count)

    @pytest.mark.parametrize("data", [b"", b"abc", b"abcde"])
    def test_only_whole_blocks_are_written(self, rig, data):
        """Half a block is refused and changes nothing."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        before = rig.reader.read(rig.uid, 0, 2)

        with pytest.raises(BlockOutOfRange):
            rig.reader.write(rig.uid, 0, data)
        assert rig.reader.read(rig.uid, 0, 2) == before

    def test_an_unplugged_reader_says_so_and_recovers(self, rig):
        """Without its cable the reader is unavailable and unhealthy, and works again after."""
        assert rig.reader.health().ok
        rig.unplug()

        with pytest.raises(DeviceUnavailable):
            rig.reader.inventory()
        assert not rig.reader.health().ok
        assert rig.reader.health().detail
        rig.plug_in()
        assert rig.reader.inventory().tags == ()

    def test_closing_twice_is_harmless(self, rig):
        """A closed reader is unavailable, however often it was closed."""
        rig.reader.close()
        rig.reader.close()

        with pytest.raises(DeviceUnavailable):
            rig.reader.inventory()
        assert not rig.reader.health().ok
