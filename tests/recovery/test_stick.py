"""A building without any network: facts travel on a stick, once in effect, in any order."""

import json
import shutil
from pathlib import Path

import pytest

from circulation.errors import JournalFileInvalid
from circulation.export import read_exported
from firmware.pi.__main__ import main as gate_program
from kiosk.__main__ import main as kiosk_program
from sim.demo_files import LIBRARY, Net, gate_toml, kiosk_toml
from sim.demo_plan import GATES, KIOSKS
from sim.house.house import KEYS
from tests.recovery.conftest import (
    DUNE,
    EMIL,
    GATE,
    HOBBIT,
    KIOSK,
    LENA,
    MOMO,
    gateway_program,
    opened,
    spoken,
)


def cut_off(day, tmp_path):
    """Let a building lose its network; give its kiosk a stick."""
    plan = next(plan for plan in KIOSKS if plan.station == KIOSK)
    text = kiosk_toml(plan, day.folder, KEYS, Net(1, 1), 0)
    day.toml = tmp_path / "kiosk.toml"
    day.toml.write_text(text + '\n[devices]\nfactory = "nobody:asks"\n')
    day.stick = tmp_path / "stick"
    day.stick.mkdir()
    day.house.kiosks[KIOSK].line.fail("off")
    day.run(2_000)
    return day


@pytest.fixture
def away(day, tmp_path):
    """A kiosk whose building has lost its network, and a stick."""
    return cut_off(day, tmp_path)


@pytest.fixture(scope="module")
def branch(tmp_path_factory):
    """The same with a loan, for tests that leave everything as it was."""
    with opened(KIOSK) as day:
        cut_off(day, tmp_path_factory.mktemp("branch"))
        day.lend(MOMO)
        day.file = export(day)
        yield day


def export(day):
    """Type the kiosk's command; return the file it names."""
    said = spoken(kiosk_program, "export-journal", day.toml, day.stick)
    path, _, rest = said.partition(".jsonl: ")
    assert " facts, " in rest
    return Path(f"{path}.jsonl")


def test_loans_reach_the_gateway_on_a_stick_and_the_kiosk_is_told_later(away):
    """Written while the kiosk runs; applied once, however often; acknowledged when it is back."""
    assert away.lend(MOMO) == "done"
    assert away.lend(DUNE, EMIL) == "done"
    before = away.facts()

    file = export(away)
    first = away.say("import-journal", str(file))
    again = away.say("import-journal", str(file))
    on_stick = away.states(MOMO, DUNE)
    waiting = away.waiting()
    away.house.kiosks[KIOSK].line.mend()
    away.catch_up()

    rows = read_exported(file, key=bytes.fromhex(KEYS.site_key)).rows
    assert on_stick == ["on_loan", "on_loan"]
    assert waiting > 0
    assert f"kiosk-1: {rows} facts; {rows - before} new, {before} known already" in first
    assert f"kiosk-1: {rows} facts; 0 new, {rows} known already" in again
    assert away.states(MOMO, DUNE) == ["on_loan", "on_loan"]
    assert away.gateway.board.station(KIOSK).epoch_n == 1
    assert len(away.diary("imported")) == 1


def test_two_files_in_either_order_are_the_same_library(away):
    """The newer one has everything the older one has."""
    away.lend(MOMO)
    older = export(away)
    away.take_back(MOMO)
    away.lend(DUNE, EMIL)
    newer = export(away)

    said = away.say("import-journal", str(newer), str(older))

    assert older != newer
    assert " 0 new" in said
    assert away.states(MOMO, DUNE) == ["to_be_shelved", "on_loan"]


def test_a_replaced_card_brings_its_journal_too(away):
    """Its epoch has a number of the past: it stands in one of its own, found again each time."""
    away.lend(MOMO)
    away.say("import-journal", str(export(away)))
    away.house.cut_power(KIOSK)
    lists = {name: content for name, content in away.card().items() if "snapshots" in name}
    away.put_card(lists)
    away.house.kiosks[KIOSK].line.mend()
    away.house.restore_power(KIOSK)
    away.house.broker.lost = lambda topic: topic.endswith("/journal")
    away.run(4_000)
    away.house.kiosks[KIOSK].line.fail("off")
    away.house.broker.lost = lambda topic: False
    assert away.lend(DUNE, EMIL) == "done"
    facts = away.facts()

    first = away.say("import-journal", str(export(away)))
    once = away.facts()
    again = away.say("import-journal", str(export(away)))
    away.lend(HOBBIT, LENA)
    away.say("import-journal", str(export(away)))
    away.house.kiosks[KIOSK].line.mend()
    away.catch_up()

    assert once > facts
    assert "0 new" in again
    assert "0 new" not in first
    assert away.states(MOMO, DUNE, HOBBIT) == ["on_loan"] * 3
    lent = [row["id"] for row in away.gateway.board.facts(KIOSK) if row["kind"] == "checkout"]
    assert len(lent) == len(set(lent)) == 3


