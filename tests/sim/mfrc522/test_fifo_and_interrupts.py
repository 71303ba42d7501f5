"""The FIFO with its alerts, the interrupt bits and the IRQ pin."""

import pytest

from hardware.ports import NTAG
from sim.tags import SimTag
from tests.sim.mfrc522.host import (
    COM_IEN,
    COM_IRQ,
    COMMAND,
    CRC,
    DIV_IEN,
    DIV_IRQ,
    ERROR,
    FIFO,
    FRAMING,
    LEVEL,
    REQA,
    STATUS1,
    TRANSCEIVE,
    WATER,
    Host,
)

HI_ALERT, LO_ALERT = 0x02, 0x01
HI_IRQ, LO_IRQ = 0x08, 0x04
BUFFER_OVFL, WR_ERR = 0x10, 0x80


@pytest.fixture
def host():
    return Host()


def test_the_buffer_holds_64_bytes_and_says_when_it_overflows(host):
    """The 65th byte is lost, BufferOvfl is set, and FlushBuffer clears both."""
    host.write(FIFO, *range(64))
    assert host.read(LEVEL) == 64
    assert host.read(ERROR) == 0x00

    host.write(FIFO, 99)

    assert host.read(LEVEL) == 64
    assert host.read(ERROR) == BUFFER_OVFL
    assert host.read(COM_IRQ) & 0x02
    host.write(LEVEL, 0x80)
    assert (host.read(LEVEL), host.read(ERROR)) == (0, 0)


def test_bytes_leave_in_the_order_they_came(host):
    """First in, first out; an empty buffer reads 0 and stays empty."""
    host.write(FIFO, 7, 8, 9)

    assert host.read_fifo() == bytes((7, 8, 9))
    assert host.read(FIFO) == 0x00
    assert host.read(LEVEL) == 0


@pytest.mark.parametrize(
    ("level", "alerts"),
    [(0, LO_ALERT), (8, LO_ALERT), (9, 0), (55, 0), (56, HI_ALERT), (64, HI_ALERT)],
)
def test_the_water_level_counts_from_both_ends(host, level, alerts):
    """LoAlert at WaterLevel bytes or fewer, HiAlert with WaterLevel bytes of room or fewer."""
    host.write(WATER, 8)
    host.write(FIFO, *range(level)) if level else None

    assert host.read(STATUS1) & 0x03 == alerts


def test_an_alert_is_stored_until_the_host_clears_it(host):
    """HiAlertIRq outlives the alert."""
    host.write(COM_IRQ, 0x7F)
    host.write(FIFO, *range(60))
    host.chip.transfer(b"\x92" * 40 + b"\x00")

    assert host.read(STATUS1) & 0x03 == 0
    assert host.read(COM_IRQ) & HI_IRQ
    host.write(COM_IRQ, HI_IRQ)
    assert host.read(COM_IRQ) & HI_IRQ == 0


def test_a_short_frame_alerts_once_it_leaves(host):
    """What hosts read from real chips: 00 when it was written, 44 when it was sent."""
    host.start_radio()
    host.write(COM_IRQ, 0x7F)
    host.write(LEVEL, 0x80)
    host.write(FIFO, 0x26)
    host.write(COMMAND, TRANSCEIVE)
    assert host.read(COM_IRQ) == 0x00

    host.write(FRAMING, 0x87)
    host.wait_for(COM_IRQ, 0x40)

    assert host.read(COM_IRQ) == 0x44


def test_set1_sets_the_marked_bits_and_clearing_needs_it_zero(host):
    """Data sheet 9.3.1.5: bit 7 says which of both the marked bits mean; others stay."""
    host.write(COM_IRQ, 0x7F)
    assert host.read(COM_IRQ) == 0x00

    host.write(COM_IRQ, 0x80 | 0x20)
    host.write(COM_IRQ, 0x80 | 0x01)
    assert host.read(COM_IRQ) == 0x21
    host.write(COM_IRQ, 0x01)
    assert host.read(COM_IRQ) == 0x20


def test_set2_does_the_same_for_the_other_register(host):
    """DivIrqReg has MfinActIRq and CRCIRq; its reserved bits cannot be set."""
    host.write(DIV_IRQ, 0xFF)
    assert host.read(DIV_IRQ) == 0x14

    host.write(DIV_IRQ, 0x10)
    assert host.read(DIV_IRQ) == 0x04


def test_writing_the_fifo_while_a_reply_is_awaited_is_an_error(host):
    """WrErr: the host's hands are off the FIFO between the last bit out and the last one in."""
    host.start_radio()
    host.write(FIFO, 0x26)
    host.write(COMMAND, TRANSCEIVE)
    host.write(FRAMING, 0x87)
    host.wait_for(COM_IRQ, 0x40)

    host.write(FIFO, 0x11)

    assert host.read(ERROR) & WR_ERR
    assert host.read(LEVEL) == 0


def test_starting_a_command_clears_the_errors_of_the_last(host):
    """Except TempErr, and BufferOvfl which FlushBuffer clears (data sheet table 32)."""
    test_writing_the_fifo_while_a_reply_is_awaited_is_an_error(host)
    host.write(COMMAND, CRC)

    assert host.read(ERROR) == 0x00


@pytest.mark.parametrize(("enable", "level_at_rest"), [(0x80, True), (0x00, False)])
def test_the_pin_follows_enabled_interrupts(host, enable, level_at_rest):
    """IRqInv, which is set after reset, makes the pin low while an enabled interrupt waits."""
    host.write(COM_IRQ, 0x7F)
    host.write(COM_IEN, enable | 0x20)
    host.write(COM_IRQ, 0x80 | 0x10)
    assert host.chip.irq_level is level_at_rest
    assert host.read(STATUS1) & 0x10 == 0

    host.write(COM_IRQ, 0x80 | 0x20)

    assert host.chip.irq_level is not level_at_rest
    assert host.read(STATUS1) & 0x10
    host.write(COM_IRQ, 0x20)
    assert host.chip.irq_level is level_at_rest


def test_the_crc_interrupt_reaches_the_pin_by_its_own_register(host):
    """CRCIEn is in DivIEnReg, not in ComIEnReg."""
    host.write(COM_IRQ, 0x7F)
    host.write(DIV_IEN, 0x84)
    host.write(FIFO, 0x12, 0x34)
    host.write(COMMAND, CRC)
    host.wait_for(DIV_IRQ, 0x04)

    assert not host.chip.irq_level
    host.write(DIV_IRQ, 0x04)
    assert host.chip.irq_level


def test_the_pin_tells_a_reply_without_a_look_at_the_bus(host):
    """A host that sleeps on the pin is woken by the clock, with no transfer in between."""
    host.start_radio()
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    edges = []
    host.chip.on_irq = edges.append
    host.write(COM_IRQ, 0x7F)
    host.write(COM_IEN, 0xA0)
    host.write(FIFO, *REQA)
    host.write(COMMAND, TRANSCEIVE)
    host.write(FRAMING, 0x87)
    transfers = host.chip.transfers
    assert host.chip.irq_level

    host.clock.advance(1)

    assert not host.chip.irq_level
    assert edges == [False]
    assert host.chip.transfers == transfers


def test_the_pin_floats_high_without_power(host):
    """Held in reset or without supply nobody drives the pin, and a pull-up wins."""
    host.write(COM_IEN, 0x00)
    assert not host.chip.irq_level

    host.chip.reset_pin(False)
    assert host.chip.irq_level
    host.chip.reset_pin(True)
    host.chip.power(False)
    assert host.chip.irq_level
