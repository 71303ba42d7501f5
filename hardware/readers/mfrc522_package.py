"""An RC522 board by the package `mfrc522` 0.0.7 (pimylifeup), behind the port `TagReader`.

For who must use that package; `hardware/readers/rc522.py` does more with the same board. What the
package cannot do is found out and said, never guessed over:

- It knows UIDs of 4 bytes. Of a longer one it returns 88 and the first three bytes, the same
  number for many tags: such a tag is refused by name, not listed, and the round is incomplete. So
  NTAG stickers, whose UIDs have 7 bytes, can neither be lent nor written here.
- It reads one tag at a time: of several it sees a collision, and the round is incomplete.
- It checks no CRC: each UID is confirmed by a SELECT whose answer's CRC we check, and memory is
  read and written through its `MFRC522_ToCard` with CRCs of ours, and read back.
- It ignores the chip's timer: each unanswered question reads a register 2,000 times, some 50 ms of
  one core. Only the package could change that.
- It never looks whether a chip is there: we read VersionReg, and the timer's register, which a
  chip that lost its power forgets.
- It sets the process's pin numbering to BOARD if nobody set one, takes GPIO 15 for RST if somebody
  set BCM, and its `Close_MFRC522` frees every pin of the process. So we set BCM before it, say
  which pin RST is on (GPIO 25, place 22), and free that pin alone.
- It adds a handler to its logger for each reader made: we take that away and keep it quiet.

The package is under the GPL: it is imported, never copied, and in no extra. Install it with
`pip install --no-deps mfrc522==0.0.7`; its dependencies would bring RPi.GPIO beside rpi-lgpio.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from hardware.chips import mifare, tag_data
from hardware.chips.crc_a import has_crc, with_crc
from hardware.chips.iso14443a import CASCADE_TAG, SAK_INCOMPLETE, Reply, block_check
from hardware.errors import (
    BlockOutOfRange,
    DeviceError,
    DeviceUnavailable,
    SecurityUnsupported,
    TagLost,
)
from hardware.header import Header
from hardware.ports import ISO14443A, Clock, Health, Inventory, Security, TagContent, TagSeen
from hardware.readers.tag_memory import TagMemoryReader, classic

if TYPE_CHECKING:
    from hardware.chips.mifare import Memory

INSTALL = "pip install --no-deps mfrc522==0.0.7"
RST_BCM = 25
UID_BYTES = 4
FRAME_BYTES_MAX = 18
"""The package keeps 16 bytes of an answer, which cuts the CRC off a block: we let it keep two
more, by the constant it has for that."""
HEALTH_MS = 1_000
FIELD_MS = 6

ERROR, FIFO_LEVEL, BIT_FRAMING, STATUS_2, T_MODE, VERSION = 0x06, 0x0A, 0x0D, 0x08, 0x2A, 0x37
ANY_ERR, CRYPTO_ON, T_MODE_SET = 0x1B, 0x08, 0x8D
"""T_MODE_SET: what the package's `MFRC522_Init` writes to TModeReg."""

_NEEDED = (
    "MFRC522_Init MFRC522_Request MFRC522_Anticoll MFRC522_ToCard MFRC522_Auth"
    " MFRC522_StopCrypto1 AntennaOn AntennaOff Read_MFRC522 Write_MFRC522"
).split()

LONG_UID = (
    "a tag with a UID of 7 or 10 bytes lies here, of which the package mfrc522 reads only a part:"
    ' it is not lent; use driver = "rc522" for such tags'
)
SEVERAL = (
    "several tags lie here, or one that is not understood; the package mfrc522 reads one at a"
    ' time: lay them down one by one, or use driver = "rc522"'
)

T = TypeVar("T")


class OldIdRefused(ValueError):
    """An id of the package that names no tag: truncated, or no such id at all."""


def uid_from_old_id(old_id: int) -> str:
    """Return the UID, in hex, of an id that the package gave out: UID x 256 + BCC.

    Raises `OldIdRefused` for an id that begins with 88, which many tags share: that item has to be
    read anew. Also for a number whose check byte is wrong.
    """
    if not 0 <= old_id < 1 << 40:
        raise OldIdRefused(f"id {old_id}: not an id of the package mfrc522, which has five bytes")
    raw = old_id.to_bytes(UID_BYTES + 1, "big")
    uid, check = raw[:UID_BYTES], raw[UID_BYTES]
    if check != block_check(uid):
        raise OldIdRefused(f"id {old_id}: its check byte is wrong; not an id of mfrc522")
    if uid[0] == CASCADE_TAG:
        raise OldIdRefused(
            f"id {old_id}: the beginning of a longer UID, which other tags share; "
            "read this tag anew with driver rc522"
        )
    return uid.hex()


