"""A small library for the kiosk's tests: lists as the gateway builds them, books, a kiosk."""

import json
import random
import sqlite3
from concurrent.futures import Future

from circulation.config import Section
from circulation.link import Connected, Disconnected, Received
from circulation.patrons import card_key
from circulation.wire.fact import decode_body
from circulation.wire.messages import (
    Applied,
    Head,
    Pointer,
    Request,
    SiteLoan,
    Status,
    Telemetry,
    TimeReply,
    decode,
    encode,
    sealed,
)
from circulation.wire.topics import Topics
from gateway.list_tables import CATALOGUE_SQL, PATRONS_SQL
from hardware.chips.tag_data import new_content
from hardware.ports import NTAG, Security
from kiosk.app import Chance, build_engine
from kiosk.board import Board
from kiosk.config import read_kiosk_config
from kiosk.devices import KioskDevices
from kiosk.engine import Pressed
from kiosk.fetching import SnapshotReady
from kiosk.pad import LIFT_MS
from kiosk.session import LEFT_AWAY_MS
from kiosk.web.actions import read_action
from sim.clock import WALL_START_MS, VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.tags import SimTag

LINEAGE = "1a" * 8
SITE_KEY = "5e" * 16
CARD_KEY = "ca" * 16
OWNER = "DE-715"
DAY_MS = 86_400_000

ANNA, BEN = "a" * 16, "b" * 16
ANNAS_CARD, BENS_CARD = "04a1b2c3d4e580", "04a1b211223380"
GOOSE, MOMO, ATLAS, SET = "0" * 15 + "1", "0" * 15 + "2", "0" * 15 + "3", "0" * 15 + "4"
UIDS = {
    GOOSE: ("e004015000000001",),
    MOMO: ("e004015000000002",),
    ATLAS: ("e004015000000003",),
    SET: ("e004015000000004", "e004015000000005"),
}
BARCODES = {GOOSE: "30000001", MOMO: "30000002", ATLAS: "30000003", SET: "30000004"}
TITLES = {
    GOOSE: ("The Snow Goose", "Paul Gallico"),
    MOMO: ("Momo", "Michael Ende"),
    ATLAS: ("World Atlas", "Oxford"),
    SET: ("Learn Finnish, with disc", "Salla Nurminen"),
}
CARD_BARCODES = {ANNA: "2000001", BEN: "2000002"}

POLICY = {
    "zone": "Europe/Berlin",
    "categories": {"reader": {}},
    "members": [OWNER],
    "sites": ["main"],
    "versions": [
        {"version": 1, "from": "2020-01-01", "rules": [{"loan": {"days": 28}, "max_loans": 5}]}
    ],
    "barcodes": {
        "*": [{"kind": "patron", "mask": "2#{6}"}, {"kind": "item", "mask": "3#{7}"}],
    },
}


def item_row(item_id, **changed):
    row = {
        "item_id": item_id, "title_id": f"t{item_id[1:]}", "barcode": BARCODES[item_id],
        "accession_no": None, "item_type": "book", "owner": OWNER, "home": "main",
        "location": None, "shelf_mark": "QA 268", "reference": int(item_id == ATLAS),
        "not_for_loan": 0, "parts_total": 2 if item_id == SET else 1, "price_cents": None,
        "state": "available", "patron_id": None, "loan": None, "due_at": None, "reach": 0,
        "renewals": 0, "unsecured": 0, "last_fact": None, "held_for": None,
    }  # fmt: skip
    return row | changed


def item_doc(item_id, *, uids=None, **changed):
    """An item as a change names it."""
    title, author = TITLES[item_id]
    return item_row(item_id, **changed) | {
        "uids": list(UIDS[item_id] if uids is None else uids),
        "title": {
            "title_id": f"t{item_id[1:]}", "title": title, "author": author, "isbn": None,
            "year": 1941,
        },
    }  # fmt: skip


def patron_row(patron_id, **changed):
    names = {ANNA: "Anna B.", BEN: "Ben C."}
    row = {
        "patron_id": patron_id, "short_name": names[patron_id], "category": "reader",
        "class": None, "member": OWNER, "expires_on": None, "blocked": "[]", "fee_cents": 0,
        "pin_hash": None,
    }  # fmt: skip
    return row | changed


def write_catalogue(path, *, version, items=(), uids=None, lineage=LINEAGE):
    """Build a catalogue snapshot; `items` are rows that differ from the shelf's."""
    rows = {item_id: item_row(item_id) for item_id in TITLES}
    rows.update({row["item_id"]: row for row in items})
    known = UIDS if uids is None else uids
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as base:
        base.executescript(CATALOGUE_SQL)
        for row in rows.values():
            _insert(base, "item", row)
        for item_id, (title, author) in TITLES.items():
            values = (f"t{item_id[1:]}", title, author, None, 1941)
            base.execute("INSERT INTO title VALUES (?,?,?,?,?)", values)
        pairs = [(uid, item_id) for item_id, tags in known.items() for uid in tags]
        base.executemany("INSERT INTO item_uid VALUES (?,?)", pairs)
        _write_meta(base, version, lineage)
    base.close()


