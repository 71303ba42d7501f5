"""The commands without radio: CalcCRC, Mem, GenerateRandomID, the self test, idle ones."""

import pytest

from sim.mfrc522.frames import crc_a
from tests.sim.mfrc522.host import (
    AUTO_TEST,
    COM_IRQ,
    COMMAND,
    CRC,
    DIV_IRQ,
    FIFO,
    IDLE,
    LEVEL,
    MEM,
    MODE,
    RANDOM,
    RESET,
    STATUS1,
    Host,
)

IDLE_IRQ, CRC_IRQ = 0x10, 0x04

# MFRC522 data sheet, 16.1.1, as printed for both versions.
SELF_TEST_1_0 = """
00 c6 37 d5 32 b7 57 5c c2 d8 7c 4d d9 70 c7 73 10 e6 d2 aa 5e a1 3e 5a 14 af 30 61 c9 70 db 2e
64 22 72 b5 bd 65 f4 ec 22 bc d3 72 35 cd aa 41 1f a7 f3 53 14 de 7e 02 d9 0f b5 5e 25 1d 29 79
"""
SELF_TEST_2_0 = """
00 eb 66 ba 57 bf 23 95 d0 e3 0d 3d 27 89 5c de 9d 3b a7 00 21 5b 89 82 51 3a eb 02 0c a5 00 49
7c 84 4d b3 cc d2 1b 81 5d 48 76 d5 71 61 21 a9 86 96 83 38 cf 9d 5b 6d dc 15 ba 3e 7d 95 3b 2f
"""


@pytest.fixture
def host():
    return Host()


def calculate(host, data, *, mode=0x3D):
    host.write(MODE, mode)
    host.write(COMMAND, IDLE)
    host.write(DIV_IRQ, CRC_IRQ)
    host.write(LEVEL, 0x80)
    host.write(FIFO, *data)
    host.write(COMMAND, CRC)
    host.wait_for(DIV_IRQ, CRC_IRQ)
    return bytes((host.read(0x22), host.read(0x21)))


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        ("0000", "a01e"),  # ISO 14443-3, annex B, example 1
        ("1234", "26cf"),  # example 2
        ("5000", "57cd"),  # HLTA as it is on every air
    ],
)
def test_crc_a_is_that_of_the_standard(host, data, crc):
    """Preset 6363, low byte in CRCResultRegL; the chip and the tags agree."""
    assert calculate(host, bytes.fromhex(data)).hex() == crc
    assert crc_a(bytes.fromhex(data)).hex() == crc


@pytest.mark.parametrize(("preset", "crc"), [(0, 0x2189), (1, 0xBF05), (3, 0x6F91)])
def test_the_preset_is_chosen_in_the_mode_register(host, preset, crc):
    """CRC-16 of "123456789" by its published parameters: KERMIT, A, and MCRF4XX."""
    assert int.from_bytes(calculate(host, b"123456789", mode=0x3C | preset), "little") == crc


def test_of_nothing_the_crc_is_its_preset(host):
    """The four presets of table 54, the one without a published check value too."""
    presets = [calculate(host, b"", mode=0x3C | preset)[::-1].hex() for preset in range(4)]

    assert presets == ["0000", "6363", "a671", "ffff"]


def test_the_most_significant_bit_first_is_the_other_crc(host):
    """MSBFirst: 29B1 of CRC-16/CCITT-FALSE, and the result's bits the other way round."""
    result = int.from_bytes(calculate(host, b"123456789", mode=0xBF), "little")

    assert int(f"{result:016b}"[::-1], 2) == 0x29B1


def test_bytes_written_later_join_the_calculation(host):
    """CalcCRC does not end when the FIFO is empty; only another command ends it."""
    calculate(host, b"\x12")
    host.write(DIV_IRQ, CRC_IRQ)
    host.write(FIFO, 0x34)
    host.wait_for(DIV_IRQ, CRC_IRQ)

    assert (host.read(0x22), host.read(0x21)) == (0x26, 0xCF)
    assert host.read(COMMAND) & 0x0F == CRC


