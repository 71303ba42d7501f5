"""A gateway and kiosks of one building, joined by a broker in memory, one clock for all.

The broker, the links and the gateway are those of `sim/house`; here they meet the little library
and the kiosks of the kiosk's own tests. `run` lets everybody work in turn, so a test plays the
same each time.
"""

from dataclasses import replace

from circulation.journal import SqliteJournal, open_station_db
from circulation.patrons import card_key
from gateway.catalogue import upsert_cards, upsert_items, upsert_patrons, upsert_titles
from gateway.policies import save_policy
from sim.house import lists
from sim.house.broker import Broker, BusLink
from sim.house.gateway import HouseGateway
from tests.kiosk import library
from tests.kiosk.library import Kiosk

LIBRARY = "school"
KEY = bytes.fromhex(library.SITE_KEY)


class Gateway(HouseGateway):
    """The gateway of a small library."""

    def __init__(self, folder, broker, clock):
        super().__init__(folder, broker, clock, library=LIBRARY, site_key=KEY)

    def fill(self):
        with self.store.write(LIBRARY) as write:
            save_policy(write, library.POLICY)
            for item_id, (title, author) in library.TITLES.items():
                title_id = f"t{item_id[1:]}"
                upsert_titles(write, [{"title_id": title_id, "title": title, "author": author}])
                row = {
                    "item_id": item_id,
                    "title_id": title_id,
                    "barcode": library.BARCODES[item_id],
                    "owner": library.OWNER,
                    "home": "main",
                    "reference": int(item_id == library.ATLAS),
                    "parts_total": 2 if item_id == library.SET else 1,
                    "uids": list(library.UIDS[item_id]),
                }
                upsert_items(write, [row])
            names = {library.ANNA: "Anna B.", library.BEN: "Ben C."}
            rows = [{"patron_id": i, "number": i, "short_name": n} for i, n in names.items()]
            upsert_patrons(write, rows)
            key = bytes.fromhex(library.CARD_KEY)
            cards = ((library.ANNA, library.ANNAS_CARD), (library.BEN, library.BENS_CARD))
            upsert_cards(
                write,
                [
                    {"card_key": card_key(key, number), "key_id": "1", "patron_id": who}
                    for who, number in cards
                ],
            )


class HouseKiosk(Kiosk):
    """A kiosk whose link and lists are those of the house."""

    def __init__(self, folder, broker, gateway, **options):
        self.broker, self.gateway = broker, gateway
        super().__init__(folder, **options)

    def start(self):
        """Switch the kiosk on, not connected yet."""
        super().start()
        fetcher = self.engine.lists.fetcher
        connect = lists.connector(self.gateway.serve)
        fetcher.shelf = replace(fetcher.shelf, open_connection=connect)
        self.link = BusLink(self.broker, self.engine.inbox.deliver)
        self.engine.uplink.link = self.link
        self.link.subscribe(self.engine.uplink.filters())

    def connect(self):
        """Plug the network in."""
        self.link.start()

    def disconnect(self):
        """Pull the network plug."""
        self.link.stop()

    def power_cut(self):
        """Nothing of the program survives; the broker publishes its will."""
        was_up, self.link.up = self.link.up, False
        self.broker.links.remove(self.link)
        if was_up:
            self.broker.publish(*self.engine.uplink.will(), True)
        super().power_cut()

    def work(self):
        """One round, and whatever list it wants fetched."""
        self.engine.step()
        for pointer in self.engine.lists.fetcher.take_wanted():
            self.engine.lists.fetcher.work(pointer)

    def journal(self):
        """The journal on the disk."""
        return self.engine.store.journal


class House:
    """One building."""

    def __init__(self, folder, clock, *, kiosks=("kiosk-1",)):
        self.folder, self.clock = folder, clock
        self.broker = Broker()
        self.gateway = Gateway(folder, self.broker, clock)
        self.kiosks = {
            name: HouseKiosk(
                folder, self.broker, self.gateway, station=name, clock=clock, seed=number
            )
            for number, name in enumerate(kiosks, 7)
        }

    def __getitem__(self, name):
        return self.kiosks[name]

    def open(self):
        """Connect everybody and wait until the lists are everywhere."""
        self.gateway.link.start()
        for kiosk in self.kiosks.values():
            kiosk.connect()
        return self.run(10_000)

    def run(self, ms=1_000):
        """Let everybody work for that long."""
        for _ in range(max(1, ms // 100)):
            self.clock.advance(100)
            if self.gateway.link.up:
                self.gateway.step()
            for kiosk in self.kiosks.values():
                kiosk.work()
        return self

    def close(self):
        """Close every file."""
        for kiosk in self.kiosks.values():
            kiosk.engine.lists.close()
            kiosk.engine.store.close()
        self.gateway.close()


def open_journal(path):
    """Open a journal as its program does; return it and its connection."""
    connection = open_station_db(path)
    return SqliteJournal(connection, epoch_id="e" * 16), connection
