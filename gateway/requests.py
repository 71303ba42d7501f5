"""Answers to what stations ask: the time, changes since a version, a piece of a list."""

from __future__ import annotations

import logging
from base64 import b64encode
from hashlib import sha256
from typing import Any

from circulation.wire.limits import CHUNK_BYTES_MAX
from circulation.wire.messages import Chunk, Request, TimeReply, encode
from gateway.errors import SnapshotUnknown
from gateway.outbox import Outbox, pointer_message
from gateway.snapshots import Snapshots
from gateway.store import Store

ANSWERS_BYTES_PER_S = 16 << 20  # a thousand stations with an hour of changes: a quarter minute
ANSWERS_BYTES_MAX = 8 << 20
WAITING_MAX = 5_000
_log = logging.getLogger(__name__)


class Requests:
    """Answers requests of one library's stations; also remembers each station's epoch."""

    def __init__(self, store: Store, library_id: str, outbox: Outbox, snapshots: Snapshots):
        self.store = store
        self.library_id = library_id
        self.births: dict[str, tuple[str, int]] = {}
        self._outbox = outbox
        self._snapshots = snapshots
        self._waiting: dict[tuple[str, str | None], Request] = {}
        self._may_send = float(ANSWERS_BYTES_MAX)
        self._filled_ms: int | None = None

    def ask(self, station: str, request: Request) -> None:
        """Let a station wait for changes; asked again it keeps its place, and asks for the newer.

        Beyond so many they are not heard: they ask again.
        """
        key = (station, request.kind)
        if key in self._waiting or len(self._waiting) < WAITING_MAX:
            self._waiting[key] = request

    def answers(self, now_ms: int) -> list[tuple[str, bytes]]:
        """Return whom to tell what, as much as may be sent now, in the order they asked.

        After a power cut a thousand stations ask for the same changes: those are read once.
        """
        self._refill(now_ms)
        told: list[tuple[str, bytes]] = []
        read: dict[tuple[Any, ...], list[bytes]] = {}
        while self._waiting and self._may_send > 0:
            key = next(iter(self._waiting))
            request = self._waiting.pop(key)
            asked = (request.kind, request.version, request.lineage, request.format)
            if asked not in read:
                read[asked] = self.answer(request, now_ms)
            told += [(key[0], reply) for reply in read[asked]]
            self._may_send -= sum(map(len, read[asked]))
        return told

    def _refill(self, now_ms: int) -> None:
        """Allow what the time since the last look allows; a clock put back allows nothing."""
        since_ms = 0 if self._filled_ms is None else max(now_ms - self._filled_ms, 0)
        self._filled_ms = now_ms
        more = since_ms * ANSWERS_BYTES_PER_S / 1_000
        self._may_send = min(self._may_send + more, float(ANSWERS_BYTES_MAX))

    def answer(self, request: Request, now_ms: int) -> list[bytes]:
        """Return the replies to a request; one that makes no sense has none."""
        if request.op == "time":
            return [encode(TimeReply(request.id, request.mono_sent, now_ms))]
        if request.kind is None or request.version is None:
            return []
        try:
            if request.op == "since":
                return self._since(request)
            return self._chunk(request)
        except SnapshotUnknown as error:
            _log.info("request %s: %s", request.op, error)
            return []

    def _since(self, request: Request) -> list[bytes]:
        """Return the changes, or where the newest whole list is."""
        changes = self._outbox.since(request.kind, request.version, request.lineage)
        if changes is not None:
            return changes
        have = request.version if request.lineage is None else 0
        newest = self._snapshots.newest_for(request.kind, request.format, have)
        # What is being built is announced to all when it is there.
        return [] if newest is None else [encode(pointer_message(newest))]

    def _chunk(self, request: Request) -> list[bytes]:
        """Return a piece of a list, as long as a microcontroller can hold."""
        snapshot = self._snapshots.offered(request.kind, request.version, request.format)
        if snapshot.lineage != request.lineage:
            raise SnapshotUnknown(f"{request.kind} {request.version} is of another lineage")
        offset = request.offset or 0
        count = min(request.count or CHUNK_BYTES_MAX, CHUNK_BYTES_MAX)
        with snapshot.file.open("rb") as file:
            file.seek(offset)
            block = file.read(count)
        last = offset + len(block) >= snapshot.size_bytes
        text, digest = b64encode(block).decode(), sha256(block).hexdigest()
        chunk = Chunk(request.id, request.kind, request.version, offset, text, last, digest)
        return [encode(chunk)]
