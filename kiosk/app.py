"""Wires one kiosk: every part is made here and given what it needs."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from circulation.config import Section
from circulation.download import SPARE_BYTES
from circulation.gateway_http import Connect
from circulation.link import Endpoint, Link
from circulation.salvage import Born
from circulation.wire.topics import Topics, client_id
from hardware.ports import Clock
from kiosk.beliefs import Beliefs
from kiosk.board import Board
from kiosk.config import KioskConfig, read_kiosk_config
from kiosk.desk import Desk
from kiosk.devices import KioskDevices
from kiosk.drafting import FactWriter, RandomBytes
from kiosk.drop import Drop
from kiosk.engine import Engine, Inbox, Pressed, free_bytes
from kiosk.fetching import Fetcher
from kiosk.identify import Identifier
from kiosk.ledger import Ledger
from kiosk.lists import Lists
from kiosk.recovery import Recovery
from kiosk.salvage import refill
from kiosk.session import Session
from kiosk.site import SiteVoice
from kiosk.snapshot import Shelf
from kiosk.store import Store
from kiosk.switching import Switcher
from kiosk.table import Table
from kiosk.timekeeping import StationTime
from kiosk.uplink import Uplink
from kiosk.web.actions import Action
from kiosk.web.app import build_app
from kiosk.web.server import WebServer, take_port

KEEPALIVE_S = 30


@dataclass(frozen=True, slots=True)
class Chance:
    """Where random bytes and numbers come from; a test passes a seeded one."""

    random_bytes: RandomBytes = secrets.token_bytes
    random_below: Callable[[int], int] = secrets.randbelow


def run(
    config: Section,
    devices: KioskDevices,
    *,
    clock: Clock,
    stop: threading.Event,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Run a kiosk until `stop` is set; `ready` is told where its screen is.

    Raises ConfigInvalid for anything in the configuration, before anything was started.
    """
    wanted = read_kiosk_config(config)
    config.close()
    taken = take_port(wanted.web_host, wanted.web_port)
    devices.start()
    board = Board()
    engine = build_engine(wanted, devices, clock=clock, board=board)
    link = _link(wanted, engine)
    engine.uplink.link = link
    server = WebServer(build_app(board, _presser(engine)), taken)
    try:
        engine.show()
        engine.lists.fetcher.start()
        link.start()
        server.start()
        ready(server.address)
        engine.run(stop)
    finally:
        _shut_down(engine, link, server, board)


def build_engine(
    config: KioskConfig,
    devices: KioskDevices,
    *,
    clock: Clock,
    board: Board,
    chance: Chance | None = None,
    open_connection: Connect | None = None,
) -> Engine:
    """Return a kiosk's engine, everything in it wired, not yet connected to a broker.

    open_connection: to the gateway's lists, if not as the configuration says.
    """
    chance = chance or Chance()
    boot = chance.random_bytes(4).hex()
    store = _open_store(config, chance, boot, clock.wall_ms())
    time = StationTime(clock, int(store.recall("latest_wall", "0")))
    writer = FactWriter(config.place, boot, time, chance.random_bytes)
    beliefs = Beliefs(store.reader)
    inbox = Inbox()
    spare_bytes = SPARE_BYTES + config.disk_free_bytes_min  # below that, lending would stop
    connect = open_connection or config.connector()
    shelf = Shelf(config.snapshots, config.gateway_url, connect, spare_bytes)
    fetcher = Fetcher(shelf, inbox.deliver)
    lists = Lists(store, beliefs, fetcher, chance.random_below)
    topics = Topics(config.place.library)
    site = SiteVoice(config.place, topics, config.site_key, store, beliefs)
    uplink = Uplink(
        config.place, topics, store, lists, site, writer, config.site_key, chance.random_below
    )
    site.publish = uplink.say
    ledger = Ledger(
        config.place, store, beliefs, writer, lambda: lists.policy,
        lambda: uplink.is_stale(time.mono_ms), site.announce, Drop(store) if config.drop else None,
    )  # fmt: skip
    identifier = Identifier(
        beliefs, ledger, lambda: lists.policy, config.place.site, config.card_key, config.owners
    )
    desk = Desk(
        Session(config.timing), ledger, identifier, Table(devices, identifier),
        Switcher(devices.reader), config.lends, lambda: chance.random_bytes(4).hex(),
        Recovery(ledger),
    )  # fmt: skip
    engine = Engine(
        config, store, time, devices, desk, uplink, lists, board, inbox,
        lambda: free_bytes(config),
    )  # fmt: skip
    lists.open_kept()
    return engine


def _open_store(config: KioskConfig, chance: Chance, boot: str, wall_ms: int) -> Store:
    """Open the database; a damaged one is kept for staff, and what it held is saved."""
    born = Born(lambda: chance.random_bytes(8).hex(), boot, wall_ms)
    store = Store.open_or_salvage(config.store, station=config.place.station, born=born)
    if store.salvaged is not None:
        refill(store, store.salvaged, config.snapshots)
    return store


def _link(config: KioskConfig, engine: Engine) -> Link:
    broker, place = config.broker, config.place
    link = Link(
        Endpoint(
            broker.host, broker.port, broker.username or None, broker.password or None,
            broker.ca_file or None,
        ),
        client_id=client_id(place.library, place.station),
        will=engine.uplink.will(),
        keepalive_s=KEEPALIVE_S,
        deliver=lambda event: _ignore(engine.inbox.deliver(event)),
    )  # fmt: skip
    link.subscribe(engine.uplink.filters())
    return link


def _ignore(_taken: bool) -> None:
    """A message that did not fit the queue comes again; the engine counts it."""


def _presser(engine: Engine) -> Callable[[Action], Any]:
    async def press(action: Action) -> dict[str, Any]:
        reply: Future[dict[str, Any]] = Future()
        if not engine.inbox.deliver(Pressed(action, reply)):
            return {"ok": False, "error": "the kiosk is busy; press again"}
        return await asyncio.wrap_future(reply)

    return press


def _shut_down(engine: Engine, link: Link, server: WebServer, board: Board) -> None:
    board.close()
    server.stop()
    engine.uplink.farewell()
    link.stop()
    engine.lists.fetcher.stop()
    engine.lists.close()
    engine.devices.close()
    engine.store.close()
