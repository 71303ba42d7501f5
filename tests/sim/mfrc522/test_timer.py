"""The timer unit: data sheet chapter 8.5 and its formula."""

import pytest

from hardware.ports import NTAG
from sim.mfrc522.timer import Timer
from sim.tags import SimTag
from tests.sim.mfrc522.host import (
    COM_IRQ,
    COMMAND,
    CONTROL,
    FIFO,
    FRAMING,
    REQA,
    RX_MODE,
    STATUS1,
    T_COUNTER_H,
    T_COUNTER_L,
    T_MODE,
    T_PRESCALER,
    T_RELOAD_H,
    T_RELOAD_L,
    TRANSCEIVE,
    TX_CONTROL,
    Host,
)

START, STOP = 0x40, 0x80
RUNNING, TIMER_IRQ = 0x08, 0x01


@pytest.fixture
def host():
    host = Host()
    host.chip.spi_hz = 1_000_000_000  # a bus that takes 10 us a transfer, whatever it carries
    return host


def set_timer(host, mode, prescaler, reload):
    host.write(T_MODE, mode | prescaler >> 8)
    host.write(T_PRESCALER, prescaler & 0xFF)
    host.write(T_RELOAD_H, reload >> 8)
    host.write(T_RELOAD_L, reload & 0xFF)
    host.write(COM_IRQ, 0x7F)


@pytest.mark.parametrize(
    ("prescaler", "even", "reload", "expires_ns"),
    [
        (0, False, 0, 73),  # one period of 13.56 MHz
        (169, False, 999, 25_000_000),  # the 25 us ticks and 25 ms that every driver sets
        (3390, False, 30, 15_502_286),  # the setting of NXP's first example
        (4095, False, 65535, 39_587_417_109),  # the longest: 39.6 s
        (0, True, 0, 147),
        (169, True, 999, 25_073_746),  # TPrescalEven adds a half step: 2 n + 2 periods a tick
    ],
)
def test_the_timer_expires_by_the_formula(prescaler, even, reload, expires_ns):
    """(2 * prescaler + 1) * (reload + 1) / 13.56 MHz, or + 2 with TPrescalEven."""
    timer = Timer()
    timer.prescaler, timer.even, timer.reload = prescaler, even, reload
    timer.start(0)

    assert timer.expires_ns() == expires_ns


def test_the_host_starts_and_stops_the_timer(host):
    """TStartNow loads the counter, TStopNow holds it, and Status1Reg says whether it runs."""
    set_timer(host, 0, 677, 1000)  # 100 us a tick
    host.write(CONTROL, START)
    assert host.read(STATUS1) & RUNNING
    host.clock.advance(10)

    host.write(CONTROL, STOP)

    held = host.read(T_COUNTER_H) << 8 | host.read(T_COUNTER_L)
    assert held == 900
    assert not host.read(STATUS1) & RUNNING
    host.clock.advance(50)
    assert host.read(T_COUNTER_H) << 8 | host.read(T_COUNTER_L) == held
    assert not host.read(COM_IRQ) & TIMER_IRQ


def test_a_timer_that_runs_out_stops_at_zero_and_says_so(host):
    """TimerIRq is set once; without TAutoRestart the counter stays 0."""
    set_timer(host, 0, 677, 99)
    host.write(CONTROL, START)
    host.clock.advance(9)
    assert not host.read(COM_IRQ) & TIMER_IRQ

    host.clock.advance(1)

    assert host.read(COM_IRQ) & TIMER_IRQ
    assert host.read(T_COUNTER_L) == 0
    host.write(COM_IRQ, TIMER_IRQ)
    host.clock.advance(100)
    assert not host.read(COM_IRQ) & TIMER_IRQ


def test_a_restarting_timer_goes_on(host):
    """TAutoRestart: the interrupt comes again and again."""
    set_timer(host, 0x10, 677, 99)
    host.write(CONTROL, START)
    host.clock.advance(10)
    host.write(COM_IRQ, TIMER_IRQ)

    host.clock.advance(10)

    assert host.read(COM_IRQ) & TIMER_IRQ
    assert host.read(STATUS1) & RUNNING


def test_a_timer_that_restarts_all_the_time_costs_nothing(host):
    """Every 74 ns for an hour: the clock moves on at once, and the counter is where it must be."""
    set_timer(host, 0x10, 0, 0)
    host.write(CONTROL, START)
    host.clock.advance(3_600_000)

    assert host.read(COM_IRQ) & TIMER_IRQ
    assert host.read(T_COUNTER_L) == 0
    assert host.read(STATUS1) & RUNNING


def poll(host):
    host.write(FIFO, *REQA)
    host.write(COMMAND, TRANSCEIVE)
    host.write(FRAMING, 0x87)


def test_tauto_starts_when_the_frame_was_sent(host):
    """The timeout counts from the end of the transmission, not from StartSend."""
    host.start_radio(reload=30)
    host.write(COM_IRQ, 0x7F)
    poll(host)
    assert not host.read(STATUS1) & RUNNING

    host.wait_for(COM_IRQ, 0x40)

    assert host.read(STATUS1) & RUNNING
    assert not host.read(COM_IRQ) & TIMER_IRQ
    host.clock.advance(16)
    assert host.read(COM_IRQ) & TIMER_IRQ


def test_tauto_starts_with_the_field_too(host):
    """What old revisions of the data sheet say, and a dump of a real chip shows."""
    host.start_radio(reload=30)
    host.write(TX_CONTROL, 0x80)
    host.write(COM_IRQ, 0x7F)
    host.write(TX_CONTROL, 0x83)
    assert host.read(STATUS1) & RUNNING

    host.clock.advance(16)

    assert host.read(COM_IRQ) & TIMER_IRQ


def test_a_reply_stops_the_timer(host):
    """After its fifth bit the timer stands, and no timeout comes after the reply."""
    host.start_radio(reload=30)
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    host.write(COM_IRQ, 0x7F)
    poll(host)
    host.wait_for(COM_IRQ, 0x20)

    assert not host.read(STATUS1) & RUNNING
    host.clock.advance(30)
    assert not host.read(COM_IRQ) & TIMER_IRQ


def test_with_rxmultiple_the_timer_goes_on(host):
    """The host stops it then, with TStopNow; an error byte follows each frame in the FIFO."""
    host.start_radio(reload=30)
    host.write(RX_MODE, 0x04)
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    host.write(COM_IRQ, 0x7F)
    poll(host)
    host.wait_for(COM_IRQ, 0x20)

    assert host.read(STATUS1) & RUNNING
    assert host.read_fifo().hex() == "440000"


def test_a_timer_that_is_not_automatic_stays_out_of_it(host):
    """Without TAuto an unanswered frame ends in nothing at all."""
    host.start_radio()
    host.write(T_MODE, 0x0D)
    host.write(COM_IRQ, 0x7F)
    poll(host)
    host.clock.advance(1000)

    assert host.read(COM_IRQ) & 0x71 == 0x40
