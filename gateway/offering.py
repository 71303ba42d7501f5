"""What the gateway says of programs for microcontrollers, and what stations say of them.

An offer is a retained message for each kind of board, sealed like a head. Whoever offers or
withdraws is another program (`lendgate-gateway offer-update`), so the table is looked at once a
minute.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from circulation.wire.limits import CHUNK_BYTES_MAX
from circulation.wire.messages import Chunk, Offer, Request, Status, Telemetry, encode, sealed
from circulation.wire.topics import FIRMWARE, Topics
from gateway import schema
from gateway.contacts import Contacts
from gateway.errors import UpdateUnknown
from gateway.outbox import Send
from gateway.updates import Update, Updates

LOOK_MS = 60_000
NOTHING_SHA256 = "0" * 64
HEALTH = "update"  # under which a gate's telemetry says why it does not take an offer
_log = logging.getLogger(__name__)


class Offering:
    """Offers of one library: said, fetched, and what became of them told to staff."""

    def __init__(self, updates: Updates, contacts: Contacts, *, key: bytes):
        self.updates = updates
        self.topics = Topics(updates.library_id)
        self._contacts = contacts
        self._key = key
        self._said: list[Update] | None = None
        self._looked_ms: int | None = None
        self._known: dict[str, tuple[str | None, str | None]] | None = None

    def on_connected(self) -> list[Send]:
        """Return every offer, and for what was withdrawn that there is none."""
        self._said = self.updates.all()
        return [self._send(update) for update in self._said]

    def tick(self, now_ms: int) -> list[Send]:
        """Return what was offered or withdrawn since it was last said."""
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_MS:
            return []
        self._looked_ms = now_ms
        before, self._said = self._said or [], self.updates.all()
        return [self._send(update) for update in self._said if update not in before]

    def answer(self, request: Request) -> list[bytes]:
        """Return a piece of a program; a question that makes no sense has no answer."""
        if request.op != "chunk" or request.version is None or request.format is None:
            return []
        offset = request.offset or 0
        count = min(request.count or CHUNK_BYTES_MAX, CHUNK_BYTES_MAX)
        try:
            piece, last = self.updates.piece(request.format, request.version, offset, count)
        except UpdateUnknown as error:
            _log.info("request %s: %s", request.op, error)
            return []
        text, digest = b64encode(piece).decode(), sha256(piece).hexdigest()
        chunk = Chunk(request.id, FIRMWARE, request.version, offset, text, last, digest)
        return [encode(chunk)]

    def on_birth(self, status: Status) -> None:
        """Tell staff when a station runs another program than before."""
        before, why = self._of(status.station)
        if before is not None and before != status.firmware:
            self._contacts.note("updated", status.station, now=status.firmware, before=before)
        self._stations()[status.station] = (status.firmware, why)

    def on_telemetry(self, station: str, telemetry: Telemetry) -> None:
        """Tell staff once when a station does not take what is offered."""
        why = telemetry.health.get(HEALTH)
        firmware, before = self._of(station)
        if why is not None and why != before:
            self._contacts.note("update_refused", station, why=why)
        self._stations()[station] = (firmware, why)

    def _send(self, update: Update) -> Send:
        is_offered = update.is_offered
        offer = Offer(
            update.id,
            update.format,
            update.version if is_offered else 0,
            update.minimum if is_offered else 0,
            update.base if is_offered else 0,
            update.bytes if is_offered else 0,
            update.sha256 if is_offered else NOTHING_SHA256,
            update.within_ms,
            list(update.only),
            "",
        )
        topic = self.topics.snapshot(FIRMWARE, update.format)
        return Send(topic, encode(sealed(offer, self._key)), retained=True)

    def _of(self, station: str) -> tuple[str | None, str | None]:
        return self._stations().get(station, (None, None))

    def _stations(self) -> dict[str, tuple[str | None, str | None]]:
        """Return program and refusal of each station, at first as they were before this start."""
        if self._known is None:
            table = schema.STATION_TABLE
            query = sa.select(table.c.station, table.c.firmware, table.c.telemetry).where(
                table.c.library_id == self.updates.library_id
            )
            with self.updates.store.read() as connection:
                rows = connection.execute(query).all()
            self._known = {row.station: (row.firmware, refusal(row.telemetry)) for row in rows}
        return self._known


def refusal(telemetry: dict[str, Any] | None) -> str | None:
    """Return why a station does not take what is offered, of its telemetry; None if it may."""
    health = (telemetry or {}).get("health") or {}
    why = health.get(HEALTH)
    return str(why) if why is not None else None
