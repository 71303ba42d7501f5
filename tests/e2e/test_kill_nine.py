"""Whatever is killed, and whenever: what the screen ticked reaches the gateway, exactly once.

Killing a process proves nothing about the disk, so the power cut has tests of its own: stores are
copied as they lie on the disk after a commit, with the next write torn off somewhere.
"""

import contextlib
import random
import sqlite3
import time

import pytest

from sim.http import HttpFailed
from tests.support.brokers import amqtt_broker
from tests.support.journals import facts_in
from tests.support.programs import NotSo, wait_until
from tests.support.site import Site

KILLS = 20
VICTIMS = ("kiosk-1", "gateway", "broker", "gate-1")
CARDS = [f"2071500000{n}" for n in ("0017", "0025", "0033", "0041", "0058", "0066")]
BACK_S = 60  # a station that was cut off tries again after thirty seconds at the latest


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gateway, a kiosk and a street gate on the demo's broker."""
    with amqtt_broker() as broker, Site(tmp_path_factory.mktemp("site"), broker) as site:
        site.start("gateway", "kiosk-1", "gate-1")
        yield site


def lend_until(site, book, deadline):
    """Lay a book on the pad and look at the screen until then; return whether it was ticked."""
    site.place("kiosk-1/pad", book)
    ticked = False

    def look():
        nonlocal ticked
        ticked = ticked or site.tiles("kiosk-1").get(book, {}).get("state") == "done"
        return time.monotonic() >= deadline

    wait_until("the moment of the kill", look)
    return ticked


def bring_back(site, victim):
    """Switch on again what was killed."""
    if victim == "broker":
        site.broker.start()
    else:
        site.start(victim)


def try_to_greet(site, card):
    """Show a card; a kiosk that is still waking up may need it shown again."""
    for _ in range(5):
        with contextlib.suppress(NotSo, HttpFailed):
            site.show_card("kiosk-1", card)
            return
        site.finish("kiosk-1", card)
    raise NotSo(f"nobody greets {card}")


def gateway_facts(site, station):
    """Return the ids and bodies of a station's facts as they lie in the gateway's database."""
    connection = sqlite3.connect(f"file:{site.folder / 'gateway.db'}?mode=ro", uri=True)
    try:
        query = "SELECT id, body FROM fact WHERE station = ?"
        return [(row[0], row[1]) for row in connection.execute(query, (station,))]
    finally:
        connection.close()


def test_twenty_kills_lose_no_tick_and_repeat_no_fact(site, seed):
    """All of a site dies at random while readers borrow: each tick arrives once, no alarm."""
    chance = random.Random(seed)
    books = [key for key, thing in site.world.things.items() if thing.kind == "book"]
    ticked = set()
    for n, book in enumerate(books[:KILLS]):
        card = CARDS[n % len(CARDS)]
        victim = VICTIMS[n % len(VICTIMS)] if n < len(VICTIMS) else chance.choice(VICTIMS)
        try_to_greet(site, card)
        if lend_until(site, book, time.monotonic() + chance.uniform(0, 0.6)):
            ticked.add(book)
        site.kill9(victim)
        if victim != "kiosk-1" and lend_until(site, book, time.monotonic() + 0.5):
            ticked.add(book)
        bring_back(site, victim)
        site.finish("kiosk-1", card)

    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    own = [fact["id"] for fact in facts_in(site.folder / "kiosk-1.db")]
    arrived = gateway_facts(site, "kiosk-1")
    assert len(ticked) >= KILLS // 2, "too few loans to mean anything"
    assert sorted(fact_id for fact_id, _ in arrived) == sorted(set(own))
    lost = {book for book in ticked if checkouts(site, book) != 1}
    assert lost == set()
    assert {site.state(book) for book in ticked} == {"on_loan"}
    site.walk_out("gate-1", *ticked)
    assert not site.rang("gate-1")


def checkouts(site, book):
    """Return how many loans of a book the gateway knows."""
    return sum(fact["fields"]["kind"] == "checkout" for fact in site.item(book)["facts"])
