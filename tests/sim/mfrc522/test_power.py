"""Reset, power-down, brown-out, plugs, faults and the two clocks."""

import pytest

from hardware.ports import NTAG
from sim.clock import SystemClock, VirtualClock
from sim.errors import FaultUnknown
from sim.mfrc522.chip import SimMfrc522
from sim.tags import SimTag
from tests.sim.mfrc522.host import (
    COM_IRQ,
    COMMAND,
    ERROR,
    FIFO,
    IDLE,
    LEVEL,
    MEM,
    REQA,
    STATUS2,
    T_MODE,
    TX_CONTROL,
    VERSION,
    WATER,
    Host,
)

UID = "04a1b2c3d4e580"


@pytest.fixture
def host():
    host = Host().start_radio()
    host.field.put(SimTag(UID, technology=NTAG))
    return host


@pytest.mark.parametrize("pull", [0x00, 0xFF])
def test_an_unplugged_chip_reads_what_the_wire_floats_to(pull):
    """Nobody drives MISO: all zeros or all ones, never a register."""
    host = Host(pull=pull)
    host.chip.power(False)
    host.write(WATER, 0x3F)

    assert host.read(VERSION) == pull
    host.chip.power(True)
    host.clock.advance(1)
    assert host.read(VERSION) == 0x92
    assert host.read(WATER) == 0x08


def test_nrstpd_low_is_power_down_and_high_again_a_reset(host):
    """Hard power-down: nothing answers, the antenna is off, and all is as after power-on."""
    host.chip.reset_pin(False)
    assert host.read(VERSION) == 0x00
    assert not host.field.is_on

    host.chip.reset_pin(True)
    host.clock.advance(1)

    assert host.read(VERSION) == 0x92
    assert host.read(T_MODE) == 0x00
    assert not host.field.is_on


def test_a_level_that_was_there_already_resets_nothing(host):
    """Only the rising edge resets."""
    host.chip.reset_pin(True)

    assert host.read(T_MODE) == 0x8D


def test_the_internal_buffer_outlives_reset_and_not_the_supply():
    """Data sheet 10.3.1.2: its 25 bytes are lost only with the power."""
    host = Host()
    host.write(FIFO, *range(1, 26))
    host.write(COMMAND, MEM)
    host.clock.advance(1)
    contents = []
    for away in (host.chip.reset_pin, host.chip.power):
        away(False)
        away(True)
        host.clock.advance(1)
        host.write(COMMAND, MEM)
        host.clock.advance(1)
        contents.append(host.read_fifo())
        host.write(FIFO, *range(1, 26))
        host.write(COMMAND, MEM)
        host.clock.advance(1)

    assert contents == [bytes(range(1, 26)), bytes(25)]


def test_after_the_reset_pin_the_oscillator_takes_its_time():
    """Until it swings, PowerDown reads 1 (data sheet 8.8.2)."""
    host = Host()
    host.chip.reset_pin(False)
    host.chip.reset_pin(True)

    assert host.read(COMMAND) == 0x30
    host.clock.advance(1)
    assert host.read(COMMAND) == 0x20


def test_soft_power_down_keeps_registers_and_stops_the_antenna(host):
    """PowerDown in CommandReg: settings stay, tags lose their field, waking takes a moment."""
    host.write(COMMAND, 0x10)
    assert not host.field.is_on
    assert host.read(T_MODE) == 0x8D
    host.clock.advance(10)

    host.write(COMMAND, 0x00)

    assert host.read(COMMAND) == 0x10
    host.clock.advance(1)
    assert host.read(COMMAND) == 0x00
    assert host.field.is_on
    assert host.exchange(REQA, bits=7).hex() == "4400"


def test_a_brown_out_is_silent(host):
    """The supply dips: no error, no interrupt, only registers at their reset values."""
    host.chip.brown_out()
    host.clock.advance(1)

    assert host.read(VERSION) == 0x92
    assert host.read(TX_CONTROL) == 0x80
    assert host.read(T_MODE) == 0x00


def test_an_overheated_chip_switches_its_antenna_off(host):
    """TempErr stays while it is hot, whatever command starts."""
    host.chip.overheat(True)
    assert host.read(ERROR) == 0x40
    assert not host.field.is_on
    host.write(COMMAND, MEM)
    assert host.read(ERROR) & 0x40

    host.chip.overheat(False)

    assert host.read(ERROR) == 0x00
    assert host.field.is_on


