"""What storms came to, on the screen, on the page, and what the command makes of it."""

import json

import pytest
from click.testing import CliRunner

from sim.errors import SimError
from sim.torture.command import torture
from sim.torture.report import (
    BEGIN,
    DAYS,
    END,
    STORMS,
    day_sentence,
    findings,
    keep,
    markdown,
    sentence,
    write_docs,
)

DOC = {
    "broker": "amqtt", "seed": 1, "stations": 8, "facts": 12_000, "applied_once": 12_000,
    "findings": [], "faults": {"cut": 3, "kill_broker": 2}, "kills": 2, "looks_at_acks": 9,
    "messages_taken": 900, "messages_delivered": 880, "messages_lost": 40,
    "facts_delivered": 13_000, "facts_again": 1_000, "storm_s": 61.2, "heal_s": 8.4,
}  # fmt: skip


def test_a_storm_is_told_in_a_sentence():
    """Facts, faults, and what a PUBACK was worth."""
    assert sentence(DOC) == (
        "amqtt: 12,000 facts written, 12,000 applied once; 5 faults, 2 of them kill -9; "
        "40 of 900 messages with a PUBACK never came, 1,000 facts came again; "
        "storm 61 s, quiet 8 s later"
    )


DAY = {
    "broker": "mosquitto", "loans": 1_000, "books_seen": 900, "false_alarms": 0,
    "thieves_heard": 19, "kills": {"broker": 30, "gate-1": 41}, "told_ms_p99": 61.4,
    "findings": [],
}  # fmt: skip


def test_a_day_is_told_in_a_sentence():
    """Loans, alarms, thieves, and how soon the gate knew."""
    assert day_sentence(DAY) == (
        "mosquitto: 1,000 loans, 900 books past a living gate, 0 alarms, 19 thieves heard; "
        "71 kills; told to the gate within 61 ms (p99)"
    )


def test_the_page_has_each_broker_their_sum_and_every_kind_of_fault(tmp_path):
    """A kind that never came shows as 0."""
    keep(tmp_path / STORMS, [DOC, DOC | {"broker": "mosquitto"}], "on a machine")
    page = markdown(tmp_path)

    assert page.startswith("on a machine\n\n| broker |")
    assert "| amqtt | 12,000 | 12,000 | 900 | 40 | 1,000 | 5 | 2 | 0 |" in page
    assert "| together | 24,000 | 24,000 | 1,800 | 80 | 2,000 | 10 | 4 | 0 |" in page
    assert "| `cut` | connections are reset, and new ones refused | 6 |" in page
    assert "| `stall` | nothing passes, and nothing says so | 0 |" in page


def test_the_page_has_the_day_below_the_storms(tmp_path):
    """One block holds what both commands found, each beside its machine."""
    keep(tmp_path / STORMS, [DOC], "on one machine")
    keep(tmp_path / DAYS, [DAY], "on another")
    page = markdown(tmp_path)

    assert page.index("on one machine") < page.index("on another")
    assert "| **alarms for an honest reader** | 0 |" in page
    assert "| kill -9 of broker, gateway and gate | 71 |" in page


def test_a_folder_without_results_is_refused(tmp_path):
    """An empty block would say nothing, and look like all is well."""
    with pytest.raises(SimError, match="no results of a storm or a day"):
        markdown(tmp_path)


def test_findings_are_shown_up_to_a_limit():
    """The first twenty say enough; how many there are is said."""
    many = DOC | {"findings": [f"row {n}" for n in range(25)]}

    assert findings([DOC]) == []
    assert findings([many])[0] == "amqtt: row 0"
    assert findings([many])[-1] == "… and 5 more"


def test_the_block_is_replaced_between_its_marks(tmp_path):
    """What stands around it stays."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_docs("new", page)

    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_a_page_without_the_marks_is_refused(tmp_path):
    """Nothing is guessed about where it belongs."""
    with pytest.raises(SimError, match="has no block to write to"):
        write_docs("new", tmp_path / "page.md")


def test_a_program_finds_every_number(tmp_path):
    """The JSON has each storm as it came out."""
    keep(tmp_path / STORMS, [DOC], "two cores")

    kept = json.loads((tmp_path / STORMS).read_text())
    assert kept == {"format": 1, "machine": "two cores", "results": [DOC]}


def test_an_unknown_broker_is_refused():
    """The command names those there are."""
    result = CliRunner().invoke(torture, ["--broker", "vernemq"])

    assert result.exit_code == 2
    assert "amqtt" in result.output
