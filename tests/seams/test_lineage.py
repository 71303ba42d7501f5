"""A gateway that was restored, as its stations see it."""

from gateway import lineage as history
from gateway import schema
from tests.kiosk.library import GOOSE
from tests.seams.house import LIBRARY


def lineage(house):
    with house.gateway.store.read() as connection:
        return history.current(connection, LIBRARY)


def age_the_catalogue(house):
    """Put the gateway's lists back by a few versions, as an old backup has them."""
    with house.gateway.store.write(LIBRARY) as write:
        feed = schema.FEED
        write.execute(write.update(feed).values(version=feed.c.version - 1))


def test_a_restored_gateway_takes_one_new_lineage_not_one_a_birth(house):
    """A station that still has the old history's lists does not prove the new one wrong."""
    house.open()
    kiosk = house["kiosk-1"]
    lend(kiosk, GOOSE)
    house.run(5_000)
    age_the_catalogue(house)
    house.gateway.serves = False  # no list can be fetched for now

    kiosk.link.reconnect()
    house.run(2_000)
    taken = lineage(house)
    for _ in range(3):
        kiosk.link.reconnect()
        house.run(2_000)

    assert kiosk.journal().lineage == taken
    assert lineage(house) == taken


def test_a_kiosk_settles_its_news_again_after_a_new_lineage(house):
    """What the new history has applied is its catalogue's to say, though no mark has moved."""
    house.open()
    kiosk = house["kiosk-1"]
    lend(kiosk, GOOSE)
    house.run(20_000)
    assert not uncovered(kiosk)

    house.gateway.hub.rotate_lineage("tried by a test")
    house.run(60_000)

    assert kiosk.engine.lists.lineage == lineage(house)
    assert not uncovered(kiosk)


def lend(kiosk, item_id):
    kiosk.show_card()
    kiosk.place(item_id)
    kiosk.lift(item_id)
    kiosk.press("finish")


def uncovered(kiosk):
    query = "SELECT fact FROM news WHERE done=0"
    return kiosk.engine.store.reader.execute(query).fetchall()
