"""Facts as this kiosk writes them: the fields every fact has, and the patron beside the body."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kiosk.config import Place
from kiosk.store import Draft
from kiosk.timekeeping import StationTime

SALT_BYTES = 16
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class FactWriter:
    """Drafts facts of one boot of one station."""

    place: Place
    boot: str
    time: StationTime
    random_bytes: RandomBytes

    def draft(self, kind: str, *, patron: str | None = None, **fields: Any) -> Draft:
        """Return a fact of now; fields that are None are left out.

        The body names a patron only by a salted hash; the salt and the id go beside it, so that
        retention can take them away without touching the chain.
        """
        body: dict[str, Any] = {
            "id": self.new_id(),
            "kind": kind,
            "boot": self.boot,
            "mono": self.time.mono_ms,
            "wall": self.time.wall_ms(),
            "sure": self.time.sure,
            "site": self.place.site,
            "room": self.place.room,
        }
        body.update((key, _plain(value)) for key, value in fields.items() if value is not None)
        if patron is None:
            return Draft(body)
        salt = self.random_bytes(SALT_BYTES)
        body["patron"] = hashlib.sha256(salt + patron.encode()).hexdigest()
        return Draft(body, salt, patron)

    def new_id(self) -> str:
        """A random id of 8 bytes."""
        return self.random_bytes(8).hex()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | frozenset | set) else value
