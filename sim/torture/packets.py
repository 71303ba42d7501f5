"""A wire tap at a cable: which journal messages a broker took, and which it delivered.

A station's cable shows a message and, later, the broker's PUBACK for it: the broker says that it
has it. The gateway's cable shows what really came. What was acknowledged and never came is what
a station would have lost that believed a PUBACK; what came more than once is what the gateway
had to recognise.

Only whole QoS 1 packets of MQTT 3.1.1 are looked at; the stream is never changed.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PUBLISH, PUBACK = 3, 4
ENDING = "/journal"
LENGTH_BYTES_MAX = 4


class Packets:
    """Cuts one way of an MQTT connection into packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the first byte and the body of every packet that is complete now."""
        self._rest += chunk
        while (found := _first_packet(self._rest)) is not None:
            first, body, end = found
            self._rest = self._rest[end:]
            yield first, body


def _first_packet(stream: bytes) -> tuple[int, bytes, int] | None:
    """Return a packet's first byte, its body and where the next one begins; None: not whole."""
    length = 0
    for place in range(1, LENGTH_BYTES_MAX + 1):
        if place >= len(stream):
            return None
        length |= (stream[place] & 0x7F) << 7 * (place - 1)
        if not stream[place] & 0x80:
            end = place + 1 + length
            return (stream[0], stream[place + 1 : end], end) if len(stream) >= end else None
    return None


def journal_message(first: int, body: bytes) -> tuple[int, str, bytes] | None:
    """Return packet id, topic and payload of a journal message, None of any other packet."""
    if first >> 4 != PUBLISH or first >> 1 & 3 != 1:
        return None
    size = int.from_bytes(body[:2])
    topic = body[2 : 2 + size].decode(errors="replace")
    if not topic.endswith(ENDING):
        return None
    return int.from_bytes(body[2 + size : 4 + size]), topic, body[4 + size :]


class Tally:
    """A file of what was seen; each line is on its way to the disk before the next packet."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, **seen: Any) -> None:
        """Add a line; may be called from several threads, and a killed process loses none."""
        line = json.dumps({"at": round(time.time(), 3), **seen})
        os.write(self._file, line.encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class JournalTap:
    """The watch of one connection; see `sim.proxy.Watch`."""

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write
        self._goes, self._came = Packets(), Packets()
        self._under_way: dict[int, str] = {}

    def goes(self, chunk: bytes) -> None:
        """A station's message is on its way."""
        for first, body in self._goes.feed(chunk):
            message = journal_message(first, body)
            if message is not None:
                self._under_way[message[0]] = mark_of(message[2])

    def came(self, chunk: bytes) -> None:
        """A PUBACK for a station's message, or a message for the gateway."""
        for first, body in self._came.feed(chunk):
            if first >> 4 == PUBACK:
                mark = self._under_way.pop(int.from_bytes(body[:2]), None)
                if mark is not None:
                    self._write(taken=mark)
            message = journal_message(first, body)
            if message is not None:
                self._write(delivered=mark_of(message[2]), **_rows_of(message[1], message[2]))


def mark_of(payload: bytes) -> str:
    """Return a short name of a message's bytes."""
    return hashlib.sha256(payload).hexdigest()[:16]


def _rows_of(topic: str, payload: bytes) -> dict[str, Any]:
    """Return whose rows a message carries, and which."""
    try:
        message = json.loads(payload)
        rows = {"epoch": message["epoch"], "seq0": message["seq0"], "n": len(message["events"])}
    except (ValueError, KeyError, TypeError):
        return {}
    return {"station": topic.split("/")[-2], **rows}
