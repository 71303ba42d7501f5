"""The real rpi-lgpio on the simulated board: the whole surface that programs use."""

import importlib
import io
import os
import sys
import threading
from types import ModuleType

import pytest

from sim.clock import SystemClock, VirtualClock
from sim.errors import SimError
from sim.pi.board import SimPi

CONSTANTS = {
    "LOW": 0,
    "HIGH": 1,
    "OUT": 0,
    "IN": 1,
    "BOARD": 10,
    "BCM": 11,
    "UNKNOWN": -1,
    "PUD_OFF": 20,
    "PUD_DOWN": 21,
    "PUD_UP": 22,
    "RISING": 31,
    "FALLING": 32,
    "BOTH": 33,
    "SERIAL": 40,
    "SPI": 41,
    "I2C": 42,
    "HARD_PWM": 43,
}


@pytest.fixture
def pi():
    """A board with its modules in place."""
    with SimPi(VirtualClock()).installed() as board:
        yield board


@pytest.fixture
def gpio(pi):
    """`RPi.GPIO`, numbered by BCM."""
    import RPi.GPIO

    RPi.GPIO.setmode(RPi.GPIO.BCM)
    return RPi.GPIO


def train(pi, line, starts_ms, length_ms, end_ms):
    """Plan pulses on a line and let time pass."""
    for start_ms in starts_ms:
        pi.plan(line, start_ms, True)
        pi.plan(line, start_ms + length_ms, False)
    pi.advance(end_ms)


def test_the_module_is_the_real_one_on_this_board(gpio):
    """A Pi 4 with 4 GB, by its revision code, and every constant programs use."""
    assert gpio.RPI_INFO["TYPE"] == "Pi 4 Model B"
    assert gpio.RPI_INFO["REVISION"] == "c03111"
    assert gpio.RPI_REVISION == 3
    assert gpio.VERSION == "0.7.2"
    assert {name: getattr(gpio, name) for name in CONSTANTS} == CONSTANTS


def test_outputs_and_lists_of_them(pi, gpio):
    """Single pins, lists and tuples; one value for all or one each."""
    gpio.setup(17, gpio.OUT, initial=gpio.HIGH)
    gpio.setup([27, 22], gpio.OUT)
    gpio.output((27, 22), (1, 0))

    assert [pi.line(n).level for n in (17, 27, 22)] == [True, True, False]
    gpio.output([27, 22], 1)
    assert gpio.input(22) == 1
    with pytest.raises(RuntimeError, match="Number of channels != number of values"):
        gpio.output([27, 22], (1, 0, 1))


def test_places_on_the_header(pi):
    """BOARD 11 is GPIO 17; BOARD 27 is no GPIO for programs."""
    import RPi.GPIO as gpio

    gpio.setmode(gpio.BOARD)
    gpio.setup(11, gpio.OUT, initial=1)

    assert gpio.getmode() == gpio.BOARD
    assert pi.line(17).level is True
    with pytest.raises(ValueError, match="invalid on a Raspberry Pi"):
        gpio.setup(27, gpio.IN)
    with pytest.raises(ValueError, match="different mode"):
        gpio.setmode(gpio.BCM)


@pytest.mark.parametrize(("pull", "level"), [("PUD_UP", 1), ("PUD_DOWN", 0)])
def test_pulls_decide_what_nobody_drives(pi, gpio, pull, level):
    """The Pi's own resistor wins over nothing, and loses against a wire or an outer resistor."""
    gpio.setup(22, gpio.IN, pull_up_down=getattr(gpio, pull))
    assert gpio.input(22) == level
    pi.line(22).pull_outside(not level)
    assert gpio.input(22) == 1 - level
    pi.line(22).drive(bool(level))
    assert gpio.input(22) == level


def test_pins_have_the_chips_pulls_at_power_on(pi):
    """GPIO 0 to 8 start pulled up, 9 to 27 pulled down (BCM2835 ARM Peripherals, table 6-31)."""
    assert [pi.line(n).level for n in (2, 8, 9, 17, 27)] == [True, True, False, False, False]


def test_wrong_use_is_refused_as_on_a_board(gpio):
    """The vendor's own errors come from the vendor's own code."""
    gpio.setup(22, gpio.IN)
    with pytest.raises(RuntimeError, match="not been set up as an OUTPUT"):
        gpio.output(22, 1)
    with pytest.raises(RuntimeError, match=r"must setup\(\) the GPIO channel first"):
        gpio.input(23)
    with pytest.raises(RuntimeError, match=r"must setup\(\) the GPIO channel as an input first"):
        gpio.add_event_detect(23, gpio.BOTH)
    with pytest.raises(ValueError, match="Bouncetime"):
        gpio.add_event_detect(22, gpio.BOTH, bouncetime=0)


