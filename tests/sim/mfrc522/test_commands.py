"""Transmit, Receive and Transceive: what each does by itself, and what interrupts it."""

import pytest

from hardware.ports import NTAG
from sim.tags import SimTag
from tests.sim.mfrc522.host import (
    COM_IRQ,
    COMMAND,
    CONTROL,
    ERROR,
    FIFO,
    FRAMING,
    IDLE,
    LEVEL,
    RECEIVE,
    REQA,
    RX_MODE,
    STATUS2,
    TRANSCEIVE,
    TRANSMIT,
    TX_CONTROL,
    Host,
)

UID = "04a1b2c3d4e580"
TX_IRQ, RX_IRQ, IDLE_IRQ = 0x40, 0x20, 0x10


@pytest.fixture
def host():
    host = Host().start_radio()
    host.field.put(SimTag(UID, technology=NTAG))
    host.write(COM_IRQ, 0x7F)
    host.write(LEVEL, 0x80)
    return host


def test_transmit_sends_at_once_and_goes_idle(host):
    """No StartSend: the command ends when the FIFO is empty, with TxIRq and IdleIRq."""
    host.write(FIFO, *REQA)
    host.write(FRAMING, 0x07)
    host.write(COMMAND, TRANSMIT)
    host.wait_for(COM_IRQ, IDLE_IRQ)

    assert host.read(COM_IRQ) & (TX_IRQ | RX_IRQ) == TX_IRQ
    assert host.read(COMMAND) & 0x0F == IDLE
    assert host.read(LEVEL) == 0


def test_receive_hears_what_transmit_asked_for(host):
    """Two commands, quick enough for the 86 us until the tag answers; Receive ends idle."""
    host.chip.spi_hz = 10_000_000
    host.write(FIFO, *REQA)
    host.write(FRAMING, 0x07)
    host.write(COMMAND, TRANSMIT)
    host.wait_for(COM_IRQ, TX_IRQ)
    host.write(COMMAND, RECEIVE)
    host.wait_for(COM_IRQ, RX_IRQ)

    assert host.read_fifo().hex() == "4400"
    assert host.read(COM_IRQ) & IDLE_IRQ
    assert host.read(COMMAND) & 0x0F == IDLE


def test_receive_too_late_hears_nothing(host):
    """The answer has passed; the receiver waits on."""
    host.write(FIFO, *REQA)
    host.write(FRAMING, 0x07)
    host.write(COMMAND, TRANSMIT)
    host.clock.advance(1)
    host.write(COMMAND, RECEIVE)
    host.clock.advance(100)

    assert host.read(COM_IRQ) & RX_IRQ == 0
    assert host.read(COMMAND) & 0x0F == RECEIVE
    assert host.read(STATUS2) & 0x07 == 5


def test_transceive_waits_for_start_and_stays(host):
    """Nothing is sent before StartSend; after the reply the command goes on and can send again."""
    host.write(FIFO, *REQA)
    host.write(COMMAND, TRANSCEIVE)
    host.clock.advance(10)
    assert host.read(COM_IRQ) & TX_IRQ == 0
    assert host.read(STATUS2) & 0x07 == 1

    host.write(FRAMING, 0x87)
    host.wait_for(COM_IRQ, RX_IRQ)
    assert host.read(COMMAND) & 0x0F == TRANSCEIVE
    assert host.read(COM_IRQ) & IDLE_IRQ == 0
    assert host.read_fifo().hex() == "4400"

    host.write(COM_IRQ, 0x7F)
    host.write(FIFO, 0x93, 0x20)
    host.write(FRAMING, 0x80)
    host.wait_for(COM_IRQ, RX_IRQ)
    assert host.read_fifo().hex() == "8804a1b29f"


def test_startsend_without_transceive_does_nothing(host):
    """Only that command knows it."""
    host.write(FIFO, *REQA)
    host.write(FRAMING, 0x87)
    host.clock.advance(10)

    assert host.read(COM_IRQ) & TX_IRQ == 0
    assert host.read(LEVEL) == 1