def write_patrons(path, *, version=1, patrons=(), cards=(), lineage=LINEAGE):
    path.unlink(missing_ok=True)
    rows = {patron_id: patron_row(patron_id) for patron_id in (ANNA, BEN)}
    rows.update({row["patron_id"]: row for row in patrons})
    key = bytes.fromhex(CARD_KEY)
    known = {
        card_key(key, number): (patron_id, "active")
        for patron_id, number in (
            (ANNA, ANNAS_CARD), (BEN, BENS_CARD), *CARD_BARCODES.items(),
        )
    }  # fmt: skip
    known.update({card_key(key, number): (who, status) for number, who, status in cards})
    with sqlite3.connect(path) as base:
        base.executescript(PATRONS_SQL)
        for row in rows.values():
            _insert(base, "patron", row)
        for found, (patron_id, status) in known.items():
            base.execute("INSERT INTO card VALUES (?,?,?,?)", (found, "k1", patron_id, status))
        _write_meta(base, version, lineage)
    base.close()


def _insert(base, table, row):
    marks = ", ".join("?" * len(row))
    base.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def _write_meta(base, version, lineage):
    base.execute("PRAGMA user_version=1")
    meta = {"lineage": lineage, "version": str(version), "schema": "1"}
    base.executemany("INSERT INTO meta VALUES (?,?)", meta.items())


def pointer(kind, version, *, lineage=LINEAGE, size=1, sha256="0" * 64):
    form = "json-1" if kind == "policy" else "sqlite-1"
    return Pointer(
        kind, form, lineage, version, size, sha256, f"/snapshot/{kind}/{form}/{version}"
    )


class FakeLink:
    """A link that keeps what was published; `up` False takes nothing, and `room` so much more."""

    def __init__(self):
        self.up = False
        self.room = 1_000_000
        self.sent = []
        self.reconnects = []

    def publish(self, topic, payload, *, qos=1, retained=False):
        if not self.up or not self.room:
            return False
        self.room -= 1
        self.sent.append((topic, payload))
        return True

    def reconnect(self, why=""):
        self.reconnects.append(why)