def test_a_rolled_back_card_brings_its_journal_too(away):
    """Rows that differ from ours stand in an epoch of their own; shared ones are not doubled."""
    away.lend(MOMO)
    image = away.card()
    away.lend(DUNE, EMIL)
    away.say("import-journal", str(export(away)))
    away.house.cut_power(KIOSK)
    away.put_card(image)
    away.house.restore_power(KIOSK)
    assert away.lend(HOBBIT, LENA) == "done"

    said = away.say("import-journal", str(export(away)))

    assert "its card was rolled back or replaced" in said
    assert away.states(MOMO, DUNE, HOBBIT) == ["on_loan"] * 3


def test_a_gates_alarms_travel_on_a_stick_too(gate_day, tmp_path):
    """Its own program reads its own configuration; the alarm is at the desk, once."""
    plan = next(plan for plan in GATES if plan.station == GATE)
    config, stick = tmp_path / "gate.toml", tmp_path / "stick"
    text = gate_toml(plan, gate_day.folder, KEYS, Net(1, 1))
    config.write_text(text + '\n[devices]\nfactory = "nobody:asks"\n')
    stick.mkdir()
    gate_day.house.gates[GATE].line.fail("off")
    assert gate_day.walk_out(HOBBIT)

    said = spoken(gate_program, "export-journal", config, stick)
    (file,) = stick.glob("*.lendgate-journal.jsonl")
    gate_day.say("import-journal", str(file))
    gate_day.say("import-journal", str(file))

    assert "the stick may be pulled" in said
    assert read_exported(file, key=bytes.fromhex(KEYS.site_key)).head.role == "gate"
    assert [alarm.title for alarm in gate_day.gateway.board.alarms()] == ["The Hobbit"]


def rows_of_everything(day):
    """Return all the gateway's tables hold."""
    with day.gateway.store.read() as connection:
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name"
        ).scalars()
        return {
            name: connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall()
            for name in list(names)
        }


def test_hostile_files_are_named_and_change_nothing(branch):
    """One wrong file among several: nothing is taken from any of them."""
    content = branch.file.read_bytes()
    lines = content.splitlines(True)
    wrong = {
        "empty.jsonl": b"",
        "picture.jsonl": b"\x89PNG\r\n\x1a\n",
        "torn.jsonl": content[: len(content) // 2],
        "changed.jsonl": content.replace(b"checkout", b"checkin!"),
        "unsealed.jsonl": b"".join(lines[:-1]),
        "deep.jsonl": b"[" * 100_000,
    }
    before = rows_of_everything(branch)
    for name, bad in wrong.items():
        (branch.stick / name).write_bytes(bad)

        said = branch.say("import-journal", str(branch.file), str(branch.stick / name), code=1)

        assert name in said
        assert rows_of_everything(branch) == before


def refused(branch, old, new):
    """Import with a configuration in which something else stands; return what is said."""
    other = branch.config.with_name("other.toml")
    other.write_text(branch.config.read_text().replace(old, new))
    return spoken(gateway_program, "import-journal", branch.file, "-c", other, code=1)


def test_a_file_of_another_library_is_refused(branch):
    """With the same key even: the name in it decides."""
    said = refused(branch, LIBRARY, "other")

    assert "is a journal of library 'linden'; this is 'other'" in said


def test_a_strangers_stick_is_refused(branch):
    """Without the site's key nobody adds a loan."""
    assert "site_key" in refused(branch, KEYS.site_key, "11" * 16)
    assert branch.state(MOMO) == "available"


def test_a_bad_fact_on_a_stick_is_set_aside_and_the_rest_goes_in(away):
    """Poison blocks nothing, whichever way it comes."""
    journal = away.house.kiosks[KIOSK].engine.store.journal
    journal.append(b'{"v":1,"id":"00000000000000aa","kind":"checkout"}')
    journal.append(b"\xff\x00\xfe")
    away.lend(MOMO)

    said = away.say("import-journal", str(export(away)))

    assert "2 set aside: see the station's page" in said
    assert away.state(MOMO) == "on_loan"


def test_the_file_names_no_reader(branch):
    """Only random numbers stand in it, and its first line says so."""
    text = branch.file.read_text()
    head = json.loads(text.splitlines()[0])

    assert "Lena" not in text
    assert LENA not in text
    assert "delete it from the stick" in head["privacy"]


def test_a_full_stick_is_told_and_left_clean(branch, monkeypatch, tmp_path):
    """Half a file would look like a whole one to whoever carries it."""

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    said = spoken(kiosk_program, "export-journal", branch.toml, tmp_path, code=1)

    assert "No space left on device" in said
    assert list(tmp_path.iterdir()) == []


def test_a_journal_is_read_while_it_is_written(away):
    """The kiosk is never held up by whoever copies, and the copy is one moment."""
    store = away.house.kiosks[KIOSK].engine.store
    copied = []
    for _ in range(2):
        away.lend(MOMO)
        copied.append(read_exported(export(away), key=bytes.fromhex(KEYS.site_key)).rows)
        away.take_back(MOMO)

    assert copied == sorted(copied)
    assert copied[-1] < store.journal.last_seq
    shutil.rmtree(away.stick)
    with pytest.raises(JournalFileInvalid):
        read_exported(away.stick / "gone", key=b"")
