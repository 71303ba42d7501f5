"""A kiosk's new epoch, as the rest of the house sees it."""

from circulation.wire.messages import Applied, SiteLoan, decode
from tests.kiosk.library import ANNA, GOOSE, UIDS
from tests.seams.test_lineage import lend


def news_places(kiosk):
    rows = kiosk.engine.store.reader.execute(
        "SELECT epoch_n, seq FROM news WHERE own=1 ORDER BY n"
    )
    return [tuple(row) for row in rows]


def rot(kiosk):
    """Flip a bit of the newest row, as an old card does."""
    connection = kiosk.engine.store.connection
    connection.execute(
        "UPDATE journal SET prev_hash=zeroblob(16) WHERE seq=(SELECT max(seq) FROM journal)"
    )


def test_own_news_follow_their_facts_into_a_new_epoch_however_it_began(house):
    """Rows that rotted open an epoch while sending; no mark of it may un-lend what is not sent."""
    house.open()
    kiosk = house["kiosk-1"]
    kiosk.disconnect()
    lend(kiosk, GOOSE)
    rot(kiosk)

    kiosk.connect()
    house.run(200)

    epoch = kiosk.journal().epoch
    assert epoch.n == 2
    assert [n for n, _ in news_places(kiosk)] == [2]


def test_gates_hear_the_new_places_of_news_after_a_fork(house):
    """Or an old place would stand in their overlay for ever, since no mark covers it again."""
    house.open()
    kiosk = house["kiosk-1"]
    kiosk.disconnect()
    lend(kiosk, GOOSE)
    rot(kiosk)
    kiosk.connect()
    house.run(200)

    topic = kiosk.topics.site_loan("main")
    told = [decode(SiteLoan, payload) for name, payload in kiosk.link.sent if name == topic]

    assert [message.epoch for message in told][-1] == 2


def test_a_power_cut_between_epoch_and_news_is_mended_at_the_next_start(house):
    """The epoch and the places of the news are two transactions; a start makes them agree."""
    house.open()
    kiosk = house["kiosk-1"]
    kiosk.disconnect()
    lend(kiosk, GOOSE)
    kiosk.journal().open_epoch(0, "e" * 16, 2)

    kiosk.power_cut()
    kiosk.connect()
    house.run(200)

    assert [n for n, _ in news_places(kiosk)] == [2]
    assert kiosk.loan(GOOSE) == ANNA


def test_another_kiosk_moves_what_it_heard_to_the_new_epoch(two_kiosks):
    """A mark of the new epoch says nothing of facts that wait at its end."""
    house = two_kiosks.open()
    one, other = house["kiosk-1"], house["kiosk-2"]
    house.gateway.link.stop()
    lend(one, GOOSE)
    house.run(500)
    one.journal().open_epoch(0, "e" * 16, 2)
    one.engine.store.reposition()
    one.link.reconnect()
    house.run(500)
    lineage = other.engine.lists.lineage
    version = other.engine.lists.version("catalogue")

    other.hear(other.topics.applied("main"), Applied(version, {"kiosk-1": [2, 1]}, lineage))

    known = other.engine.lists.beliefs.by_uid(UIDS[GOOSE][0])
    assert known.item.loan is not None
