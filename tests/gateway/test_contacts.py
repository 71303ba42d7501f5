"""What stations say of themselves, put together with what is applied here."""

from itertools import permutations

import pytest
import sqlalchemy as sa

from circulation.wire.messages import Telemetry
from gateway import diary, schema, statements
from gateway.contacts import Contacts, Rows
from tests.gateway.conftest import LIBRARY, START_MS


@pytest.mark.parametrize(
    ("depth", "known", "seq_last"),
    [
        (3, Rows(hw=3, acked=0, seq_last=3), 3),
        (5, Rows(hw=3, acked=0, seq_last=3), 5),
        (2, Rows(hw=7, acked=5, seq_last=9), 9),
        (0, Rows(hw=7, acked=5, seq_last=9), 7),
    ],
    ids=["sent beside a batch", "grown since", "acked since", "all told"],
)
def test_a_depth_counts_from_the_ack_the_station_had(store, depth, known, seq_last):
    """What has come since the station spoke is never counted as waiting a second time."""
    contacts = Contacts(store, LIBRARY)

    contacts.felt("kiosk-1", Telemetry(depth, None, None, None, 0, {}, None), known, START_MS)
    contacts.save(START_MS, at_once=True)

    with store.read() as connection:
        assert connection.execute(sa.select(schema.STATION_TABLE.c.seq_last)).scalar() == seq_last


def test_the_order_in_which_things_are_said_makes_no_statement_of_its_own(store):
    """A year of contacts must not leave a statement behind for each order of their columns."""
    contacts = Contacts(store, LIBRARY)
    said = {"acked": 1, "clock": "sure", "firmware": "x"}
    contacts.told("kiosk-1", **said)
    contacts.save(START_MS, at_once=True)
    known = len(statements._INSERTS)

    for number, names in enumerate(permutations(said)):
        contacts.told(f"kiosk-{number}", **{name: said[name] for name in names})
        contacts.save(START_MS, at_once=True)

    assert len(statements._INSERTS) == known
    with store.read() as connection:
        table = schema.STATION_TABLE
        rows = connection.execute(sa.select(table.c.acked, table.c.clock, table.c.firmware)).all()
    assert set(map(tuple, rows)) == {(1, "sure", "x")}


def test_what_a_full_disk_did_not_take_is_written_at_the_next_try(store, monkeypatch):
    """A disk that is full for a moment costs the diary no sentence and the page no contact."""
    contacts = Contacts(store, LIBRARY)
    contacts.told("kiosk-1", seq_last=9)
    contacts.note("twin", "kiosk-1")

    with monkeypatch.context() as disk:
        disk.setattr(diary, "note", _full)
        with pytest.raises(sa.exc.OperationalError):
            contacts.save(START_MS)
    assert contacts.save(START_MS)

    with store.read() as connection:
        seqs = connection.execute(sa.select(schema.STATION_TABLE.c.seq_last)).scalars().all()
        assert seqs == [9]
        assert connection.execute(sa.select(schema.EVENT.c.code)).scalars().all() == ["twin"]
    assert not contacts.save(START_MS)


def _full(*_what, **_detail):
    raise sa.exc.OperationalError("", {}, Exception("database or disk is full"))
