"""The fleet: one library's stations, brokers, cables and gateway, its books, and the truth.

What happened for certain is noted here as it happens, by those to whom it happens. Nobody in
the fleet reads it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from circulation.sync.rows import Row
from sim.fleet.acts import Plan
from sim.fleet.bridge import Bridge
from sim.fleet.broker import Broker
from sim.fleet.gate import FleetGate
from sim.fleet.gateway import DATABASE, FleetGateway, remove
from sim.fleet.gateway import NAME as GATEWAY_NAME
from sim.fleet.kiosk import FleetKiosk
from sim.fleet.library import Book, base_folder, books_of, filled_database
from sim.fleet.network import Wire
from sim.fleet.outcome import Alarm, Announced, Committed, Event
from sim.fleet.station import Station, fields_of, id_of
from sim.fleet.timeline import Timeline
from sim.fleet.witness import Witness

MAIN = "main"


class Fleet:
    """Everything there is. A context manager: its files are gone afterwards."""

    def __init__(self, plan: Plan) -> None:
        shape = plan.shape
        self.plan = plan
        self.timeline = Timeline()
        self.events: list[Event] = []
        self.commits: list[Committed] = []
        self.acks: set[str] = set()
        self.announced: list[Announced] = []
        self.alarms: list[Alarm] = []
        self.faults: Counter[str] = Counter()
        self.peaks: dict[str, int] = {}
        self.device_ms = 0
        self.books = books_of(shape)
        self.by_uid = {book.uid: book for book in self.books.values()}
        self.by_id = {book.item_id: book for book in self.books.values()}
        self._known: dict[str, bool] = {}
        self._ids: dict[tuple[str, int, int], str] = {}
        self._newest: dict[str, str] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="lendgate-fleet-", dir=base_folder()))
        self.brokers = {site: Broker(site, self.timeline) for site in shape.site_names}
        self.wires: dict[str, Wire] = {}
        self._make_site_lines()
        database = filled_database(shape.items, shape.patrons, shape.sites)
        file = self.folder / GATEWAY_NAME / DATABASE
        self.witness = Witness(file, lambda: self.timeline.now_ms)
        self.gateway = FleetGateway(self, database)
        self.stations: dict[str, Station] = {}
        for place in shape.places:
            kind = FleetGate if place.is_gate else FleetKiosk
            self.stations[place.name] = kind(self, place, self.wire(place.name))
        self.twins: list[FleetKiosk] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    def close(self) -> None:
        """Close and delete every file."""
        for station in (*self.stations.values(), *self.twins):
            if station.powered:
                station.powered = False
                station.shut()
        self.gateway.close()
        self.witness.close()
        remove(self.folder)

    @property
    def kiosks(self) -> dict[str, FleetKiosk]:
        """Every kiosk by name."""
        found = self.stations.items()
        return {name: one for name, one in found if isinstance(one, FleetKiosk)}

    @property
    def gates(self) -> dict[str, FleetGate]:
        """Every gate by name."""
        found = self.stations.items()
        return {name: one for name, one in found if isinstance(one, FleetGate)}

    def wire(self, name: str) -> Wire:
        """Return the cable of that name, a new one the first time."""
        if name not in self.wires:
            plan = self.plan
            wire = Wire(name, self.timeline, seed=plan.seed, rates=plan.rates)
            wire.faults = self.fault
            self.wires[name] = wire
        return self.wires[name]

    def lenders(self, site: str) -> list[str]:
        """Return the names of the kiosks of a site."""
        places = self.plan.shape.places
        return [place.name for place in places if place.site == site and not place.is_gate]

    def server_for(self, station: Station) -> Callable[[str], bytes]:
        """Return what that station fetches lists from, over its cable and its site's line."""

        def serve(path: str) -> bytes:
            if station.wire.is_cut or self.wires[station.site].is_cut:
                raise ConnectionRefusedError("the gateway cannot be reached")
            return self.gateway.serve(urlsplit(path).path)

        return serve

    def name_of(self, item_id: str | None) -> str:
        """Return an item's name by its id, "" for none."""
        book = self.by_id.get(item_id or "")
        return (item_id or "") if book is None else book.name

    def begin_twin(self, kiosk: FleetKiosk, for_ms: int) -> None:
        """Let a second kiosk with that name and a copy of that card run for a while."""
        place = next(one for one in self.plan.shape.places if one.name == kiosk.name)
        label = f"{kiosk.name}-twin-{len(self.twins) + 1}"
        twin = FleetKiosk(self, place, self.wire(label), label)
        twin.card.write(kiosk.copy_of_card())
        self.twins.append(twin)
        twin.power_on()
        self.timeline.after(for_ms, lambda: twin.power_off("taken away"))

    def heal(self) -> None:
        """End every fault."""
        self.note("fleet", "healed")
        for wire in self.wires.values():
            wire.calm()
            wire.mend()
        for broker in self.brokers.values():
            broker.have_room()
        for twin in self.twins:
            twin.power_off("taken away")
        self.gateway.disarm()
        self.gateway.slow_ms = 0
        self.gateway.wake()
        for station in self.stations.values():
            station.card.is_full = False
            station.restore_power()

    def is_at_rest(self) -> bool:
        """Whether everybody is connected, has told all there is, and has the newest lists."""
        gateway = self.gateway
        if not (gateway.is_up and gateway.link.up and gateway.service.is_idle):
            return False
        versions = gateway.versions()
        return versions is not None and all(
            station.powered and station.is_at_rest(versions) for station in self.stations.values()
        )

    def count_time(self) -> None:
        """Add up for how long stations have been running."""
        for station in self.stations.values():
            self.device_ms += station.running_ms

    # ------------------------------------------------------------------------ the truth

    def note(self, who: str, what: str, *detail: int | str) -> None:
        """Note what really happened just now."""
        self.events.append(Event(self.timeline.now_ms, who, what, detail))

    def fault(self, kind: str) -> None:
        """Count a fault."""
        self.faults[kind] += 1

    def peak(self, name: str, size: int) -> None:
        """Remember the most there ever was of something."""
        if size > self.peaks.get(name, -1):
            self.peaks[name] = size

    def committed(
        self, station: str, epoch_n: int, row: Row, disk: str = "", written_ms: int | None = None
    ) -> None:
        """A row is on a disk; a fact counts the first time it is on any.

        disk: whose, if two stations have that name. written_ms: when, if not just now.
        """
        seq, body = row.seq, row.body
        fact_id = id_of(body)
        self._ids[disk or station, epoch_n, seq] = fact_id
        self._newest[station] = fact_id
        self.peak(f"journal:{station}", seq)
        if fact_id in self._known:
            return
        self._known[fact_id] = True
        at_ms = self.timeline.now_ms if written_ms is None else written_ms
        item, patron = self._item_of(body), row.patron or ""
        self.commits.append(Committed(fact_id, station, epoch_n, seq, at_ms, body, item, patron))
        self.note(station, "committed", fact_id, epoch_n, seq)

    def _item_of(self, body: bytes) -> str:
        """Return the name of the item a row is about: by its id, or by a tag as the gateway does
        for a station without a catalogue; "" if it is about none."""
        fields = fields_of(body)
        uids = fields.get("uids") or [""]
        book = self.by_id.get(fields.get("item") or "") or self.by_uid.get(uids[0])
        return "" if book is None else book.name

    def acknowledged(self, disk: str, epoch_n: int, after: int, last: int) -> None:
        """A station believes that the gateway has these rows of its newest epoch."""
        for seq in range(after + 1, last + 1):
            fact_id = self._ids.get((disk, epoch_n, seq))
            if fact_id is not None:
                self.acks.add(fact_id)

    def newest_of(self, station: str) -> str:
        """Return the id of the newest fact on a station's disk, "" before the first."""
        return self._newest.get(station, "")

    def alarmed(self, gate: str, book: Book, row: int, heard: tuple[str, ...] = ()) -> None:
        """A gate sounded for a book. heard: the loans of it that it had been told of."""
        now_ms = self.timeline.now_ms
        self.alarms.append(Alarm(
            now_ms, gate, book.name, row, book.holder, heard,
            applied=bool(heard) and self.witness.has_applied(heard[-1]),
        ))  # fmt: skip
        self.note(gate, "alarm", book.name, row)

    def _make_site_lines(self) -> None:
        """Give each site its line to the gateway; a fleet of one site has one broker."""
        sites = self.plan.shape.site_names
        for site in sites:
            self.wire(site)
        if len(sites) == 1:
            self.gateway_broker = self.brokers[sites[0]]
            self.gateway_wire = self.wires[sites[0]]
        else:
            self.gateway_broker = self.brokers[MAIN] = Broker(MAIN, self.timeline)
            self.gateway_wire = self.wire(MAIN)
            for site in sites:
                Bridge(self.brokers[site], self.gateway_broker, self.wires[site])
