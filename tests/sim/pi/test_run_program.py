"""A program of anybody's runs on the simulated Pi unchanged, and sees the tags that were named."""

import pytest
from click.testing import CliRunner

from sim.pi.__main__ import main

PROGRAM = """\
import sys
from mfrc522 import MFRC522

reader = MFRC522()
status, _ = reader.MFRC522_Request(reader.PICC_REQIDL)
status, uid = reader.MFRC522_Anticoll()
print("arguments", sys.argv[1:])
print("uid", bytes(uid).hex())
"""


def run(tmp_path, *arguments, program=PROGRAM):
    path = tmp_path / "program.py"
    path.write_text(program)
    return CliRunner().invoke(main, [*arguments[:-1], str(path), *arguments[-1:]])


@pytest.mark.parametrize("time", ["--virtual", "--collpos=uid"])
def test_an_unmodified_driver_reads_the_named_tag(tmp_path, time):
    """The package mfrc522, on rpi-lgpio, on the board: uid and check byte of the tag on it."""
    told = run(tmp_path, time, "--tag", "mifare-classic-1k:deadbeef", "hello")

    assert told.exit_code == 0, told.output
    assert told.output.splitlines()[:2] == ["arguments ['hello']", "uid deadbeef22"]


def test_the_trace_tells_what_was_on_the_bus_and_in_the_air(tmp_path):
    """At the end the registers that were written and the frames that were heard, in words."""
    told = run(tmp_path, "--virtual", "--trace", "--tag", "mifare-classic-1k:deadbeef", "")

    assert "transfers on the bus" in told.output
    assert "write CommandReg Transceive" in told.output
    assert "air: reader: REQA" in told.output
    assert "air: deadbeef:" in told.output


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ("ntag213", "write MODEL:UID"),
        ("sesame:04a1b2c3d4e580", "models: ntag213"),
        ("ntag213:88a1b2c3", "88a1b2c3"),
        ("ntag213:zz", "zz"),
    ],
)
def test_a_tag_that_cannot_be_is_refused(tmp_path, tag, says):
    """A wrong model or uid is named before the program runs."""
    told = run(tmp_path, "--tag", tag, "")

    assert told.exit_code == 2
    assert says in told.output
    assert "arguments" not in told.output


def test_what_the_program_does_wrong_is_its_own(tmp_path):
    """An exception of the program is its own, and the board is taken away after it."""
    told = run(tmp_path, "--virtual", "", program="import spidev\nraise KeyError('mine')\n")
    again = run(tmp_path, "--virtual", "", program="import RPi.GPIO as GPIO\nprint(GPIO.BCM)\n")

    assert isinstance(told.exception, KeyError)
    assert (again.exit_code, again.output) == (0, "11\n")


def test_what_stands_behind_the_program_is_its_own(tmp_path):
    """Also options that the simulator knows."""
    path = tmp_path / "program.py"
    path.write_text("import sys; print(sys.argv[1:])")

    told = CliRunner().invoke(main, [str(path), "-h", "--tag", "x", "--trace"])

    assert told.output == "['-h', '--tag', 'x', '--trace']\n"


def test_an_option_that_nobody_has_is_refused(tmp_path):
    """It is not taken for the program."""
    told = CliRunner().invoke(main, ["--traec", str(tmp_path / "program.py")])

    assert told.exit_code == 2
    assert "--traec" in told.output