def test_the_function_of_a_pin(pi, gpio):
    """rpi-lgpio tells only IN and OUT, by the kernel's flags."""
    gpio.setup(17, gpio.OUT)
    gpio.setup(22, gpio.IN)

    assert gpio.gpio_function(17) == gpio.OUT
    assert [gpio.gpio_function(n) for n in (22, 2)] == [gpio.IN, gpio.IN]


def test_a_pin_of_another_program_is_refused(pi, gpio):
    """The words are those of the vendor's documentation."""
    import lgpio

    pi.line(26).hold("other")
    with pytest.raises(lgpio.error, match="'GPIO not allocated'"):
        gpio.setup(26, gpio.OUT)
    with pytest.raises(lgpio.error, match="'GPIO busy'"):
        gpio.setup(26, gpio.IN)
    assert pi.line(26).owner == "other"


@pytest.mark.parametrize(
    ("edge", "seen"),
    [("RISING", [5]), ("FALLING", [8]), ("BOTH", [5, 8])],
)
def test_edges_are_told_in_their_direction(pi, gpio, edge, seen):
    """The callback gets the pin's number; who asks for rising edges hears no falling one."""
    times = []
    gpio.setup(22, gpio.IN)
    gpio.add_event_detect(
        22, getattr(gpio, edge), callback=lambda n: times.append((n, pi.clock.now_ms()))
    )
    train(pi, 22, [5], 3, 20)

    assert times == [(22, at_ms) for at_ms in seen]


def test_events_are_remembered_and_forgotten(pi, gpio):
    """`event_detected` tells once; more callbacks may be added; removal ends it all."""
    calls = []
    gpio.setup(22, gpio.IN)
    gpio.add_event_detect(22, gpio.RISING)
    gpio.add_event_callback(22, calls.append)
    gpio.add_event_callback(22, calls.append)
    pi.line(22).drive(True)

    assert gpio.event_detected(22) is True
    assert gpio.event_detected(22) is False
    gpio.remove_event_detect(22)
    pi.line(22).drive(False)
    pi.line(22).drive(True)
    assert gpio.event_detected(22) is False
    assert calls == [22, 22]


def test_a_callback_that_fails_stops_no_other(pi, gpio, monkeypatch):
    """rpi-lgpio prints the error and goes on, as RPi.GPIO did."""
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    calls = []
    gpio.setup(22, gpio.IN)
    gpio.add_event_detect(22, gpio.RISING, callback=lambda _n: 1 / 0)
    gpio.add_event_callback(22, calls.append)
    pi.line(22).drive(True)

    assert calls == [22]
    assert "division by zero" in errors.getvalue()


@pytest.mark.parametrize(
    ("bouncetime_ms", "reported_ms"), [(3, [7]), (2, [6])], ids=["3 ms", "2 ms"]
)
def test_a_bouncing_switch_is_told_once_it_is_stable(pi, gpio, bouncetime_ms, reported_ms):
    """The first two drawings of rpi-lgpio's documentation: pulses at 2, 3 and 4 ms."""
    times = []
    gpio.setup(22, gpio.IN)
    gpio.add_event_detect(
        22,
        gpio.RISING,
        callback=lambda _n: times.append(pi.clock.now_ms()),
        bouncetime=bouncetime_ms,
    )
    for at_ms, level in [(2, True), (2, False), (3, True), (3, False), (4, True), (9, False)]:
        pi.plan(22, at_ms, level)
    pi.advance(20)

    assert times == reported_ms


def test_a_pulse_train_faster_than_the_debounce_is_never_told(pi, gpio):
    """The third drawing: a pulse every 2 ms and a debounce of 3 ms, so no edge is ever stable."""
    times = []
    gpio.setup(22, gpio.IN)
    gpio.add_event_detect(
        22, gpio.RISING, callback=lambda _n: times.append(pi.clock.now_ms()), bouncetime=3
    )
    train(pi, 22, range(2, 60, 2), 1, 59)

    assert times == []


def test_waiting_for_an_edge_passes_virtual_time(pi, gpio):
    """The edge planned for 40 ms later is found then; without one the timeout passes."""
    gpio.setup(22, gpio.IN)
    pi.plan(22, 40, True)

    assert gpio.wait_for_edge(22, gpio.RISING, timeout=1_000) == 22
    assert pi.clock.now_ms() == 40
    assert gpio.wait_for_edge(22, gpio.RISING, timeout=1_000) is None
    assert pi.clock.now_ms() == 1_040


def test_waiting_for_ever_for_nothing_is_an_error(pi, gpio):
    """A test that would hang says so."""
    gpio.setup(22, gpio.IN)

    with pytest.raises(SimError, match="for ever"):
        gpio.wait_for_edge(22, gpio.RISING)