class Kiosk:
    """A whole kiosk on simulated devices and a virtual clock, stepped by hand."""

    def __init__(self, folder, *, station="kiosk-1", clock=None, seed=7, devices=None, **options):
        self.folder = folder
        self.station = station
        self.clock = clock or VirtualClock()
        self.seed = seed
        self.pad = SimReader(self.clock, name="pad")
        self.cards = SimReader(self.clock, name="cards", technologies=(NTAG,))
        self.scanner = SimScanner()
        self.printer = SimPrinter()
        self.devices = devices or KioskDevices(self.pad, self.scanner, self.cards, self.printer)
        self.options = options
        self.tags = {}
        self.start()

    def start(self):
        """Switch the kiosk on; also after a power cut."""
        self.link = FakeLink()
        self.board = Board()
        chance = random.Random(self.seed)
        self.seed += 1
        config = read_kiosk_config(Section(self.settings(), file="test"))
        self.engine = build_engine(
            config, self.devices, clock=self.clock, board=self.board,
            chance=Chance(chance.randbytes, chance.randrange),
        )  # fmt: skip
        self.engine.uplink.link = self.link
        self.topics = Topics("school")

    def settings(self):
        return {
            "library": "school", "site": "main", "room": "hall", "station": self.station,
            "name": "Kiosk by the door", "gateway_url": "http://127.0.0.1:1",
            "site_key": SITE_KEY, "card_key": CARD_KEY, "broker": {"port": 1},
            "store": {"path": str(self.folder / f"{self.station}.db")}, "web": {"port": 0},
        } | self.options  # fmt: skip

    def power_cut(self):
        """Nothing of the program survives but its files and what lies on the table."""
        self.engine.lists.close()
        self.engine.store.close()
        self.start()

    def load(self, *, version=1, items=(), patrons=(), cards=(), policy=None, uids=None):
        """Give the kiosk its lists, as if just fetched."""
        self.load_catalogue(version=version, items=items, uids=uids)
        file = self.folder / f"{self.station}-patrons-{version}.db"
        write_patrons(file, version=version, patrons=patrons, cards=cards)
        self.ready(pointer("patrons", version), file)
        self.load_policy(policy or POLICY, version=version)
        return self

    def load_catalogue(self, *, version, items=(), uids=None, lineage=LINEAGE):
        file = self.folder / f"{self.station}-catalogue-{lineage}-{version}.db"
        write_catalogue(file, version=version, items=items, uids=uids, lineage=lineage)
        self.ready(pointer("catalogue", version, lineage=lineage), file)

    def ready(self, found, file):
        """A list was fetched."""
        self.engine.lists.on_ready(SnapshotReady(found, file), self.engine.time.mono_ms)

    def load_policy(self, policy, *, version=1):
        file = self.folder / f"{self.station}-policy-{version}.json"
        file.write_text(json.dumps({"policies": [policy]}))
        self.ready(pointer("policy", version), file)

    def run(self, ms=1_000):
        """Let the kiosk work for that long."""
        for _ in range(max(1, ms // 100)):
            self.clock.advance(100)
            self.engine.step()
        return self

    def place(self, item_id, *, part=0):
        """Lay a book on the pad, its tag as the last visit left it."""
        tag = self.tag(item_id, part=part)
        self.pad.place(tag)
        return self.run(800)

    def tag(self, item_id, *, part=0):
        uid = UIDS[item_id][part]
        total = len(UIDS[item_id])
        if uid not in self.tags:
            content = new_content(BARCODES[item_id], OWNER, part=part + 1, parts=total)
            self.tags[uid] = SimTag(uid, content=content, security=Security.IN_STOCK)
        return self.tags[uid]

    def lift(self, item_id, *, part=0):
        """Take a book off the pad and away, for longer than any flicker."""
        self.pad.lift(UIDS[item_id][part])
        return self.run(LIFT_MS + LEFT_AWAY_MS + 300)

    def flicker(self, item_id, ms):
        """Let a book drop out of the field for a moment, as weak tags do."""
        self.pad.lift(UIDS[item_id][0])
        self.run(ms)
        self.pad.place(self.tag(item_id))
        return self.run(500)

    def show_card(self, uid=ANNAS_CARD):
        """Hold a card to the reader and take it away again."""
        self.cards.place(SimTag(uid, technology=NTAG))
        self.run(500)
        self.cards.lift(uid)
        return self.run(500)

    def scan(self, code):
        self.scanner.scan(code)
        return self.run(500)

    def press(self, name, **values):
        """Press a button of the screen; return the answer."""
        reply = Future()
        self.engine.inbox.deliver(Pressed(read_action(name, json.dumps(values).encode()), reply))
        self.run(100)
        return reply.result(timeout=0)

    def connect(self):
        self.link.up = True
        self.engine.inbox.deliver(Connected())
        return self.run(100)

    def disconnect(self):
        self.link.up = False
        self.engine.inbox.deliver(Disconnected("pulled"))
        return self.run(100)

    def hear(self, topic, payload, *, retained=False):
        if not isinstance(payload, bytes):
            payload = encode(payload)
        self.engine.inbox.deliver(Received(topic, payload, retained))
        return self.run(100)

    def hear_head(self, *, n=1, lineage=LINEAGE, **versions):
        head = Head(lineage, n, WALL_START_MS, versions, 1, True, "")
        return self.hear(self.topics.head(), sealed(head, bytes.fromhex(SITE_KEY)))

    def hear_loan(self, told):
        """Another kiosk of the site told this."""
        message = sealed(told, bytes.fromhex(SITE_KEY))
        return self.hear(self.topics.site_loan("main"), message)

    def hear_applied(self, marks, *, version):
        """The gateway says which rows of whom it has."""
        return self.hear(self.topics.applied("main"), Applied(version, marks, LINEAGE))

    @property
    def view(self):
        return self.board.latest

    @property
    def tiles(self):
        """What each item's tile says, by title."""
        return {tile["title"]: tile["state"] for tile in self.view["items"]}

    def facts(self, *kinds):
        """The bodies in the journal, oldest first, of these kinds or of all."""
        rows = self.engine.store.journal.rows(1, 10_000, 1 << 30)
        bodies = [decode_body(row.body) for row in rows]
        return [body for body in bodies if not kinds or body["kind"] in kinds]

    def site_loans(self):
        """What the gates of the site were told, oldest first."""
        topic = self.topics.site_loan("main")
        return [decode(SiteLoan, payload) for name, payload in self.link.sent if name == topic]

    def statuses(self):
        """What the kiosk said of itself, oldest first."""
        topic = self.topics.status(self.station)
        return [decode(Status, payload) for name, payload in self.link.sent if name == topic]

    def telemetry(self):
        """What the kiosk said of its feelings, oldest first."""
        topic = self.topics.telemetry(self.station)
        return [decode(Telemetry, payload) for name, payload in self.link.sent if name == topic]

    def hear_time(self):
        """The gateway answers what was asked for last."""
        topic = self.topics.request(self.station)
        asked = [decode(Request, payload) for name, payload in self.link.sent if name == topic]
        ours = [request for request in asked if request.op == "time"][-1]
        answer = TimeReply(ours.id, ours.mono_sent, WALL_START_MS)
        return self.hear(self.topics.reply(self.station), answer)

    def loan(self, item_id):
        """Who has the item, as this kiosk believes."""
        known = self.engine.lists.beliefs.item(item_id)
        return known.patron_id if known else None
