"""Answers to what stations ask: the time, changes since a version, a piece of a list."""

from __future__ import annotations

import logging
from base64 import b64encode
from hashlib import sha256

from circulation.wire.limits import CHUNK_BYTES_MAX
from circulation.wire.messages import Chunk, Request, TimeReply, encode
from gateway.errors import SnapshotUnknown
from gateway.outbox import Outbox, pointer_message
from gateway.snapshots import Snapshots
from gateway.store import Store

_log = logging.getLogger(__name__)


class Requests:
    """Answers requests of one library's stations; also remembers each station's epoch."""

    def __init__(self, store: Store, library_id: str, outbox: Outbox, snapshots: Snapshots):
        self.store = store
        self.library_id = library_id
        self.births: dict[str, tuple[str, int]] = {}
        self._outbox = outbox
        self._snapshots = snapshots

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
