"""Registers and the SPI interface, as the data sheet's chapters 8.1.2 and 9 have them."""

import pytest

from tests.sim.mfrc522.host import COM_IRQ, COMMAND, RESET, VERSION, Host

# Data sheet, tables 20 to 149, the row "reset"; x counts as 0, but in TestADCReg (3Bh) as a real
# chip says. FIFODataReg (09h) is read from an empty buffer, TCounterValReg (2Eh, 2Fh) from a timer
# that never ran.
RESET_VALUES = bytes.fromhex(
    "00 20 80 00 14 00 00 21 00 00 00 08 10 00 a0 00"
    "00 3f 00 00 80 00 10 84 84 4d 00 00 62 00 00 eb"
    "00 ff ff 88 26 87 48 88 20 20 00 00 00 00 00 00"
    "00 00 00 80 00 00 40 92 00 00 00 88 ff 00 03 00"
)

# Printed by a program on a PIC that had set up a real chip as Arduino sketches do and not sent a
# frame (picbasic.co.uk forum, thread 19596): registers 01 to 3F.
REAL_CHIP = bytes.fromhex(
    "   20 80 00 15 00 00 21 00 00 00 08 10 00 a0 00"
    "00 3d 00 00 83 40 10 84 84 4d 00 00 62 00 00 eb"
    "00 ff ff 88 26 87 48 88 20 20 8d a9 00 e8 00 00"
    "00 00 00 80 00 00 40 92 00 00 00 88 ff 00 03 00"
)

# What can be read back after 00 and after FF were written, where that is more than a reset value:
# address, the bits that hold both.
WRITABLE = {
    0x02: 0xFF,
    0x03: 0x94,
    0x0B: 0x3F,
    0x0D: 0x77,
    0x0E: 0x80,
    0x11: 0xAB,
    0x12: 0xF8,
    0x13: 0xFC,
    0x14: 0xFB,
    0x15: 0x40,
    0x16: 0x3F,
    0x17: 0xFF,
    0x18: 0xF7,
    0x19: 0xFF,
    0x1C: 0x03,
    0x1D: 0x10,
    0x1F: 0xFF,
    0x24: 0xFF,
    0x26: 0x70,
    0x27: 0xFF,
    0x28: 0x3F,
    0x29: 0x3F,
    0x2A: 0xFF,
    0x2B: 0xFF,
    0x2C: 0xFF,
    0x2D: 0xFF,
    0x31: 0x07,
    0x32: 0xFF,
    0x33: 0xFE,
    0x34: 0xFE,
    0x36: 0x4F,
    0x38: 0xFF,
    0x39: 0x3F,
    0x3A: 0x3F,
}
READ_ONLY = [0x00, 0x06, 0x07, 0x0F, 0x10, 0x1A, 0x1B, 0x1E, 0x20, 0x21, 0x22, 0x23, 0x25]
READ_ONLY += [0x2E, 0x2F, 0x30, 0x35, 0x37, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F]


@pytest.fixture
def host():
    return Host()


def all_registers(host):
    """Read all 64 in one burst; the FIFO's register comes along and is empty."""
    addresses = bytes(address << 1 | 0x80 for address in range(64))
    return host.chip.transfer(addresses + b"\x00")[1:]


def test_every_register_starts_with_the_value_of_the_data_sheet(host):
    """Power on: 64 literal values."""
    assert all_registers(host).hex(" ") == RESET_VALUES.hex(" ")


def test_a_real_chip_says_the_same_after_the_same_settings(host):
    """A dump from the field, bit for bit, the interrupt of the timer with it."""
    settings = {0x2A: 0x8D, 0x2B: 0xA9, 0x2C: 0x00, 0x2D: 0xE8, 0x15: 0x40, 0x11: 0x3D, 0x14: 0x83}
    for address, value in settings.items():
        host.write(address, value)
    host.clock.advance(500)

    assert all_registers(host)[1:].hex(" ") == REAL_CHIP.hex(" ")


@pytest.mark.parametrize("address", sorted(WRITABLE))
def test_only_the_bits_of_the_data_sheet_are_writable(host, address):
    """Reserved and read-only bits keep their value, whatever is written."""
    host.write(address, 0x00)
    cleared = host.read(address)
    host.write(address, 0xFF)
    filled = host.read(address)

    assert cleared ^ filled == WRITABLE[address]
    assert cleared & ~WRITABLE[address] == RESET_VALUES[address] & ~WRITABLE[address]


@pytest.mark.parametrize("address", READ_ONLY)
def test_a_read_only_register_ignores_writing(host, address):
    """Status, results, version and reserved registers are not for the host to write."""
    host.write(address, 0xFF if RESET_VALUES[address] != 0xFF else 0x00)

    assert host.read(address) == RESET_VALUES[address]


@pytest.mark.parametrize("address", [0x04, 0x05, 0x0A, 0x0C, 0x0D])
def test_a_write_only_bit_reads_as_zero(host, address):
    """Set1, Set2, FlushBuffer, TStopNow and StartSend do something and are not stored."""
    host.write(address, 0x80)

    assert host.read(address) & 0x80 == 0x00


def test_soft_reset_brings_every_register_back(host):
    """SoftReset: the values of power-on, the idle interrupt among them."""
    for address in WRITABLE:
        host.write(address, 0xFF)
    host.write(COMMAND, RESET)

    assert all_registers(host).hex(" ") == RESET_VALUES.hex(" ")


def test_a_write_goes_byte_by_byte_to_one_address(host):
    """The first byte names the register; every further byte is written to it."""
    host.write(0x09, 1, 2, 3)

    assert host.read(0x0A) == 3


def test_in_a_read_every_byte_is_the_next_address(host):
    """Data sheet table 6: MISO lags one byte behind, and the last byte out is 00."""
    got = host.chip.transfer(bytes((0xEE, 0x82, 0xEE, 0x00)))

    assert got == bytes((0x00, 0x92, 0x20, 0x92))


def test_reading_the_fifo_in_a_burst_takes_a_byte_each(host):
    """92 92 92 00 reads three bytes, and takes no fourth."""
    host.write(0x09, 0x11, 0x22, 0x33, 0x44)

    assert host.chip.transfer(b"\x92\x92\x92\x00") == b"\x00\x11\x22\x33"
    assert host.read(0x0A) == 1


def test_a_negative_value_is_its_lowest_byte(host):
    """Hosts write ~mask: the bus carries eight bits."""
    host.chip.transfer(bytes((0x0B << 1, ~0x08 & 0xFF)))

    assert host.read(0x0B) == 0x37


@pytest.mark.parametrize("data", [b"", b"\xee", b"\x02"])
def test_a_transfer_without_data_does_nothing(host, data):
    """An address alone reads and writes nothing; as many bytes come back as went out."""
    assert len(host.chip.transfer(data)) == len(data)
    assert host.read(COM_IRQ) == 0x14


@pytest.mark.parametrize("version", [0x88, 0x90, 0x91, 0x92, 0x12, 0xB2])
def test_a_clone_says_another_version(version):
    """The version register is all that tells a clone on the bus."""
    assert Host(version=version).read(VERSION) == version


def test_two_chips_with_the_same_seed_are_the_same():
    """Chance comes from the seed alone."""
    outcomes = []
    for _ in range(2):
        host = Host(seed=7)
        host.write(COMMAND, 0x02)
        host.wait_for(COM_IRQ, 0x10)
        host.write(COMMAND, 0x01)
        host.wait_for(COM_IRQ, 0x10)
        outcomes.append(host.read_fifo())

    assert outcomes[0] == outcomes[1]
    assert outcomes[0] != bytes(25)
