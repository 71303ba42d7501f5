"""The kiosk's side of a cold start, in a process of its own, so that its memory is its own.

    python -m sim.measure.cold_kiosk FOLDER GATEWAY_URL BARCODE POINTER_FILE COPY_FILE

Prints one line of JSON. It imports the kiosk and nothing of the gateway.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from circulation.config import Section
from circulation.wire.messages import Pointer, decode
from hardware.clock import SystemClock
from kiosk.app import build_engine
from kiosk.board import Board
from kiosk.config import read_kiosk_config
from kiosk.devices import KioskDevices
from kiosk.engine import Engine
from sim.errors import SimError
from sim.measure.machine import peak_rss_mb
from sim.measure.numbers import timed

FETCH_S_MAX = 1_500
BLOCK_BYTES = 1 << 20


def main(folder: str, url: str, barcode: str, pointer_file: str, copy_file: str) -> None:
    """Fetch, check, swap and open the catalogue; look one item up; print what it took."""
    pointer = decode(Pointer, Path(pointer_file).read_bytes())
    engine = _kiosk(Path(folder), url)
    try:
        started_mb = peak_rss_mb()
        with timed() as ours:
            with timed() as fetching:
                _fetch(engine, pointer)
            known = engine.lists.beliefs.by_barcode(barcode)
        if known is None:
            raise SimError(f"the new catalogue does not know {barcode}")
        peak_mb = peak_rss_mb()
        with timed() as floor:
            copy_and_hash(Path(copy_file), Path(folder) / "copy")
        found = {"seconds": ours.seconds, "copy_seconds": floor.seconds}
        found["fetch_seconds"] = fetching.seconds
        found |= {"started_mb": started_mb, "peak_mb": peak_mb, "bytes": pointer.bytes}
        sys.stdout.write(json.dumps(found) + "\n")
    finally:
        engine.lists.fetcher.stop()
        engine.lists.close()
        engine.store.close()


def _kiosk(folder: Path, url: str) -> Engine:
    options = {
        "library": "measured", "site": "main", "station": "kiosk-1", "gateway_url": url,
        "site_key": "00" * 16, "card_key": "00" * 16, "broker": {"port": 1},
        "store": {"path": str(folder / "cold" / "station.db")}, "web": {"port": 0},
    }  # fmt: skip
    config = read_kiosk_config(Section(options, file="the cold kiosk"))
    devices = KioskDevices(None, None, None, None)
    return build_engine(config, devices, clock=SystemClock(), board=Board())


def _fetch(engine: Engine, pointer: Pointer) -> None:
    """Let the kiosk hear of the list and work until the list is open."""
    lists = engine.lists
    lists.fetcher.start()
    lists.on_pointer(pointer, engine.time.mono_ms)
    ready = engine.inbox.next(FETCH_S_MAX)
    if ready is None:
        raise SimError(f"no list after {FETCH_S_MAX} s")
    engine.inbox.deliver(ready)
    while lists.version("catalogue") != pointer.version:
        if lists.trouble:
            raise SimError(str(lists.trouble))
        engine.step()


def copy_and_hash(source: Path, target: Path) -> None:
    """Do the least that anybody must: read the bytes, hash them, write them, force them out."""
    digest = hashlib.sha256()
    with source.open("rb") as old, target.open("wb") as new:
        while block := old.read(BLOCK_BYTES):
            digest.update(block)
            new.write(block)
        new.flush()
        os.fsync(new.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
