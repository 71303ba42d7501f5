"""What is said over a site's topics counts only with a mac of the library's key.

Anybody in the building's network may write there. A message with a wrong mac has no effect; staff
are told of it once per station and hour, since it is a station with an old key or somebody who
plays with the gates.
"""

from __future__ import annotations

from typing import Any

from circulation.wire.messages import is_sealed
from gateway.contacts import Contacts

REPEAT_MS = 3_600_000
STATIONS_MAX = 1_000
STRANGER = None  # names that are no station's are told of as one: they cost nothing to invent


class Seals:
    """Checks macs for one library."""

    def __init__(self, contacts: Contacts, *, key: bytes):
        self._contacts = contacts
        self._key = key
        self._noted_ms: dict[str | None, int] = {}

    def holds(self, message: Any, now_ms: int) -> bool:
        """Return whether a message was made with the key; else see that staff hear of it."""
        if is_sealed(message, self._key):
            return True
        station = message.station if message.station in self._contacts.sites else STRANGER
        last_ms = self._noted_ms.get(station)
        if last_ms is None or not 0 <= now_ms - last_ms < REPEAT_MS:
            self._noted_ms[station] = now_ms
            self._contacts.note("unsealed", station)
        while len(self._noted_ms) > STATIONS_MAX:
            del self._noted_ms[next(iter(self._noted_ms))]
        return False
