"""What stations say of themselves, collected in memory and written once a second.

A message that was kept by the broker (retained, or a last will) is no sign of life.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from circulation.wire.messages import Status, Telemetry
from gateway import diary
from gateway.schema import STATION_TABLE
from gateway.statements import LIBRARY, Statement, among
from gateway.store import Store, Write
from gateway.wording import span

SAVE_MS = 1_000
BOOTS_KEPT = 8
GONE_REPEAT_MS = 60_000

# What is applied here has been written there, whatever an older message of the station says.
_AT_LEAST_APPLIED = Statement(
    sa.update(STATION_TABLE)
    .where(
        STATION_TABLE.c.library_id == LIBRARY,
        among(STATION_TABLE.c.station, "stations"),
        STATION_TABLE.c.seq_last < STATION_TABLE.c.hw,
    )
    .values(seq_last=STATION_TABLE.c.hw)
)


class Rows(NamedTuple):
    """Rows of a station's newest epoch: applied here, acked and last as it said."""

    hw: int
    acked: int
    seq_last: int


class Contacts:
    """The stations of one library as heard by this program."""

    def __init__(self, store: Store, library_id: str):
        self.store = store
        self.library_id = library_id
        self._pending: dict[str, dict[str, Any]] = {}
        self._notes: list[tuple[str, str | None, dict[str, Any]]] = []
        self._saved_ms = 0
        self._boots: dict[str, list[str]] = {}
        self._here: dict[str, str] = {}  # the boot of each station that came and has not gone
        self._gone_ms: dict[str, int] = {}
        self._behind: dict[str, tuple[int, int, int]] = {}  # target, waiting, since when
        self.sites: dict[str, str] = {}

    def heard(self, station: str, now_ms: int, **values: Any) -> None:
        """Note a sign of life; with the boot of the program that gave it, if it says so."""
        pending = self._pending.setdefault(station, {})
        pending.update(values, last_contact_at=now_ms, connected=1)
        if "boot" in values:
            self._note_boot(station, values["boot"], now_ms)

    def told(self, station: str, **values: Any) -> None:
        """Note what a kept message says; no sign of life."""
        self._pending.setdefault(station, {}).update(values)

    def born(self, status: Status, now_ms: int, hw: int) -> None:
        """Note a birth that was not kept by the broker."""
        started = self._boots.get(status.station, [""])[-1] != status.boot
        self._here[status.station] = status.boot
        self.heard(
            status.station,
            now_ms,
            connected_at=now_ms,
            **self.described(status),
        )
        waiting = max(status.seq_last - hw, 0)
        if waiting:
            self._behind[status.station] = (status.seq_last, waiting, now_ms)
        elif started:
            self.note("born", status.station)

    def is_here(self, status: Status) -> bool:
        """Return whether that very program came before and did not go since."""
        return bool(self._here.get(status.station) == status.boot)

    def described(self, status: Status) -> dict[str, Any]:
        """Return the columns a birth fills, kept by the broker or not."""
        self.sites[status.station] = status.site
        return {
            "role": status.role,
            "site": status.site,
            "name": status.name,
            "boot": status.boot,
            "seq_last": status.seq_last,
            "acked": status.acked,
            "lineage": status.lineage,
            "versions": status.versions,
            "firmware": status.firmware,
            "clock": status.clock,
            "config_version": status.config_version,
            "list_state": status.list_state,
            "waiting_since": status.waiting_since_wall,
        }

    def gone(self, status: Status, now_ms: int) -> None:
        """Note a last will, unless it is that of a program that was replaced since."""
        boots = self._boots.get(status.station)
        if boots and boots[-1] != status.boot:
            return
        self._here.pop(status.station, None)
        self.told(status.station, gone_at=now_ms, connected=0)
        if now_ms - self._gone_ms.get(status.station, -GONE_REPEAT_MS) >= GONE_REPEAT_MS:
            self.note("gone", status.station)
        self._gone_ms[status.station] = now_ms

    def felt(self, station: str, telemetry: Telemetry, known: Rows, now_ms: int) -> None:
        """Note telemetry: its depth says how much is waiting.

        The depth counts from the last ack that the station had when it spoke. What has been
        applied since then may be part of it, so it is added to the ack the station last named,
        never to our own mark.
        """
        pending = self._pending.get(station, {})
        acked = int(pending.get("acked", known.acked))
        seq_last = max(int(pending.get("seq_last", known.seq_last)), acked + telemetry.depth)
        self.heard(
            station,
            now_ms,
            seq_last=seq_last if telemetry.depth else known.hw,
            waiting_since=telemetry.oldest_wall,
            telemetry={
                "disk_free": telemetry.disk_free,
                "temperature": telemetry.temperature,
                "reader_errors": telemetry.reader_errors,
                "health": telemetry.health,
                "overlay": telemetry.overlay,
            },
        )

    def applied(self, station: str, hw: int, now_ms: int) -> None:
        """Note how far a station is applied; tell when it has caught up."""
        behind = self._behind.get(station)
        if behind is None or hw < behind[0]:
            return
        del self._behind[station]
        _, waiting, since_ms = behind
        took = span(max(now_ms - since_ms, 0))
        self.note("caught_up", station, waiting=waiting, applied=waiting, took=took)

    def note(self, code: str, station: str | None = None, **detail: Any) -> None:
        """Put a sentence into the diary with the next save."""
        self._notes.append((code, station, detail))

    def save(self, now_ms: int, *, at_once: bool = False) -> bool:
        """Write what has been collected, at most once a second; return whether it was."""
        if not self._pending and not self._notes:
            return False
        if not at_once and not self._notes and now_ms - self._saved_ms < SAVE_MS:
            return False
        pending, self._pending = self._pending, {}
        notes, self._notes = self._notes, []
        self._saved_ms = now_ms
        try:
            with self.store.write(self.library_id) as write:
                _save_stations(write, pending)
                for code, station_or_none, detail in notes:
                    diary.note(write, code, station_or_none, **detail)
        except sa.exc.OperationalError:
            # Most often a full disk: there may be room at the next try.
            self._pending, self._notes = pending, notes
            raise
        return True

    def _note_boot(self, station: str, boot: str, now_ms: int) -> None:
        """Remember which programs speak under this name, the latest last."""
        boots = self._boots.setdefault(station, [])
        if boots and boots[-1] == boot:
            return
        if boot in boots:
            self._pending[station]["twin_seen_at"] = now_ms
            self.note("twin", station)
            boots.remove(boot)
        boots.append(boot)
        del boots[:-BOOTS_KEPT]


def _save_stations(write: Write, pending: dict[str, dict[str, Any]]) -> None:
    """Write what each station said; those that said the same kind of thing together.

    In whatever order they did: a statement is made, and kept, for each order of columns.
    """
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for station, values in pending.items():
        row = {"station": station, **dict(sorted(values.items()))}
        alike.setdefault(tuple(row), []).append(row)
    for rows in alike.values():
        write.upsert(STATION_TABLE, rows)
    told = [station for station, values in pending.items() if "seq_last" in values]
    if told:
        write.run(_AT_LEAST_APPLIED, stations=told)
