"""A kiosk that follows a busy gateway, in a process of its own.

    python -m sim.measure.down_kiosk FOLDER GATEWAY_URL BROKER_PORT

Says `ready` in a file of that name when its catalogue is open; works until it has the version
that is named in a file `stop`, then prints one line of JSON: at what instant (ms since 1970) which
version was applied.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path

from circulation.config import Section
from circulation.link import Endpoint, Link, LinkEvent
from circulation.wire.topics import client_id
from hardware.clock import SystemClock
from kiosk.app import build_engine
from kiosk.board import Board
from kiosk.config import read_kiosk_config
from kiosk.devices import KioskDevices
from kiosk.engine import Engine
from sim.measure.library import LIBRARY, SITE, SITE_KEY

HOST = "127.0.0.1"
STATION = "follower"
STEP_S = 0.02


def main(folder: str, url: str, broker_port: str) -> None:
    """Follow the catalogue until told to stop."""
    place = Path(folder)
    engine = _kiosk(place, url, int(broker_port))
    link = Link(
        Endpoint(HOST, int(broker_port)),
        client_id=client_id(LIBRARY, STATION),
        will=engine.uplink.will(),
        deliver=partial(_hand_over, engine),
    )
    engine.uplink.link = link
    link.subscribe(engine.uplink.filters())
    engine.lists.fetcher.start()
    link.start()
    try:
        applied = _follow(engine, place)
    finally:
        link.stop()
        engine.lists.fetcher.stop()
        engine.lists.close()
        engine.store.close()
    sys.stdout.write(json.dumps(applied) + "\n")


def _hand_over(engine: Engine, event: LinkEvent) -> None:
    """Put what the link says on the queue; what does not fit comes again."""
    engine.inbox.deliver(event)


def _kiosk(folder: Path, url: str, broker_port: int) -> Engine:
    options = {
        "library": LIBRARY, "site": SITE, "station": STATION, "gateway_url": url,
        "site_key": SITE_KEY.hex(), "card_key": "00" * 16, "broker": {"port": broker_port},
        "store": {"path": str(folder / STATION / "station.db")}, "web": {"port": 0},
    }  # fmt: skip
    config = read_kiosk_config(Section(options, file="the following kiosk"))
    devices = KioskDevices(None, None, None, None)
    return build_engine(config, devices, clock=SystemClock(), board=Board())


def _follow(engine: Engine, folder: Path) -> list[tuple[int, int]]:
    """Work; note the version after every step that moved it."""
    applied: list[tuple[int, int]] = []
    while not _is_done(folder / "stop", applied):
        engine.step(wait_s=STEP_S)
        version = engine.lists.version("catalogue")
        if version and (not applied or version != applied[-1][1]):
            applied.append((time.time_ns() // 1_000_000, version))
            if len(applied) == 1:
                (folder / "ready").touch()
    return applied


def _is_done(stop: Path, applied: list[tuple[int, int]]) -> bool:
    """Return whether the version is here with which following ends."""
    return stop.exists() and (applied[-1][1] if applied else 0) >= int(stop.read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
