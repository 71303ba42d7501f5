"""The RC522 reader keeps the contract of its port, on stickers and on cards."""

import pytest

from hardware.ports import MIFARE_CLASSIC, NTAG
from tests.contract.reader_contract import TagReaderContract
from tests.hardware.readers.rc522_table import CLASSIC_UIDS, NTAG_UIDS, Table


class TestStickers(TagReaderContract):
    """NTAG stickers, whose UIDs have seven bytes."""

    @pytest.fixture(params=["frame", "uid"])
    def rig(self, request):
        return Table(NTAG, collpos=request.param).rig(NTAG_UIDS)


class TestCards(TagReaderContract):
    """MIFARE Classic cards, whose UIDs have four bytes."""

    @pytest.fixture
    def rig(self):
        return Table(MIFARE_CLASSIC).rig(CLASSIC_UIDS)


class TestWithEveryPinWired(TagReaderContract):
    """The same with IRQ and RST wired; MISO floats high on this board."""

    @pytest.fixture
    def rig(self):
        return Table.with_irq(pull=0xFF).rig(NTAG_UIDS)
