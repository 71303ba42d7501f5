"""Several workers on one server: one writes for a library, and none for what another has taken."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from circulation.link import Received
from circulation.wire.messages import encode
from gateway import schema
from gateway.connections import connections
from gateway.desk import DeskJournal
from gateway.errors import Fenced
from gateway.hub import Heard, Hub
from gateway.ingest import Ingest
from gateway.outbox import versions_of
from gateway.ownership import LEASE_MS, is_free, take
from gateway.service import Service
from gateway.snapshots import Snapshots
from gateway.store import Store
from gateway.workers import SHARE_MS, Worker
from tests.gateway.conftest import LIBRARY, Clock, Station, empty
from tests.gateway.test_order import holdings, oracle

KEY = bytes(16)


class Line:
    """A link that keeps what it was given."""

    def __init__(self):
        self.said = []

    def start(self):
        """Nothing to connect to."""

    def stop(self):
        """Nothing to leave."""

    def subscribe(self, topic_filters, *, qos=1):
        """Nobody speaks on it."""

    def publish(self, topic, payload, *, qos=1, retained=False):
        """Keep what is said."""
        self.said.append((topic, json.loads(payload)))
        return True

    def changes(self, kind):
        """Return from and to of every change that was said, in order."""
        return [(m["from"], m["to"]) for topic, m in self.said if topic.endswith(f"change/{kind}")]


@pytest.fixture
def other_store(store, clock):
    """The same database as a second worker has it open."""
    other = Store(store.url, clock=clock)
    yield other
    other.close()


def service_of(store, folder, worker):
    """Return a worker's service of the library, and its line."""
    folder.mkdir(exist_ok=True)
    term = take(store, LIBRARY, worker)
    assert term is not None
    store.terms[LIBRARY] = term
    snapshots = Snapshots(store, LIBRARY, folder / "snapshots")
    hub = Hub(store, LIBRARY, snapshots, key=KEY, boot="aaaaaaaa")
    desk = DeskJournal(store, LIBRARY, folder / "desk.db")
    service, line = Service(hub, desk, beat=lambda: None, term=term), Line()
    service.join(line)
    return service, line


def journal(service, batch):
    """Hand a station's batch to a service, as a broker does."""
    topic = service.hub.topics.journal(batch.station)
    service.deliver(Received(topic, encode(batch.message), retained=False))


def facts(store):
    """Return how often each fact is in the library."""
    with store.read() as connection:
        return Counter(connection.execute(sa.select(schema.FACT.c.id)).scalars())


def test_one_worker_at_a_time_owns_a_library(store, other_store, clock):
    """Another gets it when the lease has run out, with a higher term."""
    first = take(store, LIBRARY, "one")

    assert take(other_store, LIBRARY, "two") is None
    assert not is_free(other_store, LIBRARY)
    clock.now_ms += LEASE_MS + 1
    second = take(other_store, LIBRARY, "two")

    assert (first.number, second.number) == (1, 2)
    assert not first.may_speak()
    assert second.may_speak()


def test_a_worker_that_keeps_its_lease_up_stays_the_owner(store, other_store, clock):
    """As long as it works, nobody takes over."""
    term = take(store, LIBRARY, "one")
    for _ in range(5):
        clock.now_ms += LEASE_MS * 2 // 3
        term.keep()

    assert take(other_store, LIBRARY, "two") is None
    term.give_up()
    assert take(other_store, LIBRARY, "two").number == 2


def test_a_worker_that_lost_its_library_writes_nothing(store, other_store, clock, books):
    """Its term is looked at behind the lock, whatever its clock says."""
    store.terms[LIBRARY] = take(store, LIBRARY, "one")
    clock.now_ms += LEASE_MS + 1
    take(other_store, LIBRARY, "two")
    clock.now_ms -= LEASE_MS  # its own clock is slow: it believes in its lease
    kiosk = Station("kiosk-1")
    kiosk.write("checkout", item=books["1001"])

    with pytest.raises(Fenced, match="two writes for it now, one no longer does"):
        Ingest(store, LIBRARY).take([kiosk.batch()])

    assert facts(store) == {}
    (answer,) = Ingest(other_store, LIBRARY).take([kiosk.batch()])
    assert answer.rows == 1


