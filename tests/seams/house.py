"""A gateway, kiosks and gates of one building, joined by a broker in memory, one clock for all.

Everything is what runs in production but for the sockets of MQTT and the threads: the broker
delivers in order, keeps what is retained, publishes wills, and can lose what a test says. Lists
travel over real HTTP. `run` lets everybody work in turn, so a test plays the same each time.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import paho.mqtt.client as paho

from circulation.journal import SqliteJournal, open_station_db
from circulation.link import Connected, Disconnected, Received
from circulation.patrons import card_key
from gateway.board import Desk
from gateway.catalogue import upsert_cards, upsert_items, upsert_patrons, upsert_titles
from gateway.desk import DeskJournal
from gateway.hub import Hub
from gateway.policies import save_policy
from gateway.service import Service
from gateway.snapshots import Snapshots
from gateway.store import Store
from tests.kiosk import library
from tests.kiosk.library import Kiosk

LIBRARY = "school"
KEY = bytes.fromhex(library.SITE_KEY)


class Broker:
    """Topics, retained messages and wills; delivers in order, at once."""

    def __init__(self):
        self.links = []
        self.retained = {}
        self.lost = lambda topic: False

    def publish(self, topic, payload, retained):
        """Carry a message to everybody who listens; keep it if asked."""
        if self.lost(topic):
            return
        if retained:
            self.retained[topic] = payload
        for link in self.links:
            link.hear(topic, payload)


class BusLink:
    """What `circulation.link.Link` is to its program, on the broker in memory."""

    def __init__(self, broker, deliver):
        self.broker, self.deliver = broker, deliver
        self.filters = []
        self.up = False
        self.sent = []
        broker.links.append(self)

    def start(self):
        """Connect, and hear what was kept."""
        if not self.up:
            self.up = True
            self.deliver(Connected())
            self._hear_kept(self.filters)

    def stop(self):
        """Leave."""
        if self.up:
            self.up = False
            self.deliver(Disconnected("pulled"))

    def reconnect(self, why=""):
        """Leave and come again."""
        self.stop()
        self.start()

    def subscribe(self, topic_filters, *, qos=1):
        """Listen to more."""
        added = [one for one in topic_filters if one not in self.filters]
        self.filters += added
        if self.up:
            self._hear_kept(added)

    def publish(self, topic, payload, *, qos=1, retained=False):
        """Hand over, when connected."""
        if self.up:
            self.sent.append((topic, payload))
            self.broker.publish(topic, payload, retained)
        return self.up

    def hear(self, topic, payload):
        """Take a message that is sent just now."""
        if self.up and self._listens(topic, self.filters):
            self.deliver(Received(topic, payload, False))

    def _hear_kept(self, filters):
        for topic, payload in list(self.broker.retained.items()):
            if self._listens(topic, filters):
                self.deliver(Received(topic, payload, True))

    @staticmethod
    def _listens(topic, filters):
        return any(paho.topic_matches_sub(one, topic) for one in filters)


class Gateway:
    """The gateway of a small library, its writer stepped by hand."""

    def __init__(self, folder, broker, clock):
        self.folder, self.broker, self.clock = folder, broker, clock
        self.store = Store.at(folder / "gateway.db", clock=clock.wall_ms)
        self.store.migrate()
        self.store.create_library(LIBRARY)
        self._fill()
        self.begin("0000000b")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def begin(self, boot):
        """Start the program on what the disk has."""
        self.snapshots = Snapshots(self.store, LIBRARY, self.folder / "snapshots")
        self.hub = Hub(self.store, LIBRARY, self.snapshots, key=KEY, boot=boot)
        self.desk = DeskJournal(self.store, LIBRARY, self.folder / "desk.db")
        self.board = Desk(self.store, LIBRARY)
        self.inbox = []
        self.link = BusLink(self.broker, self.inbox.append)
        self.service = Service(self.hub, self.desk, beat=lambda: None)
        self.service._link = self.link
        self.link.subscribe(self.hub.filters())

    @property
    def url(self):
        """Where lists are fetched."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def step(self):
        """Take what has come; build what is due."""
        events, self.inbox[:] = list(self.inbox), []
        for kind in self.snapshots.due():
            self.snapshots.build(kind)
            self.service._new_lists.set()
        self.service._handle(events)

    def close(self):
        """Stop serving and close the database."""
        self.server.shutdown()
        self.server.server_close()
        self.store.close()

    def _fill(self):
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

    def _handler(self):
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                _, _, kind, _, version = self.path.split("/")
                content = gateway.snapshots.offered(kind, int(version)).file.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments):
                pass

        return Handler


class HouseKiosk(Kiosk):
    """A kiosk whose link and lists are those of the house."""

    def __init__(self, folder, broker, **options):
        self.broker = broker
        super().__init__(folder, **options)

    def start(self):
        """Switch the kiosk on, not connected yet."""
        super().start()
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
        wanted = self.engine.lists.fetcher._wanted
        while not wanted.empty():
            self.engine.lists.fetcher.work(wanted.get())

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
                folder, self.broker, station=name, clock=clock, gateway_url=self.gateway.url,
                seed=number,
            )
            for number, name in enumerate(kiosks, 7)
        }  # fmt: skip

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