def test_idle_ends_the_wait_for_a_reply(host):
    """The host gives up: what the tag says then reaches nobody."""
    host.write(FIFO, *REQA)
    host.write(COMMAND, TRANSCEIVE)
    host.write(FRAMING, 0x87)
    host.wait_for(COM_IRQ, TX_IRQ)
    host.write(COMMAND, IDLE)
    host.clock.advance(20)

    assert host.read(COM_IRQ) & RX_IRQ == 0
    assert host.read(LEVEL) == 0
    assert host.read(STATUS2) & 0x07 == 0


def test_a_receiver_that_is_off_hears_nothing(host):
    """RcvOff in CommandReg, as it is after reset."""
    host.write(FIFO, *REQA)
    host.write(COMMAND, 0x20 | TRANSCEIVE)
    host.write(FRAMING, 0x87)
    host.clock.advance(10)

    assert host.read(COM_IRQ) & (TX_IRQ | RX_IRQ) == TX_IRQ


def test_the_chip_tells_where_it_is(host):
    """ModemState: waiting to start, sending, waiting for the reply, receiving, waiting again."""
    host.chip.spi_hz = 10_000_000
    host.write(FIFO, *REQA)
    host.write(COMMAND, TRANSCEIVE)
    states = [host.read(STATUS2) & 0x07]
    host.write(FRAMING, 0x87)
    for _ in range(40):
        state = host.read(STATUS2) & 0x07
        states += [state] if state != states[-1] else []

    assert states == [1, 3, 5, 6, 1]


def test_a_long_reply_is_read_along(host):
    """72 bytes through a FIFO of 64: the host takes bytes while they come, and loses none."""
    host.field.get(UID).memory[:72] = bytes(range(72))
    host.select(UID)
    host.write(LEVEL, 0x80)
    host.write(COM_IRQ, 0x7F)
    host.write(RX_MODE, 0x80)
    host.write(0x12, 0x80)
    host.write(FIFO, 0x3A, 0x04, 0x15)
    host.write(COMMAND, TRANSCEIVE)
    host.write(FRAMING, 0x80)
    got = b""
    while not host.read(COM_IRQ) & RX_IRQ:
        got += host.read_fifo() if host.read(COM_IRQ) & TX_IRQ else b""
    got += host.read_fifo()

    assert got == bytes(range(72))
    assert host.read(ERROR) == 0x00


def test_a_short_invalid_frame_can_be_ignored(host):
    """RxNoErr: fewer than four bits are noise, and the receiver goes on."""
    host.exchange(b"\x52", bits=7)
    host.write(RX_MODE, 0x08)
    host.field.pull(UID, after_bits=18 + 3)

    assert host.exchange(b"\x93\x20") == b""
    assert host.read(COM_IRQ) & 0x21 == 0x01


def begin_to_write(host):
    host.select(UID)
    host.write(COM_IRQ, 0x7F)
    host.write(LEVEL, 0x80)
    host.write(0x12, 0x80)
    host.write(FIFO, 0xA2, 0x04, 1, 2, 3, 4)
    host.write(COMMAND, TRANSCEIVE)
    host.write(FRAMING, 0x80)
    host.wait_for(COM_IRQ, TX_IRQ)
    host.clock.advance(1)
    host.write(0x12, 0x00)


def test_a_tag_goes_on_writing_when_the_host_gives_up(host):
    """Idle stops the chip, not the tag: its page is written as long as the field feeds it."""
    begin_to_write(host)
    assert host.field.get(UID).memory[:4] == bytes(4)

    host.write(COMMAND, IDLE)
    host.clock.advance(10)
    host.read(ERROR)

    assert host.field.get(UID).memory[:4] == bytes((1, 2, 3, 4))
    assert host.read(CONTROL) & 0x07 != 4


def test_a_tag_that_writes_is_deaf(host):
    """A host that speaks too soon is not heard, and the page is written."""
    begin_to_write(host)

    assert host.ask(0x30, 0x04) == b""
    assert host.ask(0x30, 0x04)[:4] == bytes((1, 2, 3, 4))


def test_without_the_field_a_write_is_not_finished(host):
    """The antenna goes off while the tag writes: the page keeps what it had."""
    begin_to_write(host)
    host.write(TX_CONTROL, 0x80)
    host.clock.advance(20)
    host.read(ERROR)

    assert host.field.get(UID).memory[:4] == bytes(4)
