"""The simulated board itself: lines, wires, power, and `lgpio` used without rpi-lgpio."""

import pytest

from sim.clock import VirtualClock
from sim.pi.board import PiError, SimPi

OUTPUT_FLAGS = 1 | 2 | 0x200
RISING, FALLING, BOTH = 1, 2, 3


@pytest.fixture
def pi():
    """A board with its modules in place."""
    with SimPi(VirtualClock()).installed() as board:
        yield board


@pytest.fixture
def lgpio(pi):
    """The board's `lgpio`."""
    import lgpio

    return lgpio


@pytest.fixture
def chip(lgpio):
    """A handle to the open gpiochip."""
    return lgpio.gpiochip_open(0)


class Part:
    """A chip with a reset and an interrupt pin."""

    irq_level = False

    def __init__(self):
        self.resets = []

    def transfer(self, data):
        """Answer with the bytes turned round."""
        return bytes(byte ^ 0xFF for byte in data)

    def reset_pin(self, level):
        """Be told the level of the reset pin."""
        self.resets.append(level)


def test_the_chip_and_its_lines_introduce_themselves(lgpio, chip):
    """As `gpiodetect` and `gpioinfo` would: 58 lines, and who has them."""
    lgpio.gpio_claim_output(chip, 17)

    assert lgpio.gpio_get_chip_info(chip) == [0, 58, "gpiochip0", "pinctrl-bcm2711"]
    assert lgpio.gpio_get_line_info(chip, 17) == [0, 17, 3, "GPIO17", "lg"]
    assert lgpio.gpio_get_line_info(chip, 18) == [0, 18, 1 << 16, "GPIO18", ""]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g, _h: g.gpiochip_open(3), (-78, "can not open gpiochip")),
        (lambda g, _h: g.gpiochip_open(-1), (-89, "bad gpiochip")),
        (lambda g, _h: g.gpio_read(9, 17), (-5, "unknown handle")),
        (lambda g, h: g.gpio_read(h, 58), (-73, "bad GPIO number")),
        (lambda g, h: g.gpio_free(h, 17), (-80, "GPIO not allocated")),
        (lambda g, h: g.gpio_claim_output(h, 8), (-79, "GPIO busy")),
        (lambda g, h: g.gpio_set_debounce_micros(h, 17, 5_000_001), (-98, "bad debounce micros")),
        (lambda g, h: g.gpio_set_watchdog_micros(h, 17, -1), (-99, "bad watchdog micros")),
        (lambda g, h: g.tx_pwm(h, 17, 10_001, 50), (-102, "bad PWM frequency")),
        (lambda g, h: g.tx_pwm(h, 17, 1_000, 101), (-103, "bad PWM dutycycle")),
        (lambda g, h: g.tx_pulse(h, 17, 5, 5), (-86, "bad PWM micros")),
        (lambda g, h: g.tx_busy(h, 17, 9), (-10, "bad tx type")),
        (lambda g, _h: g.spi_open(0, 1, 1_000_000), (-28, "can not open SPI device")),
        (lambda g, _h: g.i2c_open(1, 0x40), (-26, "can not open I2C device")),
        (lambda g, _h: g.serial_open("serial0", 9_600), (-27, "can not open serial device")),
        (lambda g, _h: g.gpiochip_close(7), (-5, "unknown handle")),
    ],
)
def test_errors_have_the_vendors_numbers_and_words(pi, lgpio, chip, call, told):
    """Raised as `lgpio.error`, or returned once a program has switched exceptions off."""
    number, text = told
    pi.enable_spi()
    with pytest.raises(lgpio.error, match=text):
        call(lgpio, chip)
    lgpio.exceptions = False

    assert call(lgpio, chip) == number
    assert lgpio.error_text(number).startswith(text)


def test_an_output_claimed_again_keeps_its_level(pi, lgpio, chip):
    """lgpio's habit that drivers stumble over: the second claim changes nothing."""
    lgpio.gpio_claim_output(chip, 17, 1)
    lgpio.gpio_claim_output(chip, 17, 0)

    assert pi.line(17).level is True
    assert lgpio.gpio_get_mode(chip, 17) == OUTPUT_FLAGS


