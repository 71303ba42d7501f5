"""What staff are told of rows that a station announced and no disk has any more."""

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.hub import Heard
from tests.gateway.conftest import START_MS, Station
from tests.gateway.test_hub import journal, status


def write(station, count):
    for _ in range(count):
        station.write("visit")


def gone(store):
    """Return the first and last row of every loss that staff are told of."""
    query = sa.select(schema.REVIEW.c.detail).where(schema.REVIEW.c.rule == "facts_lost")
    with store.read() as connection:
        details = [row.detail for row in connection.execute(query)]
    return sorted((detail["first"], detail["last"]) for detail in details)


@pytest.fixture
def old_card(hub):
    """A kiosk of which seven rows are applied; on an old card with two of them it wrote five
    others, and was lost before it had begun a new epoch."""
    kiosk = Station("kiosk-1", "a" * 16)
    write(kiosk, 2)
    hub.take([status(kiosk), journal(kiosk)], START_MS)
    rolled_back = Station("kiosk-1", "a" * 16)
    for row in kiosk.journal.rows(1, 2, 1 << 20):
        rolled_back.journal.append(row.body)
    write(kiosk, 5)
    hub.take([journal(kiosk, 3)], START_MS)
    write(rolled_back, 7)
    return rolled_back


def test_rows_of_a_fork_are_gone_though_others_stand_at_their_places(store, hub, old_card):
    """The rows applied behind the second are those of the card as it was before."""
    hub.take([status(old_card), journal(old_card)], START_MS)

    hub.take([status(Station("kiosk-1"))], START_MS + 60_000)

    assert gone(store) == [(3, 9)]


def test_a_fork_is_not_forgotten_with_the_next_birth(store, hub, old_card):
    """The same journal, one row longer, still differs from ours behind the second row."""
    hub.take([status(old_card), journal(old_card)], START_MS)
    write(old_card, 1)
    hub.take([status(old_card)], START_MS + 20_000)

    hub.take([status(Station("kiosk-1"))], START_MS + 60_000)

    assert gone(store) == [(3, 10)]


def test_a_kept_birth_of_a_journal_that_forked_adds_its_rows(store, hub, old_card):
    """The broker kept it from before; that it names more says nothing against the fork."""
    hub.take([status(old_card), journal(old_card)], START_MS)
    write(old_card, 3)
    heard = status(old_card)
    hub.take([Heard(heard.topic, heard.payload, retained=True)], START_MS + 20_000)

    hub.take([status(Station("kiosk-1"))], START_MS + 60_000)

    assert gone(store) == [(3, 12)]


def test_without_a_fork_only_what_was_not_applied_is_gone(store, hub):
    """Seven of nine rows are applied under their hashes."""
    kiosk = Station("kiosk-1")
    write(kiosk, 7)
    hub.take([status(kiosk), journal(kiosk)], START_MS)
    write(kiosk, 2)
    hub.take([status(kiosk)], START_MS + 20_000)

    hub.take([status(Station("kiosk-1"))], START_MS + 60_000)

    assert gone(store) == [(8, 9)]


def test_who_has_begun_a_new_epoch_has_lost_nothing(store, hub, old_card):
    """It copied what was not applied, and announces that under other places."""
    hub.take([status(old_card), journal(old_card)], START_MS)
    old_card.journal.open_epoch(2, "b" * 16, 2)

    hub.take([status(old_card), journal(old_card)], START_MS + 60_000)

    assert gone(store) == []


def test_where_a_fork_began_may_not_be_known(store, hub, old_card):
    """A batch that begins behind the fork says only that its first row follows another than
    ours; what is surely gone is what lies behind all that is applied."""
    hub.take([status(old_card), journal(old_card, 5)], START_MS)

    hub.take([status(Station("kiosk-1"))], START_MS + 60_000)

    assert gone(store) == [(8, 9)]
