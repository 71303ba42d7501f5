"""The reader over the unmodified package mfrc522 keeps the contract of its port.

Not among the quick tests: the package spins 2,000 times over every question without an answer.
"""

import pytest

from hardware.errors import TagLost
from hardware.ports import Security
from sim.clock import VirtualClock
from sim.pi.board import SimPi
from tests.contract.reader_contract import CONTENT, ReaderRig, TagReaderContract
from tests.hardware.readers.mfrc522_table import CARD, OTHER_CARD, PackageTable


@pytest.fixture
def pi():
    """A board whose modules are in place."""
    with SimPi(VirtualClock()).installed() as board:
        yield board


@pytest.fixture
def table(pi):
    """The reader on its board."""
    return PackageTable(pi)


class TestPackage(TagReaderContract):
    """The contract, but for several tags at a time, which the package cannot read."""

    @pytest.fixture
    def rig(self, table):
        """One card at a time."""
        return ReaderRig(
            table.reader,
            table.place,
            table.chip.field.take,
            table.pull,
            lambda uid, writes: table.chip.field.get(uid).ignore_writes(writes),
            lambda: table.chip.power(False),
            lambda: table.chip.power(True),
            CARD,
            OTHER_CARD,
        )

    def test_every_tag_in_the_field_is_listed_in_order(self, rig):
        """Not here: of two cards none is listed, and the round says that it is not complete."""
        rig.place(rig.uid, CONTENT, Security.IN_STOCK)
        rig.place(rig.other_uid, CONTENT, Security.IN_STOCK)

        inventory = rig.reader.inventory()
        assert inventory.uids == ()
        assert not inventory.complete
        assert "one at a time" in rig.reader.notes


def test_damaged_blocks_are_never_taken_for_good(table):
    """The package hands out what it heard; here a block counts with its CRC only."""
    tag = table.place(CARD, CONTENT, Security.IN_STOCK)
    assert table.reader.inventory().uids == (CARD,)
    table.chip.field.weaken(CARD, 0.002)
    outcomes = set()
    for _ in range(25):
        try:
            assert table.reader.read(CARD, 0, 8) == bytes(tag.memory[:32])
            outcomes.add("read")
        except TagLost:
            outcomes.add("told")

    assert outcomes == {"read", "told"}