def test_after_a_stall_the_other_goes_on_and_the_first_is_silent(
    store, other_store, clock, books, tmp_path
):
    """No fact twice, no change missing or out of order, whoever said it."""
    kiosk = Station("kiosk-1")
    one, ones = service_of(store, tmp_path / "one", "one")
    for barcode in ("1001", "1002"):
        kiosk.write("checkout", item=books[barcode])
    journal(one, kiosk.batch())
    one.take()
    kiosk.write("checkin", item=books["1001"])
    journal(one, kiosk.batch(3))  # it is stopped before it takes this
    before = len(ones.said)

    clock.now_ms += LEASE_MS + 1
    two, twos = service_of(other_store, tmp_path / "two", "two")
    journal(two, kiosk.batch(1))  # the station sends again what nobody acknowledged
    journal(two, kiosk.batch(3))
    two.take()
    clock.now_ms -= LEASE_MS
    with pytest.raises(Fenced):
        one.take()

    assert len(ones.said) == before
    assert set(facts(store).values()) == {1}
    with store.read() as connection:
        versions = versions_of(connection, LIBRARY)
    for kind in ("catalogue", "may_leave"):
        told = [*ones.changes(kind), *twos.changes(kind)]
        assert [start for start, _ in told[1:]] == [end for _, end in told[:-1]]
        assert told[-1][1] == versions[kind]


def test_a_lease_that_ran_out_silences_its_worker_at_once(store, clock, books, tmp_path):
    """It says nothing until it knows that the library is still its own, then all of it."""
    one, line = service_of(store, tmp_path / "one", "one")
    kiosk = Station("kiosk-1")
    kiosk.write("checkout", item=books["1001"])
    sends = one.hub.take(
        [Heard(one.hub.topics.journal("kiosk-1"), encode(kiosk.batch().message))], clock()
    )
    clock.now_ms += LEASE_MS + 1
    one._publish(sends)
    assert line.said == []

    one.take()

    assert [m["hw"] for topic, m in line.said if topic.endswith("kiosk-1/reply")] == [1]


