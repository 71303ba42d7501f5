"""The benchmarks: their arithmetic, their table, and that each measures something."""

import json
import sqlite3

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.errors import SimError
from sim.measure.ingest import new_rows, write_bare
from sim.measure.library import busy_stations, fill, in_turn, settings_in
from sim.measure.machine import descendants, describe, peak_rss_mb, rss_mb
from sim.measure.numbers import median, p99, percentile, spread
from sim.measure.run import BENCHMARKS
from sim.measure.table import (
    BEGIN,
    END,
    Measured,
    Row,
    as_json,
    as_markdown,
    as_text,
    number,
    replace_block,
)
from sim.measure.through_broker import Upload

FAST = Row("scan", 2.0, "ms", 0.5, "one commit", "≤ 5 ms", True, {"scans": 3})
SLOW = Row("fold", 7.0, "facts/s", 0.0, "nothing")
MEASURED = [Measured("kiosk", (FAST, SLOW), 1.25)]


def measure(folder, *arguments):
    """Return the exit code, what was said, and the JSON if there is one."""
    options = ("measure", "--quick", "--folder", str(folder), *arguments)
    result = CliRunner().invoke(main, options)
    files = sorted(folder.glob("*.json"))
    return result.exit_code, result.output, json.loads(files[0].read_text()) if files else None


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [([5], 0.99, 5), ([3, 1, 2], 0.5, 2), (range(1, 101), 0.99, 99), ([1, 2], 0, 1)],
)
def test_a_percentile_is_a_value_that_was_measured(values, part, expected):
    """Of a hundred values the 99th is the 99th percentile, and one value is all of them."""
    assert percentile(list(values), part) == expected


def test_a_percentile_of_nothing_is_refused():
    """No measurement is no zero."""
    with pytest.raises(ValueError, match="of 0 values"):
        percentile([], 0.5)


def test_a_spread_names_what_it_holds():
    """Median, p99 and maximum stand under names that say of what."""
    values = [float(value) for value in range(1, 201)]

    assert (median(values), p99(values)) == (100, 198)
    assert spread(values, "ms") == {"ms_p50": 100, "ms_p99": 198, "ms_max": 200}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234.5, "1,234"), (0.01234, "0.0123"), (0.00001, "1.0e-05"), (12.34, "12.3")],
)
def test_numbers_show_the_digits_that_count(value, text):
    """Three digits, and thousands set apart."""
    assert number(value) == text


def test_the_tables_show_value_floor_ratio_and_verdict():
    """On a screen and on a page each row has its floor; without a floor there is no ratio."""
    screen, page = as_text(MEASURED).splitlines(), as_markdown(MEASURED).splitlines()

    assert "2 ms" in screen[2]
    assert "0.5 ms: one commit" in screen[2]
    assert screen[2].split()[-1] == "✓"
    assert page[2].endswith("| 2 ms | 0.5 ms: one commit | 4 × | ≤ 5 ms | ✓ |")
    assert page[3] == "|  | fold | 7 facts/s | 0 facts/s: nothing |  |  |  |"


def test_a_missed_target_is_called_a_gap():
    """Nobody has to compare numbers to see what is missing."""
    assert Row("x", 9, "ms", 1, "y", "≤ 5 ms", False).verdict == "gap"


def test_a_program_finds_every_number():
    """The JSON keeps value, floor, ratio, target, verdict and figures of each row."""
    doc = json.loads(as_json(MEASURED, {"cores": 2}, quick=True))

    assert doc["machine"] == {"cores": 2}
    assert doc["quick"] is True
    first, second = doc["benchmarks"]["kiosk"]["rows"]
    assert first == {
        "what": "scan", "value": 2.0, "unit": "ms", "floor": 0.5, "floor_what": "one commit",
        "target": "≤ 5 ms", "met": True, "figures": {"scans": 3}, "ratio": 4.0,
    }  # fmt: skip
    assert second["ratio"] is None


