"""No statement of the writer walks through a whole library to find a few rows."""

import importlib
import re

import pytest

from gateway.statements import SQLITE, Statement

PARTS = "changes diary facts holdings ingest marks resolve review shelf stations verdicts".split()
SMALL = {"feed", "library", "station"}  # read as a whole, or nearly
TOLD = re.compile(r"(SEARCH|SCAN) (\w+)(.*)")


def statements():
    """Return the writer's statements by the name they have in the code."""
    for part in PARTS:
        module = importlib.import_module(f"gateway.{part}")
        for name, found in vars(module).items():
            if isinstance(found, Statement):
                yield pytest.param(found, id=f"{part}.{name}")


@pytest.mark.parametrize("statement", list(statements()))
def test_a_statement_looks_up_what_it_names(store, statement):
    """A library of a million items costs a fact no more than one of a hundred."""
    sql = statement.text(SQLITE)
    given = dict.fromkeys(re.findall(r":(\w+)", sql), "[]")
    with store.read() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)
        plan = [row.detail for row in rows]

    for verb, table, how in (found.groups() for found in map(TOLD.match, plan) if found):
        if table not in SMALL and not how.endswith("VIRTUAL TABLE INDEX 1:") and "max(" not in sql:
            assert (verb, "AND" in how) == ("SEARCH", True), plan
    assert not any("loan_by_closing" in line for line in plan), (
        "all open loans have one place in it"
    )