class Mfrc522Reader(TagMemoryReader):
    """A `TagReader` over the package; safe to ask from several threads, one at a time."""

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "mfrc522",
        bus: int = 0,
        device: int = 0,
        afi_in_stock: int = tag_data.AFI_IN_STOCK,
        afi_on_loan: int = tag_data.AFI_ON_LOAN,
    ) -> None:
        """Import and open nothing yet; the first question does."""
        super().__init__(name, afi_in_stock, afi_on_loan)
        self._clock = clock
        self._place = (bus, device)
        self._package: Any = None
        self._header = Header()
        self._lock = threading.RLock()
        self._health = Health(False, f"{name}: not asked yet")
        self._felt_ms: int | None = None
        self._refused = ""
        self._closed = False

    @property
    def notes(self) -> str:
        """A sentence for staff: what this reader cannot do with what lies on it now."""
        return f"{self.name}: {self._refused}" if self._refused else ""

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`: at most one tag, and never one with a truncated UID.

        `notes` says why a round was incomplete.
        """
        return self._with_board(self._inventory)

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`."""
        return None if _is_long(uid) else super().read_content(uid)

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`."""
        return Security.NONE if _is_long(uid) else super().get_security(uid)

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`; `SecurityUnsupported` for tags with longer UIDs."""
        if _is_long(uid):
            raise SecurityUnsupported(uid, _too_long())
        super().set_security(uid, security)

    def health(self) -> Health:
        """See `TagReader.health`; looks at the chip if nobody did for a second."""
        if self._closed:
            return Health(False, f"{self.name}: closed")
        if not self._lock.acquire(blocking=False):
            return self._health
        try:
            age_ms = HEALTH_MS if self._felt_ms is None else self._clock.now_ms() - self._felt_ms
            if not self._health.ok or age_ms >= HEALTH_MS:
                self._with_board(lambda: None)
        except DeviceError:
            pass  # remembered where it was raised
        finally:
            self._lock.release()
        return self._health

    def close(self) -> None:
        """See `TagReader.close`; frees the pin of RST and no other."""
        with self._lock:
            package, self._package = self._package, None
            self._closed = True
            if package is None:
                return
            with suppress(OSError):  # unplugged: its field is off
                package.AntennaOff()
            package.spi.close()
            self._header.gpio.cleanup(self._header.channel(RST_BCM))

    def _inventory(self) -> Inventory:
        self._renew_field()
        self._refused = ""
        found, is_somebody = self._select()
        if found is None:
            return Inventory((), complete=not is_somebody)
        uid, sak = found
        card = classic(sak)
        technology = card.technology if card is not None else ISO14443A
        return Inventory((TagSeen(uid.hex(), technology),))

    def _select(self) -> tuple[tuple[bytes, int] | None, bool]:
        """Return the one tag that is selected now, if any, and whether anything answered."""
        package = self._package
        _, bits = package.MFRC522_Request(package.PICC_REQIDL)
        if not bits and not package.Read_MFRC522(ERROR) & ANY_ERR:
            return None, False
        status, data = package.MFRC522_Anticoll()
        if status != package.MI_OK or len(data) != UID_BYTES + 1:
            self._refused = SEVERAL
            return None, True
        uid = bytes(data[:UID_BYTES])
        if uid[0] == CASCADE_TAG:
            self._refused = LONG_UID
            return None, True
        answer = self._link.exchange(with_crc(bytes((package.PICC_SElECTTAG, 0x70, *data))))
        whole = answer is not None and answer.is_clean and len(answer.data) == 3
        if answer is None or not whole or not has_crc(answer.data):
            self._refused = SEVERAL
            return None, True
        sak = answer.data[0]
        if sak & SAK_INCOMPLETE:
            self._refused = LONG_UID
            return None, True
        return (uid, sak), True

    def _reach(self, uid: str, raw: bytes, during: str, work: Callable[[Memory], T]) -> T:
        if _is_long(uid):
            raise BlockOutOfRange(uid, _too_long())
        return self._with_board(lambda: self._at_tag(uid, raw, during, work))

    def _at_tag(self, uid: str, raw: bytes, during: str, work: Callable[[Memory], T]) -> T:
        self._renew_field()
        found, _ = self._select()
        if found is None or found[0] != raw:
            raise TagLost(uid, during)
        card = classic(found[1])
        try:
            if card is None:
                return work(mifare.NtagMemory(self._link, 0, raw))  # no memory for us
            return work(mifare.ClassicMemory(self._link, card.sectors, raw))
        finally:
            self._package.MFRC522_StopCrypto1()

    @property
    def _link(self) -> _PackageLink:
        return _PackageLink(self._package, self._clock, self._renew_field)

    def _renew_field(self) -> None:
        """Let every tag start anew: the package leaves the last one selected, and so mute."""
        self._package.AntennaOff()
        self._clock.sleep_ms(FIELD_MS)
        self._package.AntennaOn()
        self._clock.sleep_ms(FIELD_MS)

    def _with_board(self, work: Callable[[], T]) -> T:
        """Do something with a chip that is there; set it up if it lost its settings."""
        with self._lock:
            if self._closed:
                raise DeviceUnavailable(f"{self.name}: closed")
            try:
                self._look_at_chip()
                result = work()
                self._look_at_chip()
            except OSError as error:
                self._feel(Health(False, str(error)))
                if isinstance(error, DeviceError):
                    raise
                raise DeviceUnavailable(f"{self.name}: {error}; check that SPI is on") from error
            self._feel(Health(True))
            return result

    def _look_at_chip(self) -> None:
        if self._package is None:
            self._open()
        version = self._package.Read_MFRC522(VERSION)
        if version in (0x00, 0xFF):
            raise DeviceUnavailable(
                f"{self.name}: no answer on SPI (VersionReg {version:#04x}); check its plug"
            )
        if self._package.Read_MFRC522(T_MODE) != T_MODE_SET:
            self._package.MFRC522_Init()

    def _open(self) -> None:
        header = Header()
        rst = header.channel(RST_BCM)  # first: it says what is wrong with RPi.GPIO, if anything
        try:
            board = importlib.import_module("mfrc522").MFRC522
        except ImportError as error:
            raise DeviceUnavailable(f"{self.name}: {error}: {INSTALL}") from error
        missing = [method for method in _NEEDED if not hasattr(board, method)]
        if missing:
            raise DeviceUnavailable(
                f"{self.name}: the module mfrc522 is not that of the package mfrc522 0.0.7, as it "
                f"has no {missing[0]}: pip uninstall mfrc522-python; {INSTALL}"
            )
        logger = logging.getLogger("mfrc522Logger")
        handlers = list(logger.handlers)
        bus, device = self._place
        try:
            package = board(bus, device, pin_rst=rst, debugLevel="CRITICAL")
        except OSError:
            raise
        except Exception as error:  # each GPIO library has its own
            raise header.unavailable(self.name, error, RST_BCM) from error
        finally:
            logger.handlers[:] = handlers
        package.MAX_LEN = FRAME_BYTES_MAX
        self._package, self._header = package, header

    def _feel(self, health: Health) -> None:
        self._health = health
        self._felt_ms = self._clock.now_ms()


class _PackageLink:
    """Frames to a selected tag and back, by the package's own transceiver."""

    def __init__(self, package: Any, clock: Clock, renew_field: Callable[[], None]) -> None:
        self.now_ms = clock.now_ms
        self.renew_field = renew_field
        self._package = package

    def exchange(
        self, frame: bytes, last_bits: int = 0, align: int = 0, wait_us: int = 0
    ) -> Reply | None:
        """See `Rc522.exchange`; the package waits as long as it likes."""
        package = self._package
        package.Write_MFRC522(BIT_FRAMING, align << 4 | last_bits)
        status, data, bits = package.MFRC522_ToCard(package.PCD_TRANSCEIVE, list(frame))
        if status == package.MI_OK and bits:
            return Reply(bytes(data), bits % 8, True, None)
        if package.Read_MFRC522(ERROR) & ANY_ERR:
            return Reply(b"", 0, False, None)
        return None

    def authenticate(self, command: int, block: int, key: bytes, uid: bytes) -> bool:
        """See `Rc522.authenticate`; what the package returns says too little."""
        self._package.MFRC522_Auth(command, block, list(key), list(uid))
        return bool(self._package.Read_MFRC522(STATUS_2) & CRYPTO_ON)


def _is_long(uid: str) -> bool:
    return len(uid) > 2 * UID_BYTES


def _too_long() -> str:
    return 'the package mfrc522 knows UIDs of 4 bytes only; use driver = "rc522" for this tag'
