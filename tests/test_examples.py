"""Every example runs, stays small, and says what its page says."""

import ast
import queue
import subprocess
import sys

import pytest

from circulation.link import Connected, Endpoint, Link
from circulation.wire.messages import Head, encode, sealed
from circulation.wire.topics import Topics
from gateway.broker import SmallBroker
from tests.project import ROOT

EXAMPLES = ROOT / "examples"
LINES_MAX = 30
WAIT_S = 120


def run(name, *arguments):
    command = [sys.executable, f"examples/{name}", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_small_and_named(path):
    """An example is read in a minute: under 30 lines, a docstring, and a line in the README."""
    source = path.read_text()

    assert source.count("\n") < LINES_MAX
    assert ast.get_docstring(ast.parse(source))
    assert path.name in (EXAMPLES / "README.md").read_text()


def test_a_changed_journal_is_noticed():
    """The chain of hashes shows that one fact was replaced."""
    lines = run("verify_a_journal.py")

    assert [line.split()[1] for line in lines[:3]] == ["checkout", "renewal", "checkin"]
    assert lines[-1] == "one fact replaced: noticed"


def test_two_kiosks_without_a_network_give_one_answer():
    """Every order of arrival folds to the same state, and in doubt nobody owes."""
    assert run("fold_three_facts.py") == ["1 answer: uncertain owed by None"]


def test_labels_are_told_apart():
    """A card, an item with what its scanner adds, a publisher's barcode and a spreadsheet's."""
    lines = run("judge_a_barcode.py")

    assert [line.rpartition(" ")[2] for line in lines[:4]] == [
        *("patron", "item", "cover_barcode", "barcode_invalid")
    ]


def test_the_gate_tells_the_lent_book_from_the_stolen_one():
    """The lent book leaves in silence, the other one does not."""
    assert run("play_a_gate.py") == ["lent silence", "stolen alarm"]


def test_the_heartbeat_is_followed():
    """Whoever knows the broker can watch the gateway live."""
    head = sealed(Head("1" * 16, 42, 1_700_000_000_000, {"catalogue": 7}, 2, True, ""), bytes(16))
    connected = queue.Queue()

    with SmallBroker() as broker:
        gateway = Link(
            Endpoint("127.0.0.1", broker.port),
            client_id="demo/gateway",
            will=None,
            deliver=connected.put,
        )
        gateway.start()
        assert connected.get(timeout=WAIT_S) == Connected()
        gateway.publish_and_wait(
            Topics("demo").head(), encode(head), timeout_s=WAIT_S, retained=True
        )
        lines = run("follow_the_head.py", "127.0.0.1", str(broker.port), "demo", "1")
        gateway.stop()

    assert lines == ["head 42 of 1111111111111111: lists {'catalogue': 7}, now 1700000000000"]
