"""The stand-in for spidev does what the extension module does, oddities included."""

import errno

import pytest

from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.pi.board import SimPi

READ_VERSION = 0xEE


@pytest.fixture
def pi():
    board = SimPi(VirtualClock())
    board.wire_mfrc522(SimMfrc522(board.clock))
    return board


@pytest.fixture
def spidev(pi):
    with pi.installed():
        import spidev

        yield spidev


@pytest.fixture
def spi(spidev):
    with spidev.SpiDev(0, 0) as device:
        device.max_speed_hz = 1_000_000
        yield device


def test_a_register_is_read_through_the_bus(spi):
    """The chip's version comes back in the second byte."""
    assert spi.xfer2([READ_VERSION, 0]) == [0, 0x92]


def test_a_device_that_is_not_there_is_no_file(spidev):
    """Without a chip on that bus there is no node under /dev."""
    with pytest.raises(FileNotFoundError):
        spidev.SpiDev().open(0, 1)
    with pytest.raises(FileNotFoundError):
        spidev.SpiDev().open_path("/dev/spidev3.0")


def test_what_was_not_opened_is_a_bad_descriptor(spidev):
    """The kernel refuses descriptor -1, before open and after close."""
    device = spidev.SpiDev()

    with pytest.raises(OSError, match="Bad file descriptor") as refused:
        device.xfer2([READ_VERSION, 0])
    assert refused.value.errno == errno.EBADF
    device.open_path("/dev/spidev0.0")
    device.close()
    device.close()
    assert device.fileno() == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        device.max_speed_hz = 1_000_000


def test_the_list_given_holds_the_answer(spi):
    """xfer2 writes into its argument; a tuple gives a tuple, bytes a list, xfer3 a tuple."""
    values = [READ_VERSION, 0]

    assert spi.xfer2(values) is values
    assert values == [0, 0x92]
    assert spi.xfer((READ_VERSION, 0)) == (0, 0x92)
    assert spi.xfer2(bytes((READ_VERSION, 0))) == [0, 0x92]
    assert spi.xfer3([READ_VERSION, 0]) == (0, 0x92)


def test_values_are_cut_to_eight_bits(spi):
    """Drivers pass ~mask: a negative number is its lowest byte."""
    spi.writebytes([0x0B << 1, ~0x08])

    assert spi.xfer2([0x0B << 1 | 0x80, 0])[1] == 0x37


@pytest.mark.parametrize("values", [[], (), b"", 5, None, ["a"], [1.5], [None]])
def test_what_are_no_bytes_is_a_type_error(spi, values):
    """Empty, no sequence, or something else in it than integers."""
    with pytest.raises(TypeError):
        spi.xfer2(values)


def test_too_much_at_once_overflows(spi):
    """4,096 bytes is what one transfer holds; xfer3 and writebytes2 cut."""
    assert len(spi.xfer2([0] * 4096)) == 4096
    with pytest.raises(OverflowError):
        spi.xfer2([0] * 4097)
    with pytest.raises(OverflowError):
        spi.writebytes([0] * 4097)
    assert len(spi.xfer3([0] * 5000)) == 5000


def test_reading_gives_at_least_a_byte(spi):
    """readbytes shifts zeros out: a write of nothing to a reserved register."""
    assert len(spi.readbytes(3)) == 3
    assert len(spi.readbytes(0)) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", 4),
        ("mode", "0"),
        ("bits_per_word", 7),
        ("bits_per_word", 33),
        ("max_speed_hz", 1e6),
        ("lsbfirst", 1),
        ("cshigh", None),
    ],
)
def test_a_wrong_attribute_is_a_type_error(spi, name, value):
    """As the extension module has it; nothing changes."""
    before = getattr(spi, name)

    with pytest.raises(TypeError):
        setattr(spi, name, value)
    assert getattr(spi, name) == before


@pytest.mark.parametrize(("name", "value"), [("lsbfirst", True), ("bits_per_word", 16)])
def test_what_a_pi_cannot_do_is_refused_by_the_kernel(spi, name, value):
    """The Pi's SPI sends the highest bit first, eight at a time."""
    with pytest.raises(OSError, match="Invalid argument") as refused:
        setattr(spi, name, value)
    assert refused.value.errno == errno.EINVAL


def test_an_unknown_attribute_is_refused(spi):
    """A misspelt attribute is an error, as on any extension type."""
    with pytest.raises(AttributeError):
        spi.max_speed = 1_000_000


def test_a_program_that_sets_no_speed_is_understood(spidev):
    """The mercy of a simulator: the attribute says 125 MHz as on a Pi, the chip hears 10."""
    with spidev.SpiDev(0, 0) as device:
        assert device.max_speed_hz == 125_000_000
        assert device.xfer2([READ_VERSION, 0])[1] == 0x92


@pytest.mark.parametrize(("name", "value"), [("mode", 3), ("max_speed_hz", 20_000_000)])
def test_a_chip_that_cannot_follow_answers_garbage(spi, name, value):
    """Mode 3, or twice the speed the chip can follow: the version is not read."""
    setattr(spi, name, value)

    assert spi.xfer2([READ_VERSION, 0])[1] != 0x92


def test_a_slower_bus_takes_longer(pi, spi):
    """The speed on the wire is the chip's time."""
    spi.max_speed_hz = 10_000
    before_ms = pi.clock.now_ms()
    spi.xfer2([READ_VERSION] * 9 + [0])

    assert pi.clock.now_ms() - before_ms == 8
