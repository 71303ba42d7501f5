"""Forgetting readers, keeping counts."""

import datetime as dt
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.retention import LoanRecord, blank_rows, facts_to_blank, is_blank, is_forgettable
from circulation.wire.chain import chain_hash, chain_start, patron_hash

NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)


def record(loan="l1", *, days=90, owed=0, disputed=False, facts=("f1", "f2")):
    closed_at = None if days is None else NOW - dt.timedelta(days=days)
    return LoanRecord(loan, facts, closed_at, owed, disputed)


@pytest.mark.parametrize(
    ("given_record", "expected"),
    [
        (record(days=89), False),
        (record(days=90), True),
        (record(days=91), True),
        (record(days=None), False),
        (record(days=400, owed=1), False),
        (record(days=400, disputed=True), False),
    ],
)
def test_a_reader_is_forgotten_ninety_days_after_a_loan_without_debt(given_record, expected):
    """Never while it is open, owed or under review."""
    assert is_forgettable(given_record, now=NOW, days=90) is expected


def test_a_fact_that_another_loan_needs_is_kept():
    """A renewal of two books names both loans: the younger one keeps it."""
    old, young = record("l1", facts=("f1", "f2")), record("l2", days=3, facts=("f2", "f3"))

    assert facts_to_blank([old, young], now=NOW, days=90) == {"f1"}


def journal(loans):
    """Rows as a gateway keeps them, hashed by the production chain."""
    rows, prev = [], chain_start("00" * 8)
    for seq, (kind, reader, class_name) in enumerate(loans, start=1):
        salt = bytes([seq % 256]) * 16
        fields = {
            "id": f"f{seq}",
            "kind": kind,
            "class": class_name,
            "patron": patron_hash(salt, reader),
        }
        body = json.dumps(fields).encode()
        row_hash = chain_hash(prev, seq, body)
        rows.append(
            {
                "id": f"f{seq}",
                "seq": seq,
                "prev_hash": prev,
                "hash": row_hash,
                "body": body,
                "salt": salt,
                "patron": reader,
            }
        )
        prev = row_hash
    return rows


def counts(rows):
    bodies = [json.loads(row["body"]) for row in rows]
    return Counter((body["kind"], body["class"]) for body in bodies)


LOANS = st.lists(
    st.tuples(
        st.sampled_from(["checkout", "checkin", "renewal"]),
        st.sampled_from(["li", "ana", "max"]),
        st.sampled_from(["3(2)", "5(1)"]),
    ),
    max_size=20,
)


@given(loans=LOANS, data=st.data())
def test_every_count_and_every_hash_survives_the_forgetting(loans, data):
    """Salt and reader go; bodies, the chain and the statistics stay as they were."""
    rows = journal(loans)
    chosen = data.draw(st.sets(st.sampled_from([row["id"] for row in rows]))) if rows else set()

    after = blank_rows(rows, chosen)

    assert counts(after) == counts(rows)
    assert [row["body"] for row in after] == [row["body"] for row in rows]
    for row in after:
        assert chain_hash(row["prev_hash"], row["seq"], row["body"]) == row["hash"]
        assert is_blank(row) is (row["id"] in chosen)
        assert row["patron"] is None or row["id"] not in chosen


def test_the_rows_given_are_not_altered():
    """Forgetting returns new rows; what writes them decides when."""
    rows = journal([("checkout", "li", "3(2)")])

    assert is_blank(blank_rows(rows, {"f1"})[0])
    assert rows[0]["patron"] == "li"


def test_a_blanked_row_betrays_nobody():
    """Without the salt no guess of a reader can be confirmed."""
    rows = blank_rows(journal([("checkout", "li", "3(2)")]), {"f1"})
    held = json.loads(rows[0]["body"])["patron"]

    assert "li" not in held
    assert rows[0]["salt"] is None
    assert patron_hash(bytes(16), "li") != held
