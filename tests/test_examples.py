"""Every example runs, stays small, and says what its page says."""

import ast
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
LINES_MAX = 30


def run(name, capsys):
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_small_and_named(path):
    """An example is read in a minute: under 30 lines, a docstring, and a line in the README."""
    source = path.read_text()

    assert source.count("\n") < LINES_MAX
    assert ast.get_docstring(ast.parse(source))
    assert path.name in (EXAMPLES / "README.md").read_text()


def test_a_changed_journal_is_noticed(capsys):
    """The chain of hashes shows that one fact was replaced."""
    lines = run("verify_a_journal.py", capsys)

    assert [line.split()[1] for line in lines[:3]] == ["checkout", "renewal", "checkin"]
    assert lines[-1] == "one fact replaced: noticed"


def test_two_kiosks_without_a_network_give_one_answer(capsys):
    """Every order of arrival folds to the same state, and in doubt nobody owes."""
    assert run("fold_three_facts.py", capsys) == ["1 answer: uncertain owed by None"]


def test_labels_are_told_apart(capsys):
    """A card, an item with what its scanner adds, a publisher's barcode and a spreadsheet's."""
    lines = run("judge_a_barcode.py", capsys)

    assert [line.rpartition(" ")[2] for line in lines[:4]] == [
        *("patron", "item", "cover_barcode", "barcode_invalid")
    ]


def test_the_gate_tells_the_lent_book_from_the_stolen_one(capsys):
    """The lent book leaves in silence, the other one does not."""
    assert run("play_a_gate.py", capsys) == ["lent silence", "stolen alarm"]
