"""Random days of two kiosks and a gateway: in the end all believe the same, whatever broke."""

import random

import pytest

from gateway import schema
from tests.kiosk.library import ANNAS_CARD, ATLAS, BENS_CARD, GOOSE, MOMO

BOOKS = (GOOSE, MOMO, ATLAS)
EVENTS = 14


def lend(kiosk, rng):
    kiosk.show_card(rng.choice((ANNAS_CARD, BENS_CARD)))
    item = rng.choice(BOOKS)
    kiosk.place(item)
    kiosk.lift(item)
    kiosk.press("finish")


def take_back(kiosk, rng):
    kiosk.press("mode", mode="return")
    item = rng.choice(BOOKS)
    kiosk.place(item)
    kiosk.lift(item)
    kiosk.press("finish")


def restart_gateway(house, rng):
    house.gateway.link.stop()
    house.broker.links.remove(house.gateway.link)
    house.gateway.begin(f"{rng.getrandbits(32):08x}")
    house.gateway.link.start()


def happen(house, rng):
    kiosk = rng.choice(list(house.kiosks.values()))
    what = rng.choices(
        ("lend", "return", "cut", "join", "power", "gateway", "rotate", "away"),
        (5, 4, 2, 2, 1, 1, 1, 1),
    )[0]
    if what == "lend":
        lend(kiosk, rng)
    elif what == "return":
        take_back(kiosk, rng)
    elif what == "cut":
        kiosk.disconnect()
    elif what == "join":
        kiosk.connect()
    elif what == "power":
        kiosk.power_cut()
    elif what == "gateway":
        restart_gateway(house, rng)
    elif what == "rotate" and house.gateway.link.up:
        house.gateway.hub.rotate_lineage("tried by a test")
    elif what == "away":
        house.gateway.link.stop()
    house.run(rng.choice((200, 2_000)))
    return what


def believed(kiosk, item_id):
    known = kiosk.engine.lists.beliefs.item(item_id)
    return known.patron_id


@pytest.mark.parametrize("number", range(3))
def test_after_any_day_everybody_believes_the_same(two_kiosks, seed, number):
    """Nothing waits, nothing is lost or applied twice, and no belief outlives its news."""
    house, rng = two_kiosks.open(), random.Random(seed + number)

    happened = [happen(house, rng) for _ in range(EVENTS)]
    print(seed + number, happened)  # noqa: T201
    house.broker.lost = lambda topic: False
    house.gateway.link.start()
    for kiosk in house.kiosks.values():
        kiosk.connect()
    house.run(100_000)

    with house.gateway.store.read() as connection:
        rows = connection.execute(schema.FACT.select()).all()
        held = {row.item_id: row for row in connection.execute(schema.HOLDING.select())}
    ids = {row.id for row in rows}
    for kiosk in house.kiosks.values():
        assert kiosk.engine.uplink.waiting == 0
        assert {body["id"] for body in kiosk.facts()} <= ids
        news = kiosk.engine.store.reader.execute("SELECT fact FROM news WHERE done=0").fetchall()
        assert news == []
        for item_id in BOOKS:
            row = held.get(item_id)
            lent_to = row.patron_id if row is not None and row.state == "on_loan" else None
            assert believed(kiosk, item_id) == lent_to
