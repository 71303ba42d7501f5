"""A gate's alarm whose book a kiosk has named."""

import pytest

from gateway.board import Desk
from gateway.ingest import Ingest
from gateway.store import Store
from tests.gateway.conftest import LIBRARY, START_MS, Station


@pytest.fixture
def store(tmp_path):
    """An empty library."""
    made = Store.at(tmp_path / "gateway.db", clock=lambda: START_MS)
    made.migrate()
    made.create_library(LIBRARY)
    yield made
    made.close()


@pytest.mark.parametrize(("by", "is_answered"), [("kiosk", False), ("button", True)])
def test_only_a_person_answers_an_alarm(store, by, is_answered):
    """A kiosk that names the book is of help to the guard; nobody has come yet."""
    gate = Station("gate-1")
    alarm = gate.write("alarm", gate="gate-1", uid="e004010000001001", row=4, direction="out")
    gate.write("alarm_answered", gate="gate-1", alarm=alarm, by=by)

    Ingest(store, LIBRARY).take([gate.batch()])

    (shown,) = Desk(store, LIBRARY).alarms()
    assert (shown.answered_at is not None) == is_answered