def test_two_writers_at_once_apply_each_fact_once(store, other_store, books, request):
    """The library's row is locked first: also two that know nothing of each other fold right."""
    rng = random.Random(request.config.getoption("--seed") or 7)
    stations = [Station(f"kiosk-{n}") for n in range(4)]
    for _ in range(40):
        rng.choice(stations).write(rng.choice(("checkout", "checkin")), item=books["1001"])
    trouble = []

    def work(own, order):
        try:
            for station in order:
                for first in range(1, station.journal.last_seq + 1, 3):
                    Ingest(own, LIBRARY).take([station.batch(first, 3)])
        except Exception as error:
            trouble.append(error)

    threads = [
        threading.Thread(target=work, args=(store, stations)),
        threading.Thread(target=work, args=(other_store, stations[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert trouble == []
    assert len(facts(store)) == sum(station.journal.last_seq for station in stations)
    assert holdings(store) == oracle(store, [books["1001"]])
    with store.read() as connection:
        step = schema.STEP
        query = sa.select(step).where(step.c.kind == "catalogue").order_by(step.c.version)
        steps = [(row.previous, row.version) for row in connection.execute(query)]
    assert [start for start, _ in steps[1:]] == [end for _, end in steps[:-1]]


class Library:
    """A library in memory that workers share."""

    def __init__(self, name):
        self.name = name
        self.owner = None

    def is_free(self):
        """Whether nobody has it."""
        return self.owner is None

    def start(self, worker):
        """Give it to a worker."""
        self.owner = worker
        return Runs(self, worker)

    def close(self):
        """Nothing is open."""


class Runs:
    """A library as it is run."""

    def __init__(self, library, worker):
        self.library, self.worker = library, worker

    @property
    def is_fenced(self):
        """Whether another has it."""
        return self.library.owner != self.worker

    def stop(self):
        """Let it go, if it is still ours."""
        if not self.is_fenced:
            self.library.owner = None


def play(workers, clock, seconds):
    """Let the workers look in turn, once a second."""
    for _ in range(seconds):
        clock.now_ms += 1_000
        for worker in workers:
            worker.step()


def test_workers_share_the_libraries_evenly():
    """Who has fewer waits less; what a worker leaves, the others take."""
    clock = Clock(0)
    libraries = [Library(f"library-{n}") for n in range(4)]
    one, two = (Worker(name, libraries, clock=clock) for name in ("one", "two"))

    play([one, two], clock, 2 + 2 * SHARE_MS // 1_000)
    assert (len(one.running), len(two.running)) == (2, 2)
    one.close()
    play([two], clock, 2 + 4 * SHARE_MS // 1_000)

    assert {library.owner for library in libraries} == {"two"}


def test_a_library_that_was_taken_is_let_go_of():
    """A worker notices by itself and does not fight for it."""
    clock = Clock(0)
    library = Library("north")
    one, two = (Worker(name, [library], clock=clock) for name in ("one", "two"))
    play([one, two], clock, 1)
    library.owner = None  # its lease ran out
    play([two, one], clock, 1)

    assert (list(one.running), list(two.running)) == ([], ["north"])


def test_a_worker_outlives_a_server_that_was_away():
    """A session that the server has ended costs one look, and is said; the next look goes on."""
    clock, library = Clock(0), Library("north")
    take_it, errors = library.start, [sa.exc.DBAPIError("SELECT", {}, Exception("it is away"))]
    library.start = lambda worker: take_it(worker) if not errors else _raise(errors.pop())
    worker = Worker("one", [library], clock=clock)
    play([worker], clock, 1)
    before = list(worker.running)

    play([worker], clock, 1)

    assert (before, list(worker.running)) == ([], ["north"])


def test_who_lost_a_library_while_starting_says_so(caplog):
    """Frozen between taking a library and running it: the log names who has it now."""
    library = Library("north")
    library.start = lambda worker: _raise(Fenced("library 'north': two writes for it now"))

    play([Worker("one", [library], clock=Clock(0))], Clock(0), 1)

    assert "two writes for it now" in caplog.text


def _raise(error):
    raise error


@pytest.mark.needs("postgres")
def test_a_writer_that_freezes_within_a_transaction_keeps_nobody_waiting(server):
    """The server ends a transaction in which nothing more is said, and its locks with it."""
    lock = sa.text("SELECT pg_advisory_xact_lock(1)")
    frozen = connections(server, writing=True, silence_ms_max=200)
    other = connections(server, writing=True)

    def freeze():
        with frozen.begin() as silent:
            silent.execute(lock)
            with other.begin() as waiting:
                waiting.execute(lock)
            silent.execute(lock)

    with pytest.raises(sa.exc.DBAPIError):
        freeze()

    with frozen.begin() as again:
        again.execute(lock)
    frozen.close()
    other.close()


CONFIG = """\
library = "{library}"
database = "{folder}/gateway.db"
postgresql = "{url}"
site_key = "{key}"
card_key = "{key}"

[broker]
port = 1

[web]
port = 0
"""


@pytest.mark.needs("postgres")
def test_a_stopped_process_is_replaced_and_knows_it(server, tmp_path):
    """Frozen in the middle of its work, it comes back to a library that is another's."""
    empty(server)
    configs = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        configs[name] = tmp_path / name / "north.toml"
        url = server.replace("postgresql+psycopg", "postgresql")
        configs[name].write_text(
            CONFIG.format(library="north", folder=tmp_path / name, url=url, key="ab" * 16)
        )
    engine = sa.create_engine(server)

    def owner():
        with engine.connect() as connection:
            row = connection.execute(sa.select(schema.OWNER)).first()
            return None if row is None else (row.worker, row.term)

    def start(name):
        command = [sys.executable, "-m", "gateway", "work", configs[name], "--name", name]
        return subprocess.Popen([*command, "--lease", "2"], stderr=subprocess.PIPE, text=True)

    one = start("one")
    two = None
    try:
        until(lambda: owner() == ("one", 1))
        assert "is ours" in said(one, "is ours")  # while it starts it would say something else
        one.send_signal(signal.SIGSTOP)
        two = start("two")
        until(lambda: owner() == ("two", 2))
        one.send_signal(signal.SIGCONT)

        line = said(one, "no longer does")
        assert "two writes for it now" in line or "another worker" in line
    finally:
        for process in (one, two):
            if process is not None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.communicate(timeout=90)
        engine.dispose()


def said(process, words):
    """Read what a process says up to a line with these words; return that line."""
    return next((line for line in process.stderr if words in line), "")


def until(condition, seconds=120):
    """Wait for something to become true; fail if it does not."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        pause.wait(0.05)
