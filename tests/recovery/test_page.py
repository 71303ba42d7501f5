"""docs/recovery.md is what the programs do: its commands exist, and they say what it quotes."""

import re

import click
import pytest

from circulation.export import Exported
from circulation.salvage import Salvaged
from gateway import wording
from gateway.web.pages import templates
from kiosk.wording import texts
from tests.project import ROOT
from tests.recovery.conftest import PAGE, PROGRAMS

CHAPTERS = 8


def commands_on_the_page():
    """Return (program, command, rest) of every command that the page tells people to type."""
    return re.findall(r"(lendgate-(?:kiosk|gate|gateway)) ([a-z][a-z-]+)([^`\n]*)", PAGE)


def test_every_command_on_the_page_exists_with_its_options():
    """Nobody types a command on the worst day of the year that is called differently."""
    missing = []
    for program, name, rest in commands_on_the_page():
        command = PROGRAMS[program].get_command(None, name)
        options = set(re.findall(r"--[a-z-]+", rest))
        known = {opt for one in command.params for opt in one.opts} if command else set()
        if command is None or not options <= known:
            missing.append(f"{program} {name} {options - known}")

    assert len(commands_on_the_page()) >= 12
    assert missing == []


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("lendgate-gateway", "backup"),
        ("lendgate-gateway", "restore"),
        ("lendgate-gateway", "import-journal"),
        ("lendgate-gateway", "export-koc"),
        ("lendgate-gateway", "station-file"),
        ("lendgate-kiosk", "export-journal"),
        ("lendgate-gate", "export-journal"),
    ],
)
def test_the_help_of_each_command_teaches_it(program, name):
    """It says what the command does, what is done with the file, and shows an example."""
    command = PROGRAMS[program].get_command(None, name)
    words = command.help.split()

    assert (program, name) in {(one, two) for one, two, _ in commands_on_the_page()}
    assert len(words) >= 30
    assert isinstance(command, click.Command)


def said_by_the_programs():
    """Return sentences as the programs make them, from the page's own numbers."""
    aside = ROOT / "station.db.damaged-1"
    row = [None] * 412
    lost = {"rule": "facts_lost", "detail": {"first": 101, "last": 115}}
    few = {"rule": "facts_lost", "detail": {"first": 57, "last": 59}}
    forked = {"code": "forked", "station": "kiosk-1", "detail": {"common": 80}}
    return [
        Salvaged(aside, row, [], None, 1, 0).told(),
        wording.entry(lost),
        wording.entry(few),
        wording.event(forked),
        texts("en")["stopped"],
        texts("en")["clock_unsure"],
    ]


@pytest.mark.parametrize("sentence", said_by_the_programs())
def test_sentences_on_the_page_are_what_the_programs_say(sentence):
    """Staff find the words that stand on their screens."""
    assert sentence in PAGE


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("kiosk/engine.py", "the disk is nearly full: books are taken back and none lent"),
        ("gateway/edits.py", "not in the backup, to be done again:"),
        ("gateway/recovery_commands.py", "the desk's own journal: "),
        ("gateway/recovery_commands.py", "its card was rolled back or replaced"),
        ("circulation/export.py", "the stick may be pulled"),
        ("circulation/journal.py", "the disk is full; nothing was written"),
        (
            "gateway/web/templates/part_totals.html",
            "The gateway runs on an older copy of its data",
        ),
    ],
)
def test_quoted_beginnings_stand_in_the_programs(file, words):
    """What the page quotes of a longer sentence is in the program that says it."""
    assert words in PAGE
    assert words in (ROOT / file).read_text(encoding="utf-8")


def test_the_sync_page_says_what_the_page_quotes_of_it():
    """With the number of the page in it."""

    class Scarce:
        disk_free = 150 << 20

    source, _, _ = templates.env.loader.get_source(templates.env, "part_totals.html")
    line = next(line for line in source.splitlines() if "disk has only" in line)

    said = templates.env.from_string(line).render(board=Scarce)
    assert re.search(r"The gateway's disk has only 150 MB left\.", said)
    assert "The gateway's disk has only 150 MB left." in PAGE


def test_every_chapter_is_linked_and_drawn():
    """Whoever opens the page on a bad day finds the chapter from the picture and the table."""
    numbers = re.findall(r"^## (\d)\. (.+)$", PAGE, re.MULTILINE)
    links = re.findall(r"\| \[(\d)\]\(#(\S+)\) \|", PAGE)
    picture = (ROOT / "docs/images/recovery.svg").read_text(encoding="utf-8")

    assert [int(number) for number, _ in numbers] == list(range(1, CHAPTERS + 1))
    assert [int(number) for number, _ in links] == list(range(1, CHAPTERS + 1))
    for (number, title), (_, anchor) in zip(numbers, links, strict=True):
        slug = re.sub(r"[^a-z0-9 -]", "", f"{number}. {title}".lower()).replace(" ", "-")
        assert anchor == slug, title
        assert f'font-weight="bold">{number}</tspan>' in picture


def test_the_files_on_the_page_are_named_as_they_are_written():
    """What is exported matches the pattern that is imported."""
    exported = Exported.__doc__
    assert exported
    assert "*.lendgate-journal.jsonl" in PAGE
    assert ".lendgate-journal.jsonl" in (ROOT / "circulation/journal_file.py").read_text()
    assert "station.db.tip" in PAGE
