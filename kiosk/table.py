"""What the devices notice on the table: tags on the pad, cards, scanned labels.

`look` asks every device once and returns what is new, in order. A device that fails is counted
and skipped: lending goes on by what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hardware.errors import DeviceError, HardwareError, TagLost
from hardware.ports import TagReader
from kiosk.devices import KioskDevices
from kiosk.identify import Identifier, Thing
from kiosk.ledger import Reading
from kiosk.pad import Presence

CARD_LIFT_MS = 300
"""A card is held up, not laid down; the next one may follow at once."""
READ_TRIES = 20
"""So many rounds a tag may be too weak to read before the pad gives up on it."""


@dataclass(frozen=True, slots=True)
class ThingPlaced:
    """A thing was put on the pad and read."""

    uid: str
    thing: Thing


@dataclass(frozen=True, slots=True)
class ThingLifted:
    """The last tag of a thing left the pad; `cleared`: the pad is empty now."""

    key: str
    cleared: bool


@dataclass(frozen=True, slots=True)
class CardShown:
    """A tag was held to the card reader."""

    uid: str


@dataclass(frozen=True, slots=True)
class CodeScanned:
    """A label was held under the scanner."""

    text: str


Noticed = ThingPlaced | ThingLifted | CardShown | CodeScanned


@dataclass(slots=True)
class Table:
    """One kiosk's devices, and what lies there; `rounds`: complete inventories of the pad."""

    devices: KioskDevices
    identifier: Identifier
    reader_errors: int = 0
    rounds: int = 0
    _pad: Presence = field(default_factory=Presence)
    _cards: Presence = field(default_factory=lambda: Presence(CARD_LIFT_MS))
    _lying: dict[str, Thing] = field(default_factory=dict)
    _unread: dict[str, int] = field(default_factory=dict)
    _scanned: dict[str, Thing] = field(default_factory=dict)

    @property
    def present(self) -> tuple[str, ...]:
        """UIDs on the pad now."""
        return self._pad.present

    @property
    def near(self) -> tuple[str, ...]:
        """UIDs on the pad that were heard lately."""
        return self._pad.near

    @property
    def back(self) -> tuple[str, ...]:
        """UIDs on the pad that are heard again after a silence too short for a lift."""
        return self._pad.back

    @property
    def pad_works(self) -> bool:
        """Whether tags can be read and switched."""
        return self.devices.reader is not None and self.devices.reader.health().ok

    def look(self, now_ms: int) -> list[Noticed]:
        """Ask every device once; return what is new."""
        noticed: list[Noticed] = list(self._look_at_pad(now_ms))
        noticed += self._look_at_cards(now_ms)
        if self.devices.scanner is not None:
            noticed += [CodeScanned(text) for text in self.devices.scanner.poll()]
        return noticed

    def read_again(self) -> list[tuple[str, str]]:
        """Read once more what no list knew, as a new list is here; return (uid, key) of each."""
        strange = [(uid, t.key) for uid, t in self._lying.items() if not (t.known or t.card)]
        for uid, _ in strange:
            del self._lying[uid]
            self._unread[uid] = READ_TRIES
        return strange

    @property
    def cards(self) -> tuple[str, ...]:
        """UIDs of the cards that lie at the card reader now."""
        return self._cards.present

    def scanned(self, thing: Thing) -> None:
        """Remember a thing that was identified by its label."""
        self._scanned[thing.key] = thing

    def end_visit(self) -> None:
        """What was scanned was put away; what could not be read yet is not the next reader's."""
        self._scanned.clear()
        self._unread.clear()

    def thing(self, key: str) -> Thing | None:
        """What is known of a thing here."""
        lying = (thing for thing in self._lying.values() if thing.key == key)
        return next(lying, None) or self._scanned.get(key)

    def reading(self, key: str) -> Reading:
        """Everything that was read of a thing."""
        thing = self.thing(key)
        if thing is None:
            return Reading()
        uids = tuple(uid for uid, lying in self._lying.items() if lying.key == key)
        return Reading(uids, thing.barcode or None, thing.owner or None, self._parts(key))

    def awaits_parts(self, key: str) -> bool:
        """Whether some parts of a set lie here and others may still follow."""
        thing, parts = self.thing(key), self._parts(key)
        if thing is None or thing.known is None or parts is None:
            return False
        return len(parts) < thing.known.item.parts_total

    def _look_at_pad(self, now_ms: int) -> Iterator[Noticed]:
        reader = self.devices.reader
        if reader is None:
            return
        try:
            inventory = reader.inventory()
            placed, lifted = self._pad.observe(inventory, now_ms)
        except DeviceError:
            self.reader_errors += 1
            return
        self.rounds += inventory.complete
        self._unread.update(dict.fromkeys(placed, READ_TRIES))
        for uid in list(self._unread):
            thing = self._read(reader, uid)
            if thing is not None:
                yield ThingPlaced(uid, thing)
        for uid in lifted:
            key = self._take(uid)
            if key is not None:
                yield ThingLifted(key, not self.present)

    def _read(self, reader: TagReader, uid: str) -> Thing | None:
        self._unread[uid] -= 1
        try:
            thing = self.identifier.tag(reader, uid)
        except HardwareError as error:
            self.reader_errors += not isinstance(error, TagLost)
            if self._unread[uid] <= 0:
                del self._unread[uid]
            return None
        del self._unread[uid]
        self._lying[uid] = thing
        return thing

    def _take(self, uid: str) -> str | None:
        """Forget a lifted tag; return its thing's key when no other part of it lies here."""
        self._unread.pop(uid, None)
        thing = self._lying.pop(uid, None)
        if thing is None or any(other.key == thing.key for other in self._lying.values()):
            return None
        return thing.key

    def _look_at_cards(self, now_ms: int) -> Iterator[Noticed]:
        reader = self.devices.card_reader
        if reader is None:
            return
        try:
            placed, _ = self._cards.observe(reader.inventory(), now_ms)
        except DeviceError:
            self.reader_errors += 1
            return
        for uid in placed:
            yield CardShown(uid)

    def _parts(self, key: str) -> frozenset[int] | None:
        """Ordinals on the pad; None when only the main part has a tag, or a label was scanned."""
        things = [thing for thing in self._lying.values() if thing.key == key]
        known = next((thing.known for thing in things), None)
        if known is None or known.item.parts_total == 1 or len(known.uids) <= 1:
            return None
        return frozenset(thing.content.part for thing in things if thing.content)
