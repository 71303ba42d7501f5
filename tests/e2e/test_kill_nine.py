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
BACK_S = 90  # a station that was cut off tries again after thirty seconds at the latest
GREETED_S = 20  # then the card is shown once more


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gateway, a kiosk and a street gate on the demo's broker."""
    with amqtt_broker() as broker, Site(tmp_path_factory.mktemp("site"), broker) as site:
        site.start("gateway", "kiosk-1", "gate-1")
        yield site


def tile(site, book):
    """Return the state of a book's tile on the screen, None where there is none."""
    return site.tiles("kiosk-1").get(book, {}).get("state")


def seconds_to_a_tick(site, card, book):
    """Lend a book on a day when nothing dies; return how long this machine takes for it."""
    site.show_card("kiosk-1", card)
    began = time.monotonic()
    site.place("kiosk-1/pad", book)
    site.wait("the tick", lambda: tile(site, book), "done")
    took_s = time.monotonic() - began
    site.finish("kiosk-1", card)
    return took_s


def lend_until(site, book, deadline):
    """Lay a book on the pad and look at the screen until then; return whether it was ticked."""
    site.place("kiosk-1/pad", book)
    ticked = False

    def look():
        nonlocal ticked
        ticked = ticked or tile(site, book) == "done"
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
            site.show_card("kiosk-1", card, within_s=GREETED_S)
            return
        site.finish("kiosk-1", card)
    raise NotSo(f"nobody greets {card}")


def kiosk_facts(site):
    """Return the ids of the facts in the kiosk's journal."""
    return [fact["id"] for fact in facts_in(site.folder / "kiosk-1.db")]


def arrived_facts(site):
    """Return the ids of the kiosk's facts as they lie in the gateway's database."""
    connection = sqlite3.connect(f"file:{site.folder / 'gateway.db'}?mode=ro", uri=True)
    try:
        query = "SELECT id FROM fact WHERE station = 'kiosk-1'"
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


@pytest.mark.timeout(900)  # twenty starts, of programs that compete for a slow machine
def test_twenty_kills_lose_no_tick_and_repeat_no_fact(site, seed):
    """All of a site dies at random while readers borrow: each tick arrives once, no alarm."""
    chance = random.Random(seed)
    first, *books = [key for key, thing in site.world.things.items() if thing.kind == "book"]
    tick_s = seconds_to_a_tick(site, CARDS[-1], first)
    ticked = {first}
    victims = list(VICTIMS) * (KILLS // len(VICTIMS))
    chance.shuffle(victims)
    for n, (book, victim) in enumerate(zip(books, victims, strict=False)):
        card = CARDS[n % len(CARDS)]
        try_to_greet(site, card)
        if lend_until(site, book, time.monotonic() + chance.uniform(0, 2 * tick_s)):
            ticked.add(book)
        site.kill9(victim)
        if victim != "kiosk-1":
            site.wait("ticked all the same", lambda book=book: tile(site, book), "done")
            ticked.add(book)
        bring_back(site, victim)
        site.finish("kiosk-1", card)

    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    site.wait(
        "nothing is missing", lambda: set(kiosk_facts(site)) - set(arrived_facts(site)), set()
    )
    assert len(ticked) >= KILLS // 2, "too few loans to mean anything"
    arrived = arrived_facts(site)
    assert len(arrived) == len(set(arrived))
    assert set(arrived) <= set(kiosk_facts(site))
    lost = {book for book in ticked if checkouts(site, book) != 1}
    assert lost == set()
    assert {site.state(book) for book in ticked} == {"on_loan"}
    site.walk_out("gate-1", *ticked)
    assert not site.rang("gate-1")


def checkouts(site, book):
    """Return how many loans of a book the gateway knows."""
    return sum(fact["fields"]["kind"] == "checkout" for fact in site.item(book)["facts"])
