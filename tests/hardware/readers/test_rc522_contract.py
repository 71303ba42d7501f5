"""The RC522 reader keeps the contract of its port, on stickers and on cards."""

import pytest

from hardware.ports import MIFARE_CLASSIC, NTAG
from hardware.readers.rc522 import Rc522Reader
from hardware.spi import SpiBus
from sim.pi.board import SimPi
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


class TestThroughSpidev(TagReaderContract):
    """The same as on a Pi: spidev below the bus, RST on its pin."""

    @pytest.fixture
    def rig(self):
        table = Table(NTAG)
        pi = SimPi(table.clock)
        pi.wire_mfrc522(table.chip)
        with pi.installed():
            table.reader = Rc522Reader(SpiBus(), table.clock, name="pad")
            yield table.rig(NTAG_UIDS)
