"""The librarian's page on imports is true."""

import re
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.imports.items_csv import COLUMNS as ITEM_COLUMNS
from gateway.imports.marc import COPY_FIELDS
from gateway.imports.patrons_csv import COLUMNS as PATRON_COLUMNS

GUIDE = (Path(__file__).parents[3] / "docs/imports.md").read_text(encoding="utf-8")
TABLES = ("marc", "items", "patrons", "policy")
COMMANDS = [main.get_command(None, f"import-{what}") for what in TABLES]
NAMED = set(re.findall(r"`([^`\n]+)`", GUIDE))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_each_command_and_option_is_explained(command):
    """Nobody has to guess an option, and none is explained that does not exist."""
    options = {option for param in command.params for option in param.opts if option[:2] == "--"}

    assert f"lendgate-gateway {command.name} " in GUIDE
    assert [option for option in sorted(options) if option not in GUIDE] == []


def test_no_option_is_made_up():
    """What the page shows can be typed."""
    options = {option for command in COMMANDS for param in command.params for option in param.opts}

    assert set(re.findall(r"--[a-z][a-z-]+", GUIDE)) <= options


@pytest.mark.parametrize("columns", [ITEM_COLUMNS, PATRON_COLUMNS], ids=["items", "patrons"])
def test_each_column_is_explained(columns):
    """The tables name every column that is read."""
    assert sorted(set(columns.known) - NAMED) == []


def test_each_field_of_copies_is_shown_with_its_barcode():
    """A librarian sees at once whether the old system's field is read."""
    for tag, codes in COPY_FIELDS.items():
        assert re.search(rf"^\| {tag} \|[^|]+\| `{codes['barcode']}` \|", GUIDE, re.MULTILINE)
