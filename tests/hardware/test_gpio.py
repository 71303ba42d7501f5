"""Pins on the header: over the real rpi-lgpio on a simulated board, and over the original."""

import sys
import threading

import pytest

from hardware.clock import SystemClock
from hardware.errors import DeviceUnavailable
from hardware.gpio import Buzzer, PinInput, PinOutput, two_owners_of_rpi
from hardware.ports import Edge
from hardware.watchdog import Watchdog
from sim.clock import VirtualClock
from sim.pi.board import SimPi
from tests.contract.gpio_contract import (
    MAX_ON_MS,
    InputContract,
    InputRig,
    OutputContract,
    OutputRig,
)


@pytest.fixture
def clock():
    """A clock that moves when told."""
    return VirtualClock()


@pytest.fixture
def pi(clock):
    """A board with its modules in place."""
    with SimPi(clock).installed() as board:
        yield board


def lamp(clock, pin=17, **options):
    """Return an output of the contract's longest time on."""
    return PinOutput(pin, clock=clock, max_on_ms=MAX_ON_MS, **options)


class TestPinOutput(OutputContract):
    """An output on rpi-lgpio."""

    @pytest.fixture
    def rig(self, pi, clock):
        """Outputs on GPIO 17."""
        return OutputRig(
            make=lambda initial, safe: lamp(clock, initial=initial, safe=safe),
            level=lambda _output: pi.line(17).level,
            advance=clock.advance,
        )


class TestPinOutputActiveLow(OutputContract):
    """A relay board that switches when its wire is low."""

    @pytest.fixture
    def rig(self, pi, clock):
        """Outputs on GPIO 27, turned round."""
        return OutputRig(
            make=lambda initial, safe: lamp(
                clock, 27, initial=initial, safe=safe, active_high=False
            ),
            level=lambda _output: not pi.line(27).level,
            advance=clock.advance,
        )


class TestBuzzer(OutputContract):
    """A buzzer is an output too; its safe state is silence."""

    @pytest.fixture
    def rig(self, pi, clock):
        """A buzzer that may be asked for a state at birth, as the contract does."""

        def make(initial, safe):
            buzzer = Buzzer(18, clock=clock, max_on_ms=MAX_ON_MS)
            if initial:
                buzzer.on()
            self.wanted = safe
            return buzzer

        return OutputRig(
            make=make,
            level=lambda _output: pi.line(18).pwm is not None or self.wanted,
            advance=clock.advance,
        )

    def test_a_closed_output_stays_as_it_is(self, rig):
        """Nothing sounds after closing."""
        buzzer = rig.make(False, False)
        buzzer.close()
        buzzer.on()

        assert not rig.level(buzzer)


class TestPinInput(InputContract):
    """A button to ground with the Pi's own pull-up."""

    @pytest.fixture
    def rig(self, pi, clock):
        """An input on GPIO 22; pressed is a low wire."""
        button = PinInput(22, clock=clock, pull="up", active_low=True)
        return InputRig(
            button, lambda level: pi.line(22).drive(not level), clock.advance, clock.now_ms
        )


def test_an_output_never_flickers_at_birth(pi, clock):
    """The first level on the wire is the declared one, also where low means on."""
    lamp(clock, initial=False, active_high=False)

    assert list(pi.line(17).history) == [(0, True)]


def test_an_output_that_was_one_already_gets_its_initial_level(pi, clock):
    """rpi-lgpio keeps the old level of a pin that is an output already; the lamp is off anyway."""
    import RPi.GPIO

    RPi.GPIO.setmode(RPi.GPIO.BCM)
    RPi.GPIO.setup(17, RPi.GPIO.OUT, initial=1)
    lamp(clock)

    assert pi.line(17).level is False


def test_letting_go_frees_the_pin_with_its_pull_to_the_safe_side(pi, clock):
    """After closing the pin is nobody's, and the wire stays safe although nobody drives it."""
    lamp(clock, 17, initial=True).close()
    lamp(clock, 27, active_high=False, initial=True).close()

    assert (pi.line(17).owner, pi.line(17).pull, pi.line(17).level) == (None, "down", False)
    assert (pi.line(27).owner, pi.line(27).pull, pi.line(27).level) == (None, "up", True)


def test_closing_one_pin_leaves_the_others_alone(pi, clock):
    """Only our own pin is let go of: never cleanup() of all."""
    siren, lit = lamp(clock, 17), lamp(clock, 27)
    lit.on()
    siren.close()

    assert pi.line(27).owner == "lg"
    assert pi.line(27).level is True