def test_without_a_field_txwaitrf_holds_the_frame_back(host):
    """The transmitter starts when there is a field; ModemState says what it waits for."""
    host.write(TX_CONTROL, 0x80)
    host.write(FIFO, 0x26)
    host.write(COMMAND, 0x0C)
    host.write(0x0D, 0x87)
    host.write(COM_IRQ, 0x7F)
    host.clock.advance(100)
    assert host.read(STATUS2) & 0x07 == 2
    assert host.read(COM_IRQ) & 0x41 == 0

    host.write(TX_CONTROL, 0x83)
    host.clock.advance(1)

    assert host.read(COM_IRQ) & 0x40


def test_off_is_no_supply_and_mending_is_a_reset(host):
    """The fault and the plug are one thing on the bus."""
    host.chip.fail("off")
    assert host.read(VERSION) == 0x00

    host.chip.mend()
    host.clock.advance(1)
    assert (host.read(VERSION), host.read(T_MODE)) == (0x92, 0x00)


def test_stuck_registers_say_for_ever_what_they_said(host):
    """Reads repeat the last state, writes are lost; mended, the chip goes on with its settings."""
    host.write(COM_IRQ, 0x7F)
    host.chip.fail("stuck")
    host.write(WATER, 0x3F)

    assert host.read(WATER) == 0x08
    assert host.read(COM_IRQ) == 0x00
    host.chip.mend()
    assert host.read(WATER) == 0x08
    assert host.read(T_MODE) == 0x8D


def test_garbage_is_seeded_nonsense():
    """The version reads differently each time, and the same in every run."""
    readings = []
    for _ in range(2):
        host = Host(seed=3)
        host.chip.fail("garbage")
        readings.append([host.read(VERSION) for _ in range(8)])

    assert readings[0] == readings[1]
    assert len(set(readings[0])) > 4


def test_delayed_answers_the_transfer_before(host):
    """The bus is out of step by one."""
    host.chip.fail("delayed")
    host.read(VERSION)

    assert host.read(T_MODE) == 0x92
    assert host.read(VERSION) == 0x8D


def test_slow_holds_the_bus_before_a_command(host):
    """Late by slow_ms whenever a command starts; registers alone are as quick as ever."""
    host.chip.fail("slow", slow_ms=40)
    before_ms = host.clock.now_ms()
    host.read(VERSION)
    host.write(COMMAND, IDLE)
    assert host.clock.now_ms() - before_ms < 2

    host.write(COMMAND, MEM)

    assert host.clock.now_ms() - before_ms >= 40


def test_intermittent_loses_a_seeded_share_of_transfers():
    """A loose contact: some transfers read as unplugged, and do nothing."""
    host = Host()
    host.chip.fail("intermittent", share=0.5, seed=1)
    readings = [host.read(VERSION) for _ in range(200)]

    assert 60 < readings.count(0x92) < 140
    assert set(readings) == {0x92, 0x00}


def test_a_fault_it_does_not_model_is_refused(host):
    """A lie on the bus that every check accepts is not modelled, and said so."""
    with pytest.raises(FaultUnknown, match="it models off, stuck"):
        host.chip.fail("wrong")


def test_on_a_virtual_clock_time_passes_by_transfers():
    """1 MHz and 10 us a transfer: two bytes take 26 us, and whole milliseconds reach the clock."""
    clock = VirtualClock(1_000)
    host = Host(clock=clock)
    for _ in range(1_000):
        host.read(VERSION)

    assert clock.now_ms() == 1_026
    assert host.chip.transfers == 1_000


def test_a_sleeping_host_finds_the_reply_there(host):
    """A clock that somebody else moves moves the chip too: no transfers are needed."""
    host.write(LEVEL, 0x80)
    host.write(FIFO, *REQA)
    host.write(COMMAND, 0x0C)
    host.write(0x0D, 0x87)
    assert host.chip.next_event_ms() == 1

    host.clock.sleep_ms(5)

    assert host.read_fifo().hex() == "4400"


def test_on_the_machines_clock_the_chip_follows_real_time():
    """The bench: a frame comes back, and nothing waits for transfers to move a clock."""
    host = Host(SimMfrc522(SystemClock()), clock=SystemClock())
    host.field.put(SimTag(UID, technology=NTAG))
    host.start_radio(reload=2_000)

    assert host.exchange(REQA, bits=7).hex() == "4400"


@pytest.mark.parametrize("options", [{"collpos": "byte"}, {"pull": 0x55}], ids=["collpos", "pull"])
def test_a_wrong_option_is_refused(options):
    """A misspelt option would prove nothing."""
    with pytest.raises(ValueError, match=next(iter(options))):
        SimMfrc522(VirtualClock(), **options)