def test_a_square_wave_and_its_changes(pi, gpio):
    """PWM start, both changes, stop; the line shows the wave's level at each moment."""
    gpio.setup(18, gpio.OUT)
    wave = gpio.PWM(18, 100)
    wave.start(25)
    assert (pi.line(18).pwm.frequency_hz, pi.line(18).pwm.duty_percent) == (100, 25)
    levels = []
    for _ in range(10):
        levels.append(pi.line(18).level)
        pi.advance(1)
    assert levels == [True] * 3 + [False] * 7
    wave.ChangeDutyCycle(50)
    wave.ChangeFrequency(1_000)
    assert (pi.line(18).pwm.on_us, pi.line(18).pwm.off_us) == (500, 500)
    wave.stop()

    assert (pi.line(18).pwm, pi.line(18).level) == (None, False)
    with pytest.raises(ValueError, match="dutycycle"):
        wave.start(101)


def test_cleanup_of_one_pin_and_of_all(pi, gpio):
    """A cleaned pin is nobody's and floats; after a whole cleanup the mode is gone too."""
    gpio.setup([17, 27], gpio.OUT, initial=1)
    gpio.cleanup(17)
    assert [pi.line(n).owner for n in (17, 27)] == [None, "lg"]
    gpio.cleanup()

    assert pi.line(27).owner is None
    assert gpio.getmode() is None


def test_one_board_at_a_time(gpio):
    """A second board in one process is refused: there is one `lgpio` to import."""
    assert "RPi.GPIO" in sys.modules
    with pytest.raises(SimError, match="another simulated Pi"), SimPi(VirtualClock()).installed():
        pass


def test_modules_are_put_back_as_they_were(monkeypatch):
    """What was imported before is there again, and the environment is untouched."""
    vendors = ModuleType("lgpio")
    monkeypatch.setitem(sys.modules, "lgpio", vendors)
    monkeypatch.delenv("RPI_LGPIO_REVISION", raising=False)
    with SimPi(VirtualClock()).installed():
        import RPi.GPIO

        assert sys.modules["lgpio"] is not vendors
        assert sys.modules["RPi.GPIO"] is RPi.GPIO

    assert sys.modules["lgpio"] is vendors
    assert "RPi.GPIO" not in sys.modules
    assert "RPI_LGPIO_REVISION" not in os.environ


DRIVERS = {
    "by_module": "import RPi.GPIO as GPIO\n",
    "by_name": "from spidev import SpiDev\n",
    "innocent": "import json\n",
}


def test_a_strangers_driver_is_imported_afresh_on_each_board(tmp_path, monkeypatch):
    """A driver that keeps a board's modules would go on talking to the board before."""
    for name, text in DRIVERS.items():
        (tmp_path / f"{name}_driver.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        with SimPi(VirtualClock()).installed():
            by_module = importlib.import_module("by_module_driver")
            by_name = importlib.import_module("by_name_driver")
            importlib.import_module("innocent_driver")

            assert by_module.GPIO is sys.modules["RPi.GPIO"]
            assert by_name.SpiDev is sys.modules["spidev"].SpiDev

    assert [name for name in DRIVERS if f"{name}_driver" in sys.modules] == ["innocent"]


def test_on_a_real_clock_callbacks_come_from_a_thread_of_the_board():
    """As on a Pi: an edge is told by another thread, also a debounced one."""
    told = threading.Event()
    names = []
    board = SimPi(SystemClock())
    with board.installed():
        import RPi.GPIO as gpio

        gpio.setmode(gpio.BCM)
        gpio.setup(22, gpio.IN)
        gpio.add_event_detect(
            22,
            gpio.RISING,
            callback=lambda _n: (names.append(threading.current_thread().name), told.set()),
            bouncetime=5,
        )
        board.line(22).drive(True)
        assert told.wait(10)
        gpio.cleanup()

    assert names == ["sim-pi-alerts"]


def test_on_a_real_clock_no_other_thread_runs_callbacks():
    """A program that reads a pin never finds itself in its own callback."""
    names = set()
    told = threading.Event()
    board = SimPi(SystemClock())
    with board.installed():
        import RPi.GPIO as gpio

        gpio.setmode(gpio.BCM)
        gpio.setup(22, gpio.IN)
        gpio.add_event_detect(
            22,
            gpio.BOTH,
            callback=lambda _n: (names.add(threading.current_thread().name), told.set()),
        )
        for number in range(500):
            board.line(22).drive(number % 2 == 0)
            gpio.input(22)
        assert told.wait(10)

    assert names == {"sim-pi-alerts"}


def test_a_program_that_ends_leaves_its_pins_free():
    """The kernel frees the lines of a program that is gone, with the pulls they had."""
    board = SimPi(VirtualClock())
    with board.installed():
        import RPi.GPIO as gpio

        gpio.setmode(gpio.BCM)
        gpio.setup(22, gpio.IN, pull_up_down=gpio.PUD_UP)
        gpio.setup(17, gpio.OUT, initial=1)

    assert [board.line(n).owner for n in (17, 22)] == [None, None]
    assert board.line(22).level is True
