"""The console of a simulated device: a hand made of words, and the program around it."""

import os
import socket
import subprocess
import sys

import pytest
import serial
from click.testing import CliRunner

from sim.clock import VirtualClock
from sim.serial.__main__ import main
from sim.serial.console import KINDS, Console, new_device
from tests.sim.serial.wire import BOOK, ask_3m

PROBE = bytes.fromhex("d500050400118c66")
PROBE_ANSWER = bytes.fromhex("d500090400110a0500027250")


@pytest.fixture
def pad():
    return new_device("pad_3m", VirtualClock())


def test_a_tag_is_placed_and_lifted_by_words(pad):
    """With a number and a security state it is a book of this library."""
    console = Console(pad)

    assert console.obey(f"place {BOOK} 30000000001 in_stock") == f"{BOOK} lies there"
    assert ask_3m(pad, "fe0705") == "fe00070501" + BOOK
    assert pad.field.get(BOOK).content.pii == "30000000001"
    console.obey(f"lift {BOOK}")
    assert ask_3m(pad, "fe0005") == "fe00000500"


def test_faults_and_the_plug_are_words_too(pad):
    """`fail slow slow_ms=300`, `mend`, `unplug`, `plug`."""
    console = Console(pad)

    console.obey("fail slow slow_ms=300")
    assert pad.slow_ms == 300
    console.obey("fail intermittent share=0.5 seed=3")
    assert pad.fault_options == {"share": 0.5, "seed": 3}
    console.obey("mend")
    assert pad.fault is None
    console.obey("unplug")
    assert not pad.plugged
    console.obey("plug")
    assert pad.plugged


def test_a_pulled_tag_and_a_weak_field_are_words_too(pad):
    """`pull UID n` and `weaken share`."""
    console = Console(pad)
    console.obey(f"place {BOOK}")
    console.obey(f"pull {BOOK} 1")

    assert ask_3m(pad, f"09{BOOK}07") == f"0900{BOOK}"
    assert ask_3m(pad, f"0a{BOOK}") == f"0a06{BOOK}"
    console.obey(f"place {BOOK}")
    console.obey("weaken 1")
    assert ask_3m(pad, "fe0005") == "fe00000500"


def test_a_label_is_scanned_with_its_blanks():
    """Everything after the verb is the label."""
    scanner = new_device("scanner", VirtualClock())
    Console(scanner).obey("scan QA 268 L55")

    assert scanner.take() == b"QA 268 L55\r"


def test_a_printers_paper_is_torn_off_by_a_word():
    """Slips since the last time; then there is none."""
    printer = new_device("printer", VirtualClock())
    printer.receive(b"Momo\ndue 3 May\n\x1dV\x00" + b"Die Welle\n\x1dV\x00")
    console = Console(printer)

    assert console.obey("paper") == "Momo\ndue 3 May\n- - -\nDie Welle"
    assert console.obey("paper") == "no slip"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", ""),
        ("   ", ""),
        ("jump", "unknown; use one of place"),
        ("lift", "wrong number of words"),
        ("place zz", "4, 7, 8 or 10 bytes"),
        (f"place {BOOK} 1 stolen", "stolen"),
        ("fail paper_out", "it models off, stuck"),
        ("fail slow slow_ms=x", "write slow_ms=400"),
        ("help", "paper"),
        ("weaken 7", "must be 0 to 1"),
        ("scan 1", "scans nothing"),
        ("paper", "prints nothing"),
        ("_pad", "unknown"),
        ("help", "place e00401003123aa26"),
    ],
)
def test_a_mistake_is_said_and_the_rest_goes_on(pad, line, says):
    """No line ends the program, whatever it is."""
    console = Console(pad)

    assert says in console.obey(line)
    assert not console.ended
    assert (pad.fault, pad.plugged, pad.field.tags()) == (None, True, [])


def test_quit_ends_it(pad):
    """And nothing else does."""
    console = Console(pad)

    assert console.obey("quit") == "bye"
    assert console.ended


def test_tags_need_a_pad():
    """A scanner has no field."""
    scanner = new_device("scanner", VirtualClock())

    assert "no field" in Console(scanner).obey(f"place {BOOK}")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_made(kind):
    """With its name, on a clock of its own."""
    assert new_device(kind).name == kind


def test_the_program_is_a_port_for_any_driver(tmp_path):
    """It says where it is, answers, shows the frames, and takes its port down with it."""
    with subprocess.Popen(
        [sys.executable, "-m", "sim.serial", "pad_3m", "--pty", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as program:
        try:
            where = program.stdout.readline().split()[2].rstrip(",")
            with serial.Serial(where, 19_200, timeout=60) as port:
                port.write(PROBE)
                assert port.read(12) == PROBE_ANSWER
            rest, _ = program.communicate("quit\n", timeout=60)
        except BaseException:
            program.kill()
            raise

    assert "-> d5 00 05 04 00 11 8c 66  probe" in rest
    assert rest.endswith("bye\n")
    assert program.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_program_needs_a_cable():
    """Neither or both is a mistake in words."""
    said = subprocess.run(
        [sys.executable, "-m", "sim.serial", "scanner"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert said.returncode == 2
    assert "--pty FOLDER or --tcp PORT" in said.stderr


def test_a_place_that_cannot_be_had_is_named(tmp_path):
    """A port that is taken and a folder that cannot be made, in a line and not in a traceback."""
    runner = CliRunner()
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = runner.invoke(main, ["scanner", "--tcp", port])
        assert (said.exit_code, said.output.splitlines()[-1]) == (
            1,
            f"Error: port {port}: Address already in use; choose another",
        )

    said = runner.invoke(main, ["scanner", "--pty", str(tmp_path / "file" / "below")])
    assert said.exit_code == 1
    assert "Not a directory; choose another" in said.output