def test_writing_to_a_free_line_claims_it(pi, lgpio, chip):
    """As reading does, as an input."""
    lgpio.gpio_write(chip, 17, 1)
    lgpio.gpio_read(chip, 22)

    assert [pi.line(n).mode for n in (17, 22)] == ["output", "input"]
    assert pi.line(17).level is True


def test_active_low_turns_the_value_round(pi, lgpio, chip):
    """The program writes 1, the wire is low; the same for what it reads."""
    lgpio.gpio_claim_output(chip, 17, 1, lgpio.SET_ACTIVE_LOW)
    lgpio.gpio_claim_input(chip, 22, lgpio.SET_ACTIVE_LOW | lgpio.SET_PULL_UP)

    assert pi.line(17).level is False
    assert lgpio.gpio_read(chip, 17) == 1
    assert lgpio.gpio_read(chip, 22) == 0


def test_an_open_drain_lets_the_wire_go(pi, lgpio, chip):
    """High means "not driven": another part, or a pull, decides."""
    lgpio.gpio_claim_output(chip, 17, 1, lgpio.SET_OPEN_DRAIN | lgpio.SET_PULL_UP)
    assert pi.line(17).level is True
    pi.line(17).drive(False)
    assert pi.line(17).level is False
    assert "short" not in str(pi.line(17).events)
    pi.line(17).drive(None)
    lgpio.gpio_write(chip, 17, 0)
    assert pi.line(17).level is False


def test_an_output_against_a_wire_is_a_short_circuit(pi, lgpio, chip):
    """The board cannot burn, but it tells."""
    lgpio.gpio_claim_output(chip, 17, 1)
    pi.line(17).drive(False)

    assert pi.line(17).level is True
    assert pi.line(17).events[-1] == (0, "short circuit: an output is driven from outside")


def test_edges_carry_the_boards_nanoseconds(pi, lgpio, chip):
    """A callback gets chip, line, level and when; cancelled it gets nothing."""
    seen = []
    lgpio.gpio_claim_alert(chip, 22, BOTH)
    callback = lgpio.callback(chip, 22, RISING, lambda *report: seen.append(report))
    tally = lgpio.callback(chip, 22)
    pi.plan(22, 3, True)
    pi.plan(22, 5, False)
    pi.advance(9)
    callback.cancel()
    pi.line(22).drive(True)

    assert seen == [(0, 22, 1, 3_000_000), (0, 22, 0, 5_000_000)]
    assert tally.tally() == 3
    tally.reset_tally()
    assert tally.tally() == 0


def test_a_debounced_edge_is_dated_when_it_became_stable(pi, lgpio, chip):
    """And with both edges watched, the same level is not told twice."""
    seen = []
    lgpio.gpio_claim_alert(chip, 22, BOTH)
    lgpio.gpio_set_debounce_micros(chip, 22, 4_000)
    lgpio.callback(chip, 22, BOTH, lambda *report: seen.append(report[2:]))
    for at_ms, level in [(1, True), (10, False), (12, True), (30, False)]:
        pi.plan(22, at_ms, level)
    pi.advance(50)

    assert seen == [(1, 5_000_000), (0, 34_000_000)]


def test_a_debounce_stays_with_the_line(pi, lgpio, chip):
    """Freeing and claiming again does not end it; closing the chip does."""
    lgpio.gpio_claim_alert(chip, 22, BOTH)
    lgpio.gpio_set_debounce_micros(chip, 22, 4_000)
    lgpio.gpio_free(chip, 22)
    lgpio.gpio_claim_alert(chip, 22, BOTH)
    assert pi.alerts[22].debounce_ns == 4_000_000
    lgpio.gpiochip_close(chip)
    lgpio.gpio_claim_alert(lgpio.gpiochip_open(0), 22, BOTH)
    assert pi.alerts[22].debounce_ns == 0


def test_a_watchdog_barks_once(pi, lgpio, chip):
    """Level 2 after that long without a report, then silence until the next edge."""
    seen = []
    lgpio.gpio_claim_alert(chip, 22, BOTH)
    lgpio.gpio_set_watchdog_micros(chip, 22, 10_000)
    lgpio.callback(chip, 22, BOTH, lambda *report: seen.append((report[2], pi.clock.now_ms())))
    pi.plan(22, 2, True)
    pi.advance(100)

    assert seen == [(1, 2), (2, 12)]