def test_the_block_of_a_page_is_replaced_and_nothing_else():
    """What people wrote around the numbers stays, however often they are written."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    once = replace_block(page, "new")

    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replace_block(once, "new") == once


@pytest.mark.parametrize("page", ["no marks", BEGIN, END])
def test_a_page_without_its_marks_is_refused(page):
    """The program never guesses where on a page its numbers belong."""
    with pytest.raises(SimError, match="no block"):
        replace_block(page, "new")


def test_the_machine_is_described(tmp_path):
    """A number without its machine means nothing."""
    facts = describe(tmp_path)

    assert facts.keys() >= {"date", "cores", "python", "sqlite", "load_before", "file_system"}
    assert facts["sqlite"] == sqlite3.sqlite_version
    assert 0 < rss_mb() <= peak_rss_mb()
    assert rss_mb("no such process") == 0
    assert all(isinstance(pid, int) for pid in descendants())


def test_bare_sql_writes_the_very_rows(tmp_path):
    """The floor of the ingest leaves the tables as the ingest left them."""
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    for path, rows in ((before, [(1, "a"), (2, "b")]), (after, [(1, "a"), (2, "B"), (3, "c")])):
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x)")
            connection.execute("CREATE TABLE same (n)")
            connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.close()

    tables = new_rows(before, after)
    write_bare(before, tables, transactions=2)

    assert [(name, sorted(rows)) for name, rows in tables] == [("t", [(2, "B"), (3, "c")])]
    assert new_rows(tmp_path / "bare.db", after) == []


def test_measured_stations_write_what_kiosks_write(tmp_path):
    """Loans and returns see the fact before; online a clock fact comes every hour."""
    filled = fill(settings_in(tmp_path), 40, 5)
    online, offline = (
        busy_stations(filled, stations=2, facts=240, is_online=is_online, seed=3)
        for is_online in (True, False)
    )

    batches = in_turn([list(station.batches()) for station in online])
    bodies = [json.loads(text) for batch in batches for text in batch.message.events]
    kinds = [body["kind"] for body in bodies]
    assert [batch.station for batch in batches[:3]] == ["kiosk-1", "kiosk-2", "kiosk-1"]
    assert kinds.count("clock") == 4
    assert kinds.count("checkin") > 80
    ids = {body["id"] for body in bodies}
    assert {body["loan"] for body in bodies if body["kind"] == "checkin"} <= ids
    assert {seen for body in bodies for seen in body.get("saw", [])} <= ids
    assert [body for body in bodies if body["kind"] == "checkin" and "saw" not in body] == []
    offline_rows = offline[0].journal.rows(1, 1_000, 1 << 30)
    assert b'"clock"' not in b"".join(row.body for row in offline_rows)


def test_an_upload_keeps_to_its_credit():
    """No more batches are under way than the gateway allows beyond what it has."""
    upload = Upload("topic", [(50 * n, b"%d" % n) for n in range(1, 6)])

    assert upload.allowed(1) == [b"1"]
    upload.on_mark(50)
    assert upload.allowed(3) == [b"2", b"3", b"4"]
    upload.on_mark(100)
    assert upload.allowed(2) == []
    upload.on_mark(250)
    assert upload.done


@pytest.mark.parametrize(
    ("name", "rows", "figures"),
    [
        ("kiosk", 1, {"own_ms_p50", "own_ms_p99", "processor_ms_p99", "scans", "items"}),
        ("ingest", 3, {"facts", "rows", "transaction_ms_p99"}),
        ("gate", 3, {"own_ms_p99", "waited_by_design_ms_p50", "alarms"}),
        ("list", 4, {"tries", "keys"}),
        ("reader", 9, {"rounds", "tags", "package_tags", "virtual_ms", "package_virtual_ms"}),
        ("fold", 2, {"rounds"}),
    ],
)
def test_a_benchmark_measures(tmp_path, name, rows, figures):
    """It runs, its rows have a floor above nothing, and the JSON has the promised figures."""
    code, said, doc = measure(tmp_path, "--only", name)

    measured = doc["benchmarks"][name]["rows"]
    assert code == 0, said
    assert len(measured) == rows
    assert all(row["value"] > 0 and row["floor"] > 0 for row in measured)
    assert measured[0]["figures"].keys() >= figures
    assert measured[0]["what"] in said
    assert [path.name for path in tmp_path.iterdir()] == ["measured.json"]


def test_an_unknown_benchmark_is_named_with_those_there_are(tmp_path):
    """A typing mistake is one sentence, and nothing is measured."""
    code, said, doc = measure(tmp_path, "--only", "gait")

    assert code == 1
    assert "gait" in said
    assert "gate" in said
    assert doc is None


@pytest.mark.parametrize("more", [(), ("--only", "fold")])
def test_half_a_run_is_never_written_into_the_page(tmp_path, more):
    """The page shows whole runs only."""
    code, said, doc = measure(tmp_path, "--write-docs", *more)

    assert code == 1
    assert "whole runs" in said
    assert doc is None


def test_the_help_page_explains_every_benchmark():
    """Whoever asks learns what each name measures."""
    page = CliRunner().invoke(main, ["measure", "--help"]).output

    assert [name for name in BENCHMARKS if f"\n  {name} " not in page] == []