def test_a_siren_ends_although_its_program_is_stuck(pi):
    """The time is watched by a thread, each time anew: nobody asks for the state here."""
    ended = threading.Event()
    siren = PinOutput(17, clock=SystemClock(), max_on_ms=30, watchdog=Watchdog())
    pi.line(17).watches.append(lambda _line, level, _at_ns: level or ended.set())
    for _ in range(2):
        siren.on()
        assert ended.wait(10)
        ended.clear()

    assert list(pi.line(17).history) == [(0, True), (0, False)] * 2


@pytest.mark.parametrize("pin", [0, 1, 28, 40, -1, True, 17.0, "17"])
def test_what_is_no_pin_of_the_header_is_refused(pi, clock, pin):
    """A place on the header, or GPIO 0, is an easy mistake: the message says what a number is."""
    with pytest.raises(ValueError, match="BCM numbers are 2 to 27"):
        lamp(clock, pin)


@pytest.mark.parametrize("max_on_ms", [0, -1])
def test_an_output_needs_a_longest_time_on(pi, clock, max_on_ms):
    """A siren for ever cannot be configured."""
    with pytest.raises(ValueError, match="above 0 ms"):
        PinOutput(17, clock=clock, max_on_ms=max_on_ms)


def test_two_of_ours_on_one_pin_are_told_apart(pi, clock):
    """The second is refused and told who has the pin; after closing it may have it."""
    siren = lamp(clock, name="siren")
    with pytest.raises(DeviceUnavailable, match=r"lamp: GPIO 17 is siren's already"):
        lamp(clock, name="lamp")
    siren.close()

    assert lamp(clock, name="lamp").state is False


@pytest.mark.parametrize("make", [lamp, lambda clock: PinInput(17, clock=clock)])
def test_a_pin_of_another_program_is_refused_by_its_name(pi, clock, make):
    """One program owns all pins; the message names who has this one and what to do."""
    pi.line(17).hold("doorbell")

    with pytest.raises(DeviceUnavailable, match=r"GPIO 17 is held by 'doorbell'.*gpioinfo"):
        make(clock)
    pi.line(17).free()
    assert make(clock).health().ok


def test_the_chip_select_of_spi_is_held_by_the_kernel(pi, clock):
    """A lamp on GPIO 8 does not work beside a reader on SPI, and the message says why."""
    pi.enable_spi()

    with pytest.raises(DeviceUnavailable, match="held by 'spi0 CS0'"):
        lamp(clock, 8)


def test_pins_live_with_a_program_that_numbers_by_place(pi, clock):
    """mfrc522 sets BOARD for the process: our BCM numbers still mean the same wires."""
    import RPi.GPIO

    RPi.GPIO.setmode(RPi.GPIO.BOARD)
    output = lamp(clock, 17)
    output.on()
    button = PinInput(22, clock=clock, pull="up")
    pi.line(22).drive(False)

    assert pi.line(17).level is True
    assert button.edges() == [Edge(False, 0)]


def test_pins_survive_somebody_elses_cleanup_of_everything(pi, clock):
    """mfrc522 calls cleanup() of all pins when it closes; ours are set up again when used."""
    import RPi.GPIO

    output, beam, buzzer = (
        lamp(clock),
        PinInput(22, clock=clock, pull="up"),
        Buzzer(18, clock=clock, max_on_ms=MAX_ON_MS),
    )
    output.on()
    buzzer.on()
    RPi.GPIO.cleanup()
    output.off()
    output.on()
    buzzer.off()
    buzzer.on()
    beam.read()
    pi.line(22).drive(False)

    assert pi.line(17).level is True
    assert pi.line(18).pwm is not None
    assert beam.edges() == [Edge(False, 0)]


def test_an_input_that_was_taken_away_is_unhealthy_until_it_is_back(pi, clock):
    """Another program took the pin after a cleanup: health names it, and heals by itself."""
    import RPi.GPIO

    beam = PinInput(22, clock=clock)
    RPi.GPIO.cleanup()
    pi.line(22).hold("thief")
    assert "held by 'thief'" in beam.health().detail
    assert not beam.health().ok
    pi.line(22).free()

    assert beam.health().ok
    pi.line(22).drive(True)
    assert [edge.level for edge in beam.edges()] == [True]


def test_an_output_that_cannot_be_switched_off_says_so(pi, clock, caplog):
    """Its time is over and the pin is not ours: logged once, unhealthy, tried again."""
    import RPi.GPIO

    siren = lamp(clock, name="siren")
    siren.on()
    RPi.GPIO.cleanup()
    pi.line(17).hold("thief")
    clock.advance(MAX_ON_MS)
    assert siren.state
    assert siren.state
    assert "siren: GPIO 17 is held by 'thief'" in siren.health().detail
    assert caplog.text.count("cannot be switched off") == 1
    pi.line(17).free()

    assert not siren.state
    assert siren.health().ok


