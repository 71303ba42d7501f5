"""An RC522 board as a pad for NTAG stickers and MIFARE cards (ISO 14443A).

Laws:
- Never a wrong UID (`hardware/chips/iso14443a.py`); an inventory that may lack a tag says so.
- A chip that lost its power or its plug is set up again by the next question, without a restart.
- What a tag is (its chip, its memory's size) is asked once per UID; where it is, every time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hardware.chips import mifare, tag_data
from hardware.chips.iso14443a import TagFault, TagGarbled, TagRefused, TagSilent, TypeA
from hardware.chips.rc522 import VERSIONS, ChipAbsent, ChipFault, ChipReset, Rc522
from hardware.errors import DeviceError, DeviceGarbled, DeviceUnavailable, TagError, TagLost
from hardware.ports import MIFARE_CLASSIC, NTAG, Clock, Health, Inventory, TagSeen
from hardware.readers.tag_memory import OTHER, Kind, TagMemoryReader, classic

if TYPE_CHECKING:
    from hardware.chips.mifare import Memory
    from hardware.chips.rc522 import Bus

HEALTH_MS = 1_000
"""How old what `health` says may be; it looks again then, in one transfer."""
SAK_TYPE_2 = 0x00
KINDS_MAX = 256
ABSENT = "no answer on SPI; check its plug, 3.3 V, and that RST is high or wired as configured"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rc522Options:
    """What a board may have besides SPI, and what its site has set.

    irq: whether the chip pulls its IRQ pin low now. reset: drives RST. gain: 0 to 7, see
    `Rc522`. mifare_key: key A of MIFARE Classic's sectors, 6 bytes.
    """

    irq: Callable[[], bool] | None = None
    reset: Callable[[bool], None] | None = None
    gain: int = 4
    mifare_key: bytes = mifare.KEY_DEFAULT


class Rc522Reader(TagMemoryReader):
    """A `TagReader` on an RC522; safe to ask from several threads, one question at a time."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        *,
        name: str = "rc522",
        afi_in_stock: int = tag_data.AFI_IN_STOCK,
        afi_on_loan: int = tag_data.AFI_ON_LOAN,
        options: Rc522Options | None = None,
    ) -> None:
        """Touch nothing yet; the first question opens the bus and sets the chip up."""
        super().__init__(name, afi_in_stock, afi_on_loan)
        self._options = options or Rc522Options()
        if len(self._options.mifare_key) != mifare.KEY_LENGTH:
            raise ValueError(f"{name}: a MIFARE key has {mifare.KEY_LENGTH} bytes")
        self._bus = bus
        self._clock = clock
        self._chip = Rc522(
            bus,
            clock.now_ms,
            clock.sleep_ms,
            irq=self._options.irq,
            reset=self._options.reset,
            gain=self._options.gain,
        )
        self._type_a = TypeA(self._chip)
        self._kinds: dict[bytes, Kind] = {}
        self._lock = threading.RLock()
        self._health = Health(False, f"{name}: not asked yet")
        self._felt_ms: int | None = None
        self._tries = 1
        self._closed = False

    @property
    def notes(self) -> str:
        """A sentence for staff about the chip itself, empty before it was found."""
        version = self._chip.version
        if version is None:
            return ""
        known = VERSIONS.get(version, f"an unknown chip (VersionReg {version:#04x})")
        deaf = "; its IRQ pin never moves, check that wire" if self._chip.pin_is_deaf else ""
        return f"{self.name}: {known}{deaf}"

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`.

        Takes 13 ms over an empty field and some 15 ms a tag. A field that was not empty is asked
        twice before it is believed to be.
        """
        found, complete = self._with_chip(lambda: self._type_a.inventory(self._look, self._tries))
        self._tries = 2 if found else 1
        tags = [TagSeen(uid.hex(), self._technology(uid, sak)) for uid, sak in found]
        return Inventory(tuple(sorted(tags, key=lambda tag: tag.uid)), complete)

    def health(self) -> Health:
        """See `TagReader.health`; looks at the chip if nobody did for a second."""
        if self._closed:
            return Health(False, f"{self.name}: closed")
        if not self._lock.acquire(blocking=False):
            return self._health  # it is being asked just now, which tells more than a look
        try:
            age_ms = HEALTH_MS if self._felt_ms is None else self._clock.now_ms() - self._felt_ms
            if not self._health.ok or age_ms >= HEALTH_MS:
                self._with_chip(lambda: None)
        except DeviceError:
            pass  # remembered where it was raised
        finally:
            self._lock.release()
        return self._health

    def close(self) -> None:
        """See `TagReader.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._chip.stop()
            except (ChipFault, OSError):
                pass  # unplugged: its field is off
            finally:
                getattr(self._bus, "close", lambda: None)()

    def _with_chip(self, work: Callable[[], T]) -> T:
        """Do something with a chip that works; set it up, and again if it loses its settings."""
        with self._lock:
            if self._closed:
                raise DeviceUnavailable(f"{self.name}: closed")
            try:
                result = self._twice(work)
            except ChipAbsent as error:
                raise self._failed(
                    DeviceUnavailable(f"{self.name}: {ABSENT} ({error})")
                ) from error
            except ChipReset as error:
                sentence = f"{self.name}: {error}, again and again; check its power supply"
                raise self._failed(DeviceUnavailable(sentence)) from error
            except ChipFault as error:
                raise self._failed(DeviceGarbled(f"{self.name}: {error}")) from error
            except DeviceError as error:
                self._failed(error)
                raise
            except (TagFault, TagError):
                self._feel(Health(True))  # the tag's fault: the chip did what it was told
                raise
            self._feel(Health(True))
            return result

    def _twice(self, work: Callable[[], T]) -> T:
        try:
            self._ready()
            return work()
        except ChipReset:
            self._chip.start()
            return work()

    def _ready(self) -> None:
        if self._chip.version is None:
            self._chip.start()
        else:
            self._chip.check()

    def _failed(self, error: DeviceError) -> DeviceError:
        """Remember what went wrong; the next question begins with a start."""
        self._chip.version = None
        self._feel(Health(False, str(error)))
        return error

    def _feel(self, health: Health) -> None:
        self._health = health
        self._felt_ms = self._clock.now_ms()

    def _reach(self, uid: str, raw: bytes, during: str, work: Callable[[Memory], T]) -> T:
        return self._with_chip(lambda: self._at_tag(uid, raw, during, work))

    def _at_tag(self, uid: str, raw: bytes, during: str, work: Callable[[Memory], T]) -> T:
        try:
            sak = self._type_a.select(raw)
        except TagSilent as error:
            raise TagLost(uid, during) from error
        kind = self._kind(raw, sak)
        if kind is None:
            raise TagGarbled("no clear answer to GET_VERSION")
        try:
            return work(self._memory(raw, kind))
        finally:
            if kind.technology == MIFARE_CLASSIC:
                self._chip.stop_crypto()
            else:
                self._type_a.halt()

    def _memory(self, raw: bytes, kind: Kind) -> Memory:
        if kind.technology == MIFARE_CLASSIC:
            return mifare.ClassicMemory(self._chip, kind.sectors, raw, self._options.mifare_key)
        return mifare.NtagMemory(self._chip, kind.user_bytes, raw)

    def _look(self, uid: bytes, sak: int) -> None:
        """Learn what a tag is while it is selected."""
        self._kind(uid, sak)

    def _kind(self, uid: bytes, sak: int) -> Kind | None:
        """Return what the selected tag is, None when it did not say so clearly."""
        card = classic(sak)
        if card is not None:
            return card
        if sak != SAK_TYPE_2:
            return OTHER
        if uid not in self._kinds:
            try:
                user_bytes = mifare.ntag_user_bytes(mifare.get_version(self._chip))
            except TagRefused:
                user_bytes = 0
            except TagFault:
                return None
            if len(self._kinds) >= KINDS_MAX:
                del self._kinds[next(iter(self._kinds))]
            self._kinds[uid] = Kind(NTAG, user_bytes) if user_bytes else OTHER
        return self._kinds[uid]

    def _technology(self, uid: bytes, sak: int) -> str:
        if mifare.classic_sectors(sak):
            return MIFARE_CLASSIC
        kind = self._kinds.get(uid, OTHER) if sak == SAK_TYPE_2 else OTHER
        return kind.technology
