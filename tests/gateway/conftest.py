"""A library in a file, stations that write journals, and a clock that a test sets."""

import itertools

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from circulation.sync.batch import make_batch
from circulation.sync.memory import MemoryJournal
from circulation.wire.chain import patron_hash
from circulation.wire.fact import encode_body
from gateway.board import Desk
from gateway.catalogue import upsert_items, upsert_patrons, upsert_titles
from gateway.hub import Hub
from gateway.ingest import Batch, Ingest
from gateway.schema import METADATA
from gateway.snapshots import Snapshots
from gateway.store import Store
from gateway.versions import MIGRATIONS
from sim.postgres import postgres

LIBRARY = "main"
START_MS = 1_700_000_000_000
SALT = bytes(range(16))
KEY = bytes(range(16))
ON_BOTH = set(
    """ages alarms catalogue contacts copies desk hub ingest intervals koc lists loans order
    outbox retention settling snapshots store unsecured updates verdicts waiting workers""".split()
)


class Clock:
    """Milliseconds that pass only when told to."""

    def __init__(self, now_ms=START_MS):
        self.now_ms = now_ms

    def __call__(self):
        return self.now_ms


class Station:
    """A station's journal, written as a kiosk writes it."""

    numbers = itertools.count(0x1000_0000)  # no id that a test writes out

    def __init__(self, name, epoch_id=None):
        self.name = name
        self.journal = MemoryJournal(epoch_id or f"{next(self.numbers):016x}")
        self.boot = f"{next(self.numbers):08x}"
        self.mono = 0

    def write(self, kind, *, patron=None, fact_id=None, **fields):
        """Append a fact; return its id."""
        self.mono += 1_000
        body = {
            "id": fact_id or f"{next(self.numbers):016x}",
            "kind": kind,
            "boot": self.boot,
            "mono": self.mono,
            "wall": START_MS + self.mono,
            "sure": True,
            **fields,
        }
        salt = None
        if patron is not None:
            salt = SALT
            body["patron"] = patron_hash(SALT, patron)
        self.journal.append(encode_body(body), salt, patron)
        return body["id"]

    def ask_time(self, now_ms):
        """Append a clock fact: the gateway's clock said this at the present moment."""
        self.mono += 10
        return self.write(
            "clock", mono_sent=self.mono - 10, mono_received=self.mono, gateway_now=now_ms
        )

    def batch(self, first=1, facts_max=50):
        """Return the journal message that begins at a row."""
        clock = {"mono": self.mono, "wall": START_MS, "sure": True, "boot": self.boot}
        message, _ = make_batch(
            self.journal, first=first, facts_max=facts_max, is_raw=False, clock=clock
        )
        return Batch(self.name, message)


@pytest.fixture
def clock():
    """The gateway's clock."""
    return Clock()


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL of the tests' own; gives the address of a database with all tables."""
    with postgres(durable=False) as url:
        store = Store(url, clock=Clock())
        store.migrate()
        store.close()
        yield url


def empty(url):
    """Empty every table, which takes a tenth of the time a new database would."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        names = ", ".join(f'"{name}"' for name in METADATA.tables)
        connection.exec_driver_sql(f"TRUNCATE {names}")
    engine.dispose()


def go_back(connection, version):
    """Make the tables those of an older version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, version)


def pytest_generate_tests(metafunc):
    """Run what is about tables on both engines; the rest, which uses a store, on one."""
    if "engine" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2].removeprefix("test_")
        server = pytest.param("postgresql", marks=pytest.mark.needs("postgres"))
        engines = ["sqlite", server] if module in ON_BOTH else ["sqlite"]
        metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request):
    """The database's engine: what holds of the store holds on both."""
    return request.param


@pytest.fixture
def store(engine, request, tmp_path, clock):
    """A database with one empty library."""
    if engine == "sqlite":
        store = Store.at(tmp_path / "gateway.db", clock=clock)
        store.migrate()
    else:
        store = Store(request.getfixturevalue("server"), clock=clock)
        empty(request.getfixturevalue("server"))
    store.create_library(LIBRARY, "The test library")
    yield store
    store.close()


@pytest.fixture
def ingest(store):
    """The writer of the library's facts."""
    return Ingest(store, LIBRARY)


@pytest.fixture
def hub(store, tmp_path):
    """The gateway without its threads."""
    snapshots = Snapshots(store, LIBRARY, tmp_path / "snapshots")
    return Hub(store, LIBRARY, snapshots, key=KEY, boot="0000000b")


@pytest.fixture
def board(store):
    """What staff see."""
    return Desk(store, LIBRARY)


@pytest.fixture
def books(store):
    """Three books with their tags: ids by barcode."""
    with store.write(LIBRARY) as write:
        titles = upsert_titles(
            write,
            [
                {"control_no": "t1", "title": "Momo"},
                {"control_no": "t2", "title": "Matilda"},
                {"control_no": "t3", "title": "The Atlas"},
            ],
        )
        items = upsert_items(
            write,
            [
                {"barcode": "1001", "title_id": titles.ids[0], "uids": ["e004010000001001"]},
                {"barcode": "1002", "title_id": titles.ids[1], "uids": ["e004010000001002"]},
                {
                    "barcode": "1003",
                    "title_id": titles.ids[2],
                    "uids": ["e004010000001003"],
                    "reference": 1,
                },
            ],
        )
    return dict(zip(("1001", "1002", "1003"), items.ids, strict=True))


@pytest.fixture
def readers(store):
    """Two readers."""
    with store.write(LIBRARY) as write:
        done = upsert_patrons(
            write,
            [{"number": "7", "short_name": "Anna L."}, {"number": "8", "short_name": "Ben K."}],
        )
    return done.ids