def test_a_debounce_somebody_set_before_does_not_hide_edges(pi, clock):
    """lgpio keeps a line's debounce time; the input's edges are raw all the same."""
    import RPi.GPIO

    RPi.GPIO.setmode(RPi.GPIO.BCM)
    RPi.GPIO.setup(22, RPi.GPIO.IN)
    RPi.GPIO.add_event_detect(22, RPi.GPIO.BOTH, bouncetime=50)
    RPi.GPIO.remove_event_detect(22)
    beam = PinInput(22, clock=clock)
    pi.line(22).drive(True)
    clock.advance(1)
    pi.line(22).drive(False)

    assert beam.edges() == [Edge(True, 0), Edge(False, 1)]


def test_edges_keep_their_times_when_they_are_fetched_late(pi, clock):
    """A bouncing contact, fetched a second later, still has the kernel's milliseconds."""
    beam = PinInput(22, clock=clock)
    for after_ms, level in [(2, True), (3, False), (4, True), (9, False)]:
        pi.plan(22, after_ms, level)
    clock.advance(1_000)

    assert beam.edges() == [Edge(True, 2), Edge(False, 3), Edge(True, 4), Edge(False, 9)]


def test_the_buzzer_is_a_square_wave(pi, clock):
    """Half of each period on, at the frequency asked for, also when it changes while it sounds."""
    buzzer = Buzzer(18, clock=clock, max_on_ms=MAX_ON_MS, frequency_hz=2_000)
    buzzer.on()
    assert (pi.line(18).pwm.on_us, pi.line(18).pwm.off_us) == (250, 250)
    buzzer.tone_hz = 1_000
    assert (pi.line(18).pwm.on_us, pi.line(18).pwm.off_us) == (500, 500)
    buzzer.close()

    assert (pi.line(18).owner, pi.line(18).pwm, pi.line(18).level) == (None, None, False)


@pytest.mark.parametrize("frequency_hz", [0, 49, 10_001])
def test_a_tone_nobody_can_make_is_refused(pi, clock, frequency_hz):
    """lgpio's PWM ends at 10 kHz."""
    with pytest.raises(ValueError, match="50 to 10000 Hz"):
        Buzzer(18, clock=clock, max_on_ms=100, frequency_hz=frequency_hz)


def test_a_pull_that_does_not_exist_is_refused(pi, clock):
    """A typo never becomes a floating wire."""
    with pytest.raises(ValueError, match="up, down, none"):
        PinInput(22, clock=clock, pull="Up")


def test_a_pin_that_could_not_be_had_is_left_free(pi, clock):
    """A failed construction keeps nothing."""
    with pytest.raises(ValueError, match="pull"):
        PinInput(22, clock=clock, pull="sideways")

    assert PinInput(22, clock=clock).health().ok


# ------ the original RPi.GPIO ------


class OriginalGpio:
    """What the original RPi.GPIO 0.7.1 does where it differs from rpi-lgpio."""

    BOARD, BCM = 10, 11
    OUT, IN = 0, 1
    PUD_OFF, PUD_DOWN, PUD_UP = 20, 21, 22
    BOTH = 33

    def __init__(self, *, edges=True, setup_error=None):
        self.levels = {}
        self.callbacks = {}
        self.cleaned = []
        self.waves = []
        self._mode = None
        self._edges = edges
        self._setup_error = setup_error

    def getmode(self):
        return self._mode

    def setmode(self, mode):
        self._mode = mode

    def setup(self, channel, direction, pull_up_down=20, initial=None):
        if self._setup_error:
            raise RuntimeError(self._setup_error)
        self.levels.setdefault(channel, 0)

    def output(self, channel, level):
        self.levels[channel] = level

    def input(self, channel):
        return self.levels[channel]

    def add_event_detect(self, channel, edge, callback):
        if not self._edges:
            raise RuntimeError("Failed to add edge detection")
        self.callbacks[channel] = callback

    def remove_event_detect(self, channel):
        del self.callbacks[channel]

    def cleanup(self, channel):
        self.cleaned.append(channel)

    def PWM(self, channel, frequency_hz):
        """Return a wave; what becomes of it is in `waves`."""
        self.waves.append(OriginalWave(channel, frequency_hz))
        return self.waves[-1]

    def drive(self, channel, level):
        """Change the wire; the callback comes from another thread, and says only which pin."""
        self.levels[channel] = level
        if channel in self.callbacks:
            self.callbacks[channel](channel)


class OriginalWave:
    """The original's PWM object."""

    def __init__(self, channel, frequency_hz):
        self.did = [(channel, frequency_hz)]

    def start(self, duty_percent):
        self.did.append(("start", duty_percent))

    def stop(self):
        self.did.append("stop")


