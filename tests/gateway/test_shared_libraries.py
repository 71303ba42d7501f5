"""Two libraries on one server, run by workers that die and freeze: real processes, one broker."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.desk import STATION
from tests.gateway.conftest import empty
from tests.gateway.live import LiveStation
from tests.support.brokers import mosquitto_broker

LIBRARIES = ("north", "south")
WORKERS = ("one", "two")
LEASE_S = 5
"""Longer than a busy machine needs to begin with a library, and than it keeps a writer waiting."""
WAIT_S = 120
WAITING_MAX = 120
"""Facts that a station writes ahead of the gateway."""

CONFIG = """\
library = "{library}"
database = "{folder}/{library}.db"
postgresql = "{url}"
site_key = "{key}"
card_key = "{key}"
[broker]
port = {port}
[web]
port = 0
"""


class Hall:
    """The workers, each told of both libraries, and what the server says of them."""

    def __init__(self, server, folder, port):
        self.engine = sa.create_engine(server)
        self.logs = {name: folder / f"{name}.log" for name in WORKERS}
        self._url = server.replace("postgresql+psycopg", "postgresql")
        self._folder, self._port = folder, port
        self.processes = {name: self._start(name) for name in WORKERS}

    def _start(self, name):
        folder = self._folder / name
        folder.mkdir()
        configs = []
        for library, key in zip(LIBRARIES, ("ab", "cd"), strict=True):
            configs.append(folder / f"{library}.toml")
            configs[-1].write_text(
                CONFIG.format(
                    library=library, folder=folder, url=self._url, key=key * 16, port=self._port
                )
            )
        command = [sys.executable, "-m", "gateway", "work", *configs, "--name", name]
        with self.logs[name].open("w") as log:
            return subprocess.Popen([*command, "--lease", str(LEASE_S)], stdout=log, stderr=log)

    def rows(self, query):
        """Return what the server has now."""
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def owners(self):
        """Return worker and term by library."""
        return {r.library_id: (r.worker, r.term) for r in self.rows(sa.select(schema.OWNER))}

    def owner(self, library):
        """Return the worker that has a library."""
        return self.owners()[library][0]

    def all_owners(self):
        """Return the workers that have a library."""
        return {worker for worker, _ in self.owners().values()}

    def terms(self):
        """Return how often each library has changed its owner."""
        return [self.owners()[library][1] for library in LIBRARIES]

    def times_taken(self, library):
        """Return how often a worker said that it has the library."""
        said = f"library {library!r} is ours"
        return sum(log.read_text().count(said) for log in self.logs.values())

    def is_fenced(self, name, library):
        """Whether a worker has said that it writes for the library no longer."""
        found = rf"library {library!r}: .* writes for it now, {name} no longer does"
        return re.search(found, self.logs[name].read_text()) is not None

    def written(self, library):
        """Return what an owner writes of a library when stations speak.

        The desk's own facts are left out: an owner notes the time when it has built its lists.
        """
        found = []
        for table in (schema.FACT, schema.POSITION, schema.STEP, schema.CHANGE):
            query = sa.select(table).where(table.c.library_id == library)
            if "station" in table.c:
                query = query.where(table.c.station != STATION)
            found.append(sorted(map(repr, self.rows(query))))
        return found

    def facts(self, library):
        """Return how often each fact of the stations is in the library."""
        fact = schema.FACT
        query = sa.select(fact.c.station, fact.c.id).where(
            fact.c.library_id == library, fact.c.station != STATION
        )
        return Counter((row.station, row.id) for row in self.rows(query))

    def places(self, library):
        """Return how often each row of the stations' journals is in the library."""
        place = schema.POSITION
        query = sa.select(place.c.station, place.c.seq).where(
            place.c.library_id == library, place.c.station != STATION
        )
        return Counter((row.station, row.seq) for row in self.rows(query))

    def send(self, name, number):
        """Send a signal to a worker."""
        self.processes[name].send_signal(number)

    def close(self):
        """End every worker, the frozen ones too."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            process.wait(WAIT_S)
        self.engine.dispose()


class Day:
    """The stations of both libraries at their work."""

    def __init__(self, port):
        self.stations = [
            LiveStation(f"kiosk-{number}", port, library)
            for library in LIBRARIES
            for number in (1, 2)
        ]
        for station in self.stations:
            station.link.start()

    def of(self, library):
        """Return a library's stations."""
        return [station for station in self.stations if station.library == library]

    def written(self, library):
        """Return station and id of every fact of a library."""
        return [(one.station.name, fact_id) for one in self.of(library) for fact_id in one.written]

    def places(self, library):
        """Return station and number of every row of a library's journals."""
        return [
            (one.station.name, seq)
            for one in self.of(library)
            for seq in range(1, len(one.written) + 1)
        ]

    def acked(self, library):
        """Return how many of a library's facts the gateway has acknowledged."""
        return sum(station.uploader.acked for station in self.of(library))

    def work(self, until, *, writes=True):
        """Let everybody lend and return, and send it, until a condition holds."""
        deadline = time.monotonic() + WAIT_S
        while not until():
            assert time.monotonic() < deadline, "nothing more happened"
            for station in self.stations:
                if writes and station.uploader.waiting < WAITING_MAX:
                    station.append("seen", barcode=f"{station.station.mono}")
                station.step(wait_s=0.005)

    def work_for_more(self, several):
        """Work until each library has so many facts more acknowledged than now."""
        wanted = {library: self.acked(library) + several for library in LIBRARIES}
        self.work(lambda: all(self.acked(name) >= wanted[name] for name in LIBRARIES))

    def finish(self):
        """Send what is left."""
        self.work(lambda: all(s.uploader.waiting == 0 for s in self.stations), writes=False)

    def close(self):
        """Pull every plug."""
        for station in self.stations:
            station.link.stop()


@pytest.fixture
def broker():
    """A broker for both libraries: their topics begin with their names."""
    with mosquitto_broker() as running:
        yield running


@pytest.fixture
def hall(server, broker, tmp_path):
    """Two workers that share two libraries."""
    empty(server)
    made = Hall(server, tmp_path, broker.port)
    yield made
    made.close()


@pytest.fixture
def day(broker):
    """Two kiosks in each library, which have the same names in both."""
    made = Day(broker.port)
    yield made
    made.close()


@pytest.mark.needs("postgres", "mosquitto")
def test_libraries_go_on_whoever_freezes_or_dies_and_each_keeps_every_fact_once(hall, day):
    """Frozen, a worker wakes up to nothing; killed, it is replaced by the one that was frozen."""
    day.work_for_more(60)
    frozen = hall.owner("north")
    hall.send(frozen, signal.SIGSTOP)
    day.work(lambda: frozen not in hall.all_owners())  # what it had not taken yet lies in its line
    day.work_for_more(60)
    day.finish()

    written = {library: hall.written(library) for library in LIBRARIES}
    hall.send(frozen, signal.SIGCONT)
    day.work(lambda: hall.is_fenced(frozen, "north"), writes=False)
    assert {library: hall.written(library) for library in LIBRARIES} == written
    assert frozen not in hall.all_owners()

    (killed,) = hall.all_owners()
    hall.send(killed, signal.SIGKILL)
    day.work(lambda: hall.all_owners() == {frozen})
    day.work_for_more(60)
    day.finish()

    assert [hall.times_taken(library) for library in LIBRARIES] == hall.terms()
    for library in LIBRARIES:
        assert hall.facts(library) == Counter(day.written(library))
        assert hall.places(library) == Counter(day.places(library))
