"""Koha comes back: what a kiosk did meanwhile is handed over, by the command of the page."""

import pytest

from tests.recovery.conftest import (
    DUNE,
    EMIL,
    GATE,
    KIOSK,
    LENA,
    MOMO,
    gateway_program,
    opened,
    spoken,
)


@pytest.fixture(scope="module")
def weekend():
    """A kiosk that has lent two books and taken one back, and a gate."""
    with opened(KIOSK, GATE) as day:
        for said in (day.lend(MOMO, LENA), day.lend(DUNE, EMIL), day.take_back(MOMO)):
            assert said == "done"
        day.catch_up()
        yield day


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the command is typed; a file lies there already."""
    (tmp_path / "there.koc").write_text("old")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_weekend_is_handed_over_once(weekend, tmp_path):
    """The file has each loan and return; the next one has nothing, and says why."""
    file, next_one, again = (tmp_path / name for name in ("a.koc", "b.koc", "c.koc"))

    of_gate = weekend.say("export-koc", str(tmp_path / "gate.koc"), "--station", GATE)
    said = weekend.say("export-koc", str(file), "--station", KIOSK)
    nothing = weekend.say("export-koc", str(next_one))
    repeated = weekend.say("export-koc", "--again", str(again))

    head, *lines = file.read_text().splitlines()
    assert head.startswith("Version=1.0\tGenerator=lendgate\t")
    assert [line.split("\t")[1] for line in lines] == ["issue", "issue", "return"]
    assert [line.split("\t")[-1] for line in lines] == [MOMO, DUNE, MOMO]
    assert f"{file}: 2 issue, 1 return\n" in said
    assert ": nothing\n" in of_gate
    assert f"{next_one}: nothing\n" in nothing
    assert "  left out: 3 handed to Koha before\n" in nothing
    assert f"{again}: 2 issue, 1 return\n" in repeated
    assert again.read_text() == file.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "Missing argument 'FILE'"),
        (["there.koc"], 1, "is there already; Koha would do twice what is in it"),
        (["gone/x.koc"], 1, "cannot be written (No such file or directory)"),
        (["x.koc", "--station", "kiosk-11"], 1, "nobody has heard of 'kiosk-11'"),
        (["x.koc", "--stations", KIOSK], 2, "No such option"),
    ],
)
def test_what_is_typed_wrong_hands_nothing_over(weekend, folder, arguments, code, words):
    """A sentence, no file, and nothing is noted as given to Koha."""
    notes = weekend.folder / "gateway-koc.jsonl"
    before = notes.read_text() if notes.exists() else ""

    said = weekend.say("export-koc", *arguments, code=code)

    assert words in said
    assert [file.name for file in folder.iterdir()] == ["there.koc"]
    assert (folder / "there.koc").read_text() == "old"
    assert (notes.read_text() if notes.exists() else "") == before


def test_without_a_gateway_there_is_nothing_to_hand_over(tmp_path):
    """In another folder the command names the file it lacks."""
    nowhere = tmp_path / "gateway.toml"

    said = spoken(gateway_program, "export-koc", tmp_path / "x.koc", "-c", nowhere, code=1)

    assert f"{nowhere}: cannot be read" in said
    assert list(tmp_path.iterdir()) == []
