"""What every station's program offers at a terminal, whatever else it does."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from circulation.journal import SqliteJournal, open_station_db
from circulation.journal_file import Head
from circulation.station_commands import (
    Exportable,
    export_command,
    tell_checked,
    template_command,
)
from tests.contract.journal_contract import FIRST_EPOCH, body

KEY = bytes(16)
HEAD = Head("linden", "gate-1", "gate", "main", "Gate at the door", 1_767_261_600_000, False)
TEMPLATE = 'station = "gate-1"  # unique\n'


@pytest.fixture
def store(tmp_path):
    """A journal of three rows, of which the gateway has one."""
    path = tmp_path / "gate.db"
    connection = open_station_db(path)
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    for number in range(3):
        journal.append(body(number))
    journal.mark_acked(1, 1)
    connection.close()
    return path


def run(command, *arguments):
    """Return the exit code and everything that was said."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_a_journal_goes_onto_a_stick(store, tmp_path):
    """The sentence says how much, what the gateway lacks, and that the stick may be pulled."""
    stick = tmp_path / "stick"
    stick.mkdir()
    command = export_command("gate", lambda _file: Exportable(store, HEAD, KEY))

    code, said = run(command, "gate.toml", stick)

    [file] = stick.iterdir()
    assert code == 0
    assert said == (
        f"{file}: 3 facts, 2 of them not known to be at the gateway"
        f" ({file.stat().st_size} bytes); the stick may be pulled\n"
    )


def test_a_station_that_never_ran_has_nothing_to_carry(tmp_path):
    """A sentence and exit code 1, no traceback."""
    command = export_command("gate", lambda _file: Exportable(tmp_path / "none", HEAD, KEY))

    code, said = run(command, "gate.toml", tmp_path)

    assert code == 1
    assert "has this station ever run?" in said


def test_a_configuration_that_cannot_be_read_is_said_by_who_reads_it(tmp_path):
    """The program's own reader refuses in its own words."""

    def refuse(file):
        raise click.ClickException(f"{file}: no such station")

    assert run(export_command("gate", refuse), "x.toml", tmp_path) == (
        1,
        "Error: x.toml: no such station\n",
    )


def test_a_template_is_printed_as_it_is_or_filled_in(tmp_path):
    """With what the gateway wrote of the station; what does not fit is named."""
    command = template_command("gate", TEMPLATE)
    known, wrong = tmp_path / "known.toml", tmp_path / "wrong.toml"
    known.write_text('station = "gate-7"\n')
    wrong.write_text("colour = 1\n")

    assert run(command) == (0, TEMPLATE)
    assert run(command, "--with", known) == (0, 'station = "gate-7"  # unique\n')
    code, said = run(command, "--with", wrong)
    assert code == 1
    assert "the template has no option colour" in said


def test_each_program_shows_its_own_name():
    """What a page of help says can be typed as it stands."""
    _, export = run(export_command("gate", lambda _file: None), "--help")
    _, template = run(template_command("kiosk", TEMPLATE), "--help")

    assert "lendgate-gate export-journal /etc/lendgate/gate.toml /media/stick" in export
    assert "lendgate-kiosk template --with kiosk-1.toml > kiosk.toml" in template


@pytest.mark.parametrize(
    ("points", "code", "told"),
    [
        ([], 0, "gate.toml: gate-1 at main: all right\n"),
        (
            ["site_key is the manual's: make one", "two lamps share pin 17: move one"],
            1,
            "gate.toml: gate-1 at main: it can be read; before anybody uses it, change this:\n"
            "  ! site_key is the manual's: make one\n"
            "  ! two lamps share pin 17: move one\n",
        ),
    ],
    ids=["nothing", "two points"],
)
def test_check_names_what_to_change_and_fails_if_there_is_any(points, code, told):
    """A script that goes on after `check` stops where a person has something to do."""
    command = click.Command(
        "check", callback=lambda: tell_checked(Path("gate.toml"), "gate-1 at main", points)
    )

    assert run(command) == (code, told)
