"""The gateway of a house: its own store, hub and service, stepped by hand."""

import sqlite3
import tempfile
from functools import lru_cache, partial
from pathlib import Path

from circulation.patrons import card_key
from gateway.board import Desk
from gateway.desk import DeskJournal
from gateway.hub import Hub
from gateway.imports.apply import Importer
from gateway.imports.items_csv import read_items
from gateway.imports.labels import LabelMaker
from gateway.imports.patrons_csv import read_patrons
from gateway.policies import default_document, save_policy
from gateway.service import Service
from gateway.snapshots import Snapshots
from gateway.store import Store
from hardware.ports import Clock
from sim.clock import WALL_START_MS
from sim.demo_files import LIBRARY, ZONE
from sim.demo_plan import ITEMS_FILE, PATRONS_FILE
from sim.errors import SimError
from sim.house import lists
from sim.house.broker import Broker, BusLink

KEEPALIVE_S = 30


class HouseGateway:
    """A gateway in the house. `desk`, `board`, `hub` and `store` are the real ones."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        clock: Clock,
        *,
        library: str = LIBRARY,
        site_key: bytes,
        database: bytes | None = None,
    ) -> None:
        """database: the bytes of a filled one, see `filled_database`; else it begins empty."""
        self.folder, self.broker, self.clock = folder, broker, clock
        self.library, self.site_key = library, site_key
        self.serves = True
        file = folder / "gateway.db"
        if database is not None:
            file.write_bytes(database)
        self.store = Store.at(file, clock=clock.wall_ms)
        if database is None:
            self.store.migrate()
            self.store.create_library(library)
            self.fill()
        self.begin("0000000b")

    def fill(self) -> None:
        """Put something into an empty library; nothing, unless a test says otherwise."""

    def begin(self, boot: str, link: BusLink | None = None) -> None:
        """Start the program on what the disk has, not connected yet."""
        self.snapshots = Snapshots(self.store, self.library, self.folder / "snapshots")
        self.hub = Hub(self.store, self.library, self.snapshots, key=self.site_key, boot=boot)
        self.desk = DeskJournal(self.store, self.library, self.folder / "gateway-desk.db")
        self.board = Desk(self.store, self.library)
        self.service = Service(self.hub, self.desk, beat=lambda: None)
        self.link = link or BusLink(self.broker, self.deliver)
        self.service.join(self.link)

    def shut_down(self) -> None:
        """End the program in good order; `start_again` begins a new one on the same disk."""
        self.link.stop()
        self.store.close()

    def start_again(self, boot: str) -> None:
        """Start the program as `gateway.app` does, on what the disk has now, and connect."""
        self.store = Store.at(self.folder / "gateway.db", clock=self.clock.wall_ms)
        self.begin(boot, self.link)
        self.desk.hand_over(self.hub.ingest)
        self.hub.ingest.retry_parked()
        self.link.start()

    def deliver(self, event: object) -> None:
        """Take what the link brings."""
        self.service.deliver(event)  # type: ignore[arg-type]

    def step(self) -> None:
        """Take what has come; build what is due."""
        self.service.step()

    def serve(self, path: str) -> bytes:
        """Return a list as a station asks for it; refuses while it does not serve."""
        if not self.serves:
            raise ConnectionRefusedError("the gateway serves no lists just now")
        return lists.serve(self.snapshots, path)

    def item_state(self, number: str) -> str | None:
        """Return the state of an item by its label or id, None if there is no such item."""
        found = self.board.item(number)
        return None if found is None else str(found["state"])

    def alarm_titles(self) -> list[str]:
        """Return the titles of all alarms, the newest first; "" where none is known."""
        return [alarm.title or "" for alarm in self.board.alarms()]

    def close(self) -> None:
        """Close the database."""
        self.store.close()


@lru_cache(maxsize=4)
def filled_database(library: Path, card_secret: str) -> bytes:
    """Return the bytes of a gateway's database that holds a library folder's books and readers.

    Made once a process: migrating and importing takes longer than playing a scenario. Raises
    `SimError` naming the first line that cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="lendgate-") as folder:
        file = Path(folder) / "gateway.db"
        store = Store.at(file, clock=lambda: WALL_START_MS)
        try:
            store.migrate()
            store.create_library(LIBRARY)
            with store.write(LIBRARY) as write:
                save_policy(write, default_document(ZONE))
            _import(store, library, bytes.fromhex(card_secret))
        finally:
            store.close()
        connection = sqlite3.connect(file)
        try:
            return bytes(connection.serialize())
        finally:
            connection.close()


def _import(store: Store, library: Path, card_secret: bytes) -> None:
    importer = Importer(store, LIBRARY)
    items = importer.titles(read_items(library / ITEMS_FILE), labels=LabelMaker())
    patrons = importer.patrons(
        read_patrons(library / PATRONS_FILE), card_key=partial(card_key, card_secret), key_id="1"
    )
    refused = [one for report in (items, patrons) for one in report.problems if one.refused]
    if refused:
        raise SimError(f"{refused[0].place}: {refused[0].reason}")