def test_a_right_crc_leaves_zero_and_says_ok(host):
    """CRCOk: data with its CRC runs out at 0000."""
    calculate(host, b"\x12\x34\x26\xcf")
    assert host.read(STATUS1) & 0x60 == 0x60

    calculate(host, b"\x12\x34\x26\xce")
    assert host.read(STATUS1) & 0x60 == 0x20


def test_mem_moves_25_bytes_both_ways(host):
    """Into the internal buffer when the FIFO holds bytes, out of it when it is empty."""
    host.write(FIFO, *range(25))
    host.write(COM_IRQ, IDLE_IRQ)
    host.write(COMMAND, MEM)
    host.wait_for(COM_IRQ, IDLE_IRQ)
    assert host.read(LEVEL) == 0

    host.write(COMMAND, MEM)
    host.wait_for(STATUS1, 0x20)

    assert host.read_fifo() == bytes(range(25))
    assert host.read(COMMAND) & 0x0F == IDLE


def test_a_random_id_overwrites_ten_bytes_of_the_buffer(host):
    """GenerateRandomID writes bytes 0 to 9; the other fifteen stay."""
    host.write(FIFO, *range(25))
    host.write(COMMAND, MEM)
    host.write(COM_IRQ, IDLE_IRQ)
    host.write(COMMAND, RANDOM)
    host.wait_for(COM_IRQ, IDLE_IRQ)
    host.write(COMMAND, MEM)
    host.wait_for(LEVEL, 0x7F)
    buffer = host.read_fifo()

    assert buffer[10:] == bytes(range(10, 25))
    assert buffer[:10] not in (bytes(range(10)), bytes(10))


@pytest.mark.parametrize("command", [0x5, 0x6, 0x9, 0xA, 0xB, 0xD])
def test_an_unknown_command_goes_idle_and_says_so(host, command):
    """Data sheet table 28: IdleIRq also when an unknown command was started."""
    host.write(COM_IRQ, 0x7F)
    host.write(COMMAND, command)

    assert host.read(COMMAND) & 0x0F == IDLE
    assert host.read(COM_IRQ) & IDLE_IRQ


def test_the_host_going_idle_is_no_event(host):
    """Starting Idle does not set IdleIRq."""
    host.write(COM_IRQ, 0x7F)
    host.write(COMMAND, IDLE)

    assert host.read(COM_IRQ) & IDLE_IRQ == 0


def test_no_command_change_leaves_the_command_running(host):
    """07h changes RcvOff and PowerDown alone."""
    host.write(COMMAND, CRC)
    host.write(COMMAND, 0x27)

    assert host.read(COMMAND) == 0x20 | CRC


def self_test(host, buffer=bytes(25)):
    """Data sheet 16.1.1, step by step."""
    host.write(COMMAND, RESET)
    host.write(FIFO, *buffer)
    host.write(COMMAND, MEM)
    host.wait_for(COM_IRQ, IDLE_IRQ)
    host.write(AUTO_TEST, 0x09)
    host.write(FIFO, 0x00)
    host.write(COMMAND, CRC)
    host.wait_for(DIV_IRQ, CRC_IRQ)
    host.write(COMMAND, IDLE)
    result = host.read_fifo()
    host.write(AUTO_TEST, 0x00)
    return result


@pytest.mark.parametrize(
    ("version", "bytes_printed"), [(0x91, SELF_TEST_1_0), (0x92, SELF_TEST_2_0)]
)
def test_the_self_test_gives_the_bytes_of_the_data_sheet(version, bytes_printed):
    """64 bytes for each version of the chip, and crc calculation as usual afterwards."""
    host = Host(version=version)

    assert self_test(host) == bytes.fromhex(bytes_printed)
    assert calculate(host, b"\x00\x00") == b"\xa0\x1e"


def test_a_self_test_without_a_blank_buffer_fails():
    """The procedure's zeros are part of it; and a clone of unknown make has other bytes."""
    assert self_test(Host(), bytes(24) + b"\x01") != bytes.fromhex(SELF_TEST_2_0)
    assert self_test(Host(version=0x12)) != bytes.fromhex(SELF_TEST_2_0)