def test_a_callback_may_use_the_pins(pi, lgpio, chip):
    """What it causes is told after it returns, in order."""
    order = []

    def press(_chip, _gpio, level, _at_ns):
        order.append(("button", level))
        lgpio.gpio_write(chip, 17, level)
        pi.line(23).drive(bool(level))
        order.append("written")

    lgpio.gpio_claim_alert(chip, 22, BOTH)
    lgpio.gpio_claim_alert(chip, 23, BOTH)
    lgpio.callback(chip, 22, BOTH, press)
    lgpio.callback(chip, 23, BOTH, lambda *report: order.append(("beam", report[2])))
    pi.line(22).drive(True)

    assert order == [("button", 1), "written", ("beam", 1)]


def test_counted_pulses_end_by_themselves(pi, lgpio, chip):
    """Three pulses of 2 ms in 6 ms; then the line is low and not busy."""
    lgpio.tx_pulse(chip, 17, 1_000, 1_000, 0, 3)
    assert (lgpio.tx_busy(chip, 17, lgpio.TX_PWM), lgpio.tx_room(chip, 17, lgpio.TX_PWM)) == (1, 9)
    assert pi.line(17).level is True
    pi.advance(6)

    assert lgpio.tx_busy(chip, 17, lgpio.TX_PWM) == 0
    assert pi.line(17).level is False


def test_what_is_not_modelled_is_refused_loudly(lgpio, chip):
    """A stub that does nothing would let a driver pass that fails on a board."""
    with pytest.raises(NotImplementedError, match="notification pipes"):
        lgpio.gpio_claim_alert(chip, 22, BOTH, 0, 5)
    assert not hasattr(lgpio, "tx_wave")


def test_a_reader_is_wired_as_its_leaflet_says(pi, lgpio, chip):
    """Reset on GPIO 25 with the breakout's pull-up, the interrupt where asked, SPI 0.0."""
    part = Part()
    pi.wire_mfrc522(part, irq_gpio=24)
    lgpio.gpio_claim_output(chip, 25, 0)
    lgpio.gpio_write(chip, 25, 1)
    part.irq_level = True

    assert part.resets == [True, False, True]
    assert lgpio.gpio_read(chip, 24) == 1
    handle = lgpio.spi_open(0, 0, 1_000_000)
    assert lgpio.spi_xfer(handle, b"\x92\x00") == (2, bytearray(b"\x6d\xff"))
    assert lgpio.spi_close(handle) == 0


def test_an_interrupt_is_an_edge(pi, lgpio, chip):
    """A part that raises its pin while time passes is heard without being asked."""
    part = Part()
    seen = []
    pi.wire_mfrc522(part, irq_gpio=24)
    lgpio.gpio_claim_alert(chip, 24, RISING)
    lgpio.callback(chip, 24, RISING, lambda *report: seen.append(report[2]))
    part.irq_level = True
    pi.advance(1)

    assert seen == [1]


def test_a_power_cut_makes_every_line_nobodys(pi, lgpio, chip):
    """Outputs drop to the chip's own pulls, and old handles are unknown."""
    pi.wire_mfrc522(Part())
    lgpio.gpio_claim_output(chip, 17, 1, lgpio.SET_PULL_UP)
    pi.power_cut()

    assert (pi.line(17).owner, pi.line(17).pull, pi.line(17).level) == (None, "down", False)
    assert pi.line(8).owner == "spi0 CS0"
    with pytest.raises(lgpio.error, match="unknown handle"):
        lgpio.gpio_write(chip, 17, 1)


def test_history_tells_every_change_with_its_time(pi, lgpio, chip):
    """What a logic analyser would show, and who claimed what."""
    lgpio.gpio_claim_output(chip, 17, 0)
    pi.advance(5)
    lgpio.gpio_write(chip, 17, 1)
    pi.advance(5)
    lgpio.gpio_write(chip, 17, 1)
    lgpio.gpio_write(chip, 17, 0)

    assert list(pi.line(17).history) == [(5, True), (10, False)]
    assert list(pi.line(17).events) == [(0, "claimed as output by lg, pull down")]


@pytest.mark.parametrize("gpio", [-1, 58])
def test_a_line_the_board_does_not_have_is_refused(pi, gpio):
    """Typing errors in a scenario have a name."""
    with pytest.raises(PiError, match="0 to 57"):
        pi.line(gpio)