class TestPinInputOnTheOriginal(InputContract):
    """The original on a kernel before 6.6: callbacks without a level."""

    @pytest.fixture
    def rig(self, clock):
        """An input on GPIO 22."""
        gpio = OriginalGpio()
        beam = PinInput(22, clock=clock, gpio=gpio)

        def drive(level):
            if level != gpio.levels[22]:
                gpio.drive(22, int(level))

        return InputRig(beam, drive, clock.advance, clock.now_ms)


class TestPinOutputOnTheOriginal(OutputContract):
    """Outputs work on the original too."""

    @pytest.fixture
    def rig(self, clock):
        """Outputs on GPIO 17."""
        gpio = OriginalGpio()
        return OutputRig(
            make=lambda initial, safe: lamp(clock, initial=initial, safe=safe, gpio=gpio),
            level=lambda _output: bool(gpio.levels[17]),
            advance=clock.advance,
        )


def test_a_buzzer_on_the_original_is_its_pwm(clock):
    """Started with half of each period on, and ended by itself."""
    gpio = OriginalGpio()
    buzzer = Buzzer(18, clock=clock, max_on_ms=100, frequency_hz=2_000, gpio=gpio)
    buzzer.on()
    clock.advance(100)

    assert not buzzer.state
    assert [wave.did for wave in gpio.waves] == [[(18, 2_000), ("start", 50), "stop"]]
    assert gpio.levels[18] == 0


def test_where_edges_cannot_be_detected_they_are_polled_and_it_is_said(clock):
    """Kernel 6.6 broke the original: edges come at each look, and health says what to install."""
    gpio = OriginalGpio(edges=False)
    beam = PinInput(22, clock=clock, gpio=gpio, name="beam")
    gpio.drive(22, 1)
    clock.advance(7)

    assert beam.edges() == [Edge(True, 7)]
    assert beam.health().ok
    assert beam.health().detail.startswith("beam: edges are polled")
    assert "pip uninstall RPi.GPIO; pip install 'lendgate[pi]'" in beam.health().detail
    beam.close()
    assert gpio.cleaned == [22]


def test_an_edge_that_no_callback_told_of_is_found(clock):
    """A lost callback is believed after 20 ms, dated when it was first seen."""
    gpio = OriginalGpio()
    beam = PinInput(22, clock=clock, gpio=gpio)
    gpio.levels[22] = 1
    clock.advance(5)
    assert beam.edges() == []
    clock.advance(20)

    assert beam.edges() == [Edge(True, 5)]


def test_a_pulse_shorter_than_its_callbacks_delay_has_both_edges(clock):
    """Both callbacks come when the wire is low again; each still turns the level round."""
    gpio = OriginalGpio()
    beam = PinInput(22, clock=clock, gpio=gpio)
    gpio.callbacks[22](22)
    gpio.callbacks[22](22)

    assert [edge.level for edge in beam.edges()] == [True, False]


@pytest.mark.parametrize(
    ("vendor", "ours"),
    [
        ("Cannot determine SOC peripheral base address", "cannot drive a Raspberry Pi 5; pip un"),
        ("No access to /dev/mem.  Try running as root!", "to the group gpio"),
        ("something new", "GPIO 17: something new"),
    ],
)
def test_the_originals_errors_become_sentences(clock, vendor, ours):
    """A guard reads what to do, not what the C code could not find."""
    with pytest.raises(DeviceUnavailable, match="siren: ") as caught:
        lamp(clock, name="siren", gpio=OriginalGpio(setup_error=vendor))

    assert ours in str(caught.value)


def test_a_machine_without_the_module_says_what_to_install(clock, monkeypatch):
    """The import fails at the first pin, by name."""
    monkeypatch.setitem(sys.modules, "RPi", None)

    with pytest.raises(
        DeviceUnavailable, match=r"on a Raspberry Pi: pip install 'lendgate\[pi\]'"
    ):
        lamp(clock)


@pytest.mark.parametrize(
    ("installed", "is_said"),
    [
        ({"RPi.GPIO", "rpi-lgpio"}, True),
        ({"rpi-lgpio"}, False),
        ({"RPi.GPIO"}, False),
        ((), False),
    ],
)
def test_two_packages_of_one_name_are_found(installed, is_said):
    """pip installs both without a word, and then neither is whole."""
    said = two_owners_of_rpi(lambda name: name in installed)

    assert (said is not None) is is_said
    assert not is_said or "pip uninstall RPi.GPIO rpi-lgpio" in said


def test_this_environment_has_one_of_them():
    """The question is asked of what is really installed, if nothing else is given."""
    assert two_owners_of_rpi() is None
