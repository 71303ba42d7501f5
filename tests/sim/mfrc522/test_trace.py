"""The bus and the air in words a person can read."""

import pytest

from hardware.ports import MIFARE_CLASSIC, NTAG
from sim.mfrc522.chip import Transfer
from sim.mfrc522.trace import describe, describe_air
from sim.tags import SimTag
from tests.sim.mfrc522.host import REQA, Host


@pytest.mark.parametrize(
    ("sent", "got", "words"),
    [
        ("020c", "0000", "write CommandReg Transceive"),
        ("020f", "0000", "write CommandReg SoftReset"),
        ("0225", "0000", "write CommandReg unknown 5 RcvOff"),
        ("0217", "0000", "write CommandReg NoCmdChange PowerDown"),
        ("087f", "0000", None),
        ("1a87", "0000", "write BitFramingReg 87 StartSend"),
        ("129320", "000000", "write FIFODataReg 93 20"),
        ("8800", "0045", "read ComIrqReg 45 TimerIRq LoAlertIRq TxIRq"),
        ("8c00", "0008", "read ErrorReg 08 CollErr"),
        ("92929200", "00aabbcc", "read FIFODataReg aa bb cc"),
        (
            "888c9400",
            "00640002",
            "read ComIrqReg 64 LoAlertIRq RxIRq TxIRq, ErrorReg 00, FIFOLevelReg 02",
        ),
        ("ee00", "0092", "read VersionReg 92"),
        ("ee", "00", "nothing: ee"),
    ],
)
def test_a_transfer_is_said_in_words(sent, got, words):
    """Registers by name, commands by name, bits by name; a burst of one register as one."""
    said = describe(Transfer(0, bytes.fromhex(sent), bytes.fromhex(got)))

    assert said == words or (words is None and said.startswith("write ComIrqReg 7f TimerIRq"))


def test_the_air_is_said_in_words():
    """Who said what, and how many bits collided, parity bits among them."""
    host = Host().start_radio()
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    host.field.put(SimTag("deadbeef", technology=MIFARE_CLASSIC))
    host.exchange(REQA, bits=7)
    host.exchange(b"\x93\x20")
    host.restart_field()
    host.select("deadbeef")
    host.authenticate(0x60, 4, b"\xff" * 6, bytes.fromhex("deadbeef"))
    host.ask(0x30, 0x04)

    said = [describe_air(entry) for entry in host.field.air]

    assert said == [
        "reader: REQA",
        "04a1b2c3d4e580+deadbeef: 44 00, 2 bits collided",
        "reader: ANTICOLLISION CL1 20",
        "04a1b2c3d4e580+deadbeef: de ad bf ff bf, 26 bits collided",
        "reader: WUPA",
        "04a1b2c3d4e580+deadbeef: 44 00, 2 bits collided",
        "reader: SELECT CL1 deadbeef22",
        "deadbeef: 08 b6 dd",
        "reader: AUTH A 04",
        "deadbeef: 01 02 03 04",
        "reader: 36 encrypted bits",
        "deadbeef: 162 encrypted bits",
    ]


def test_answers_of_four_bits_have_names():
    """ACK and NAK, partial frames with their bits."""
    host = Host().start_radio()
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    host.select("04a1b2c3d4e580")
    host.ask(0xA2, 0x04, 1, 2, 3, 4)
    host.ask(0x30, 0xF0)
    host.exchange(REQA, bits=7)
    host.exchange(b"\x93\x23\x00", bits=3, align=3)

    said = [describe_air(entry) for entry in host.field.air]

    assert "04a1b2c3d4e580: ACK" in said
    assert "04a1b2c3d4e580: NAK 0" in said
    assert "reader: WRITE 04 01 02 03 04" in said
    assert "reader: ANTICOLLISION CL1 23 and 3 bits 000" in said


def test_the_history_of_the_bus_has_an_end():
    """It keeps the last 10,000 transfers, with the time each ended."""
    host = Host()
    for _ in range(10_050):
        host.chip.transfer(b"\xee\x00")

    assert len(host.chip.history) == 10_000
    assert host.chip.history[-1] == Transfer(261_300_000, b"\xee\x00", b"\x00\x92")
