"""The lending stations of the site, and whether each was heard lately."""

from firmware.gate.config import LENDERS_HEARD_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LENDERS_MAX = 64


class Lenders:
    """Row 6 alarms only while every one of these has been heard within 60 s."""

    def __init__(self, stations: "Iterable[str]") -> None:
        """stations: those known from the configuration, none of them heard yet."""
        self._heard_ms: dict[str, int | None] = {}
        self._missed_ms: dict[str, int] = {}  # never heard, and looked for since
        self._too_many = False
        self._spoke: set[str] | None = None  # since the link came up; None: it never did
        for station in stations:
            self.know(station)

    def know(self, station: str) -> None:
        """Take that this station lends here."""
        if station in self._heard_ms:
            return
        if len(self._heard_ms) >= LENDERS_MAX:
            self._too_many = True
            return
        self._heard_ms[station] = None

    def hear(self, station: str, now_ms: int) -> bool:
        """Take that this station spoke just now; return whether it is its first word.

        The first since the link came up: what we said before, it may not have been there to hear.
        """
        self.know(station)
        if station not in self._heard_ms:
            return False
        self._heard_ms[station] = now_ms
        if self._spoke is None or station in self._spoke:
            return False
        self._spoke.add(station)
        return True

    def link_up(self) -> None:
        """From now on each station's first word counts again."""
        self._spoke = set()

    def all_heard(self, now_ms: int) -> bool:
        """Return whether none may have lent something unheard."""
        return not self._too_many and not self.silent(now_ms)

    def silent(self, now_ms: int) -> "list[str]":
        """Return the stations not heard within 60 s, in order."""
        found = []
        for station, heard_ms in self._heard_ms.items():
            if heard_ms is None or now_ms - heard_ms > LENDERS_HEARD_MS:
                found.append(station)
        return sorted(found)

    def overdue(self, now_ms: int) -> "list[str]":
        """Return the silent stations that staff should look after, in order.

        A station this program has never heard gets a minute to speak, counted from the first time
        that it was asked for here: a gate that has just started misses nobody yet.
        """
        found = []
        for station in self.silent(now_ms):
            since_ms = self._heard_ms[station]
            if since_ms is None:
                since_ms = self._missed_ms.setdefault(station, now_ms)
            if now_ms - since_ms > LENDERS_HEARD_MS:
                found.append(station)
        return found
