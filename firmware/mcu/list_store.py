"""Whole lists for the gate: what lies in flash, and how the next one comes, piece by piece.

Laws:
- One download at a time, one piece under way, each piece asked for again a bounded number of
  times. A gate begins at a random moment and rests between pieces, so that a thousand gates
  that want a list in the same minute do not ask in the same second.
- A piece is written if its length, and the SHA-256 said with it, are right; a list is used if
  the SHA-256 at its end and the one announced are. Whatever else comes leaves what is in use in
  use, and `trouble` says what it was.
- A piece that does not come is asked for in smaller ones: a message needs memory in one block
  several times over, and a heap in use for weeks may have none so long.
- A new list is asked for before the room for changes is full (`ASK_PERCENT`), and once a day.
- Nothing here waits: each call does one small step. `firmware/mcu/following.py` calls it.
"""

from binascii import hexlify

from circulation.sync.backoff import Backoff
from circulation.sync.effects import SendRequest
from circulation.wire.errors import FuseInvalid
from circulation.wire.fuse import HEADER_BYTES, decode_header, format_of
from circulation.wire.limits import CHUNK_BYTES_MAX
from circulation.wire.messages import Request
from circulation.wire.topics import MAY_LEAVE
from firmware.mcu.lists import ASK_PERCENT, ROOM_BYTES, FlashList, ListRoom
from firmware.mcu.pieces import content_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from circulation.wire.messages import Chunk, Pointer
    from firmware.mcu.list_files import ListFile, ListSlots, Slot, Verifying

LIST_BYTES_MAX = 400_000  # a Pico W has room for two of 230,000 beside two updates (test_vm_room)
PACE_MS = 400  # from a piece to the next, and up to as much again: a list in a minute and a half
SPREAD_MS = 300_000  # within which gates that want a list begin
SPREAD_URGENT_MS = 30_000
SPREAD_FIRST_MS = 2_000  # a gate without a list is blind
URGENT_PERCENT = 90
REFRESH_MS = 86_400_000
ANSWER_FIRST_MS, ANSWER_MS_MAX = 5_000, 60_000
ASK_FIRST_MS, ASK_MS_MAX = 30_000, 600_000
TRIES_MAX = 8
TRIES_PER_SIZE = 2
PIECE_BYTES_MIN = 256
BLOCKS_PER_STEP = 8  # of half a KiB, read and hashed in a few milliseconds

IDLE, WANTED, FETCHING, VERIFYING = 0, 1, 2, 3


class ListStore:
    """The lists of one gate, see `firmware/mcu/following.py`."""

    def __init__(
        self,
        slots: "ListSlots",
        boundary: int,
        random_below: "Callable[[int], int]",
        room_bytes: int = ROOM_BYTES,
        piece_bytes: int = CHUNK_BYTES_MAX,
    ) -> None:
        """room_bytes: for changes, of each list in use; two are while a gateway recovers.

        Both rooms are taken here: later, no heap may have blocks so long. piece_bytes: to be
        asked for at most.
        """
        self.format = format_of(boundary)
        self._slots = slots
        self._boundary = boundary
        self._random_below = random_below
        self._rooms = (ListRoom(room_bytes), ListRoom(room_bytes))
        self._in_use: list[tuple[Slot, FlashList]] = []  # the older history first
        self._retired: list[tuple[Slot, FlashList]] = []
        self._state = IDLE
        self._due_ms = 0
        self._asking = Backoff(ASK_FIRST_MS, ASK_MS_MAX, random_below, ASK_FIRST_MS // 2)
        self._waiting = Backoff(ANSWER_FIRST_MS, ANSWER_MS_MAX, random_below, ANSWER_FIRST_MS // 2)
        self._announced: Pointer | None = None
        self._pointer: Pointer | None = None
        self._slot: Slot | None = None
        self._verifying: Verifying | None = None
        self._piece = ("", 0)  # the id of the request under way, "" without one; its length
        self._tries = 0
        self._piece_bytes = self._piece_bytes_max = piece_bytes
        self._arrived: FlashList | None = None
        self._refreshed_ms: int | None = None
        self._why = ""

    @property
    def trouble(self) -> str:
        """Return what staff should know, empty when all is well."""
        failed = sum([held.failed for _, held in self._in_use])
        return f"flash: {failed} reads of the list failed" if failed else self._why

    def kept(self) -> "list[FlashList]":
        """Return the lists in flash, the older history first; call it once, at the start."""
        found = []
        for slot in sorted(self._slots.slots, key=lambda slot: slot.number):
            file = self._slots.open(slot)
            if file is not None and file.header.boundary != self._boundary:
                file.close()
            elif file is not None:
                found.append((slot, file))
            elif slot.is_full:
                self._forget(slot)
                self._why = "the list in flash was damaged; it is fetched again"
        if len(found) == 2 and found[0][1].header.lineage == found[1][1].header.lineage:
            found.sort(key=lambda one: one[1].header.version)
            found.pop(0)[1].close()
        for slot, file in found:
            self._in_use.append((slot, self._made(file)))
        return [held for _, held in self._in_use]

    def wanted(self, now_ms: int) -> None:
        """A whole list is wanted: ask for one, unless one is on its way."""
        if self._state == IDLE:
            self._want(now_ms + self._random_below(self._spread_ms()))

    def announced(self, pointer: "Pointer", now_ms: int) -> None:
        """Take where a whole list is; it may be the answer to our question."""
        if pointer.format != self.format:
            return
        self._announced = pointer
        if self._state != WANTED or self._tries == 0:
            return
        if self._is_news(pointer):
            self._due_ms = min(self._due_ms, now_ms + self._random_below(PACE_MS))
        else:
            self._state = IDLE  # there is nothing newer

    def arrived(self) -> "FlashList | None":
        """Return the list that has come and is in place, once."""
        made, self._arrived = self._arrived, None
        return made

    def recovered(self) -> None:
        """Let the history before this one go; its file stays readable until it is written over."""
        if len(self._in_use) == 2:
            self._retired.append(self._in_use.pop(0))

    def tick(self, now_ms: int) -> "list[Any]":
        """Return what to carry out now."""
        for _, held in self._in_use:
            held.forget(now_ms)
        if self._state == IDLE and self._is_needed(now_ms):
            self.wanted(now_ms)
        if self._state == VERIFYING:
            self._verify(now_ms)
        elif self._state != IDLE and now_ms >= self._due_ms:
            return self._ask(now_ms) if self._state == WANTED else self._next(now_ms)
        return []

    def on_chunk(self, chunk: "Chunk", now_ms: int) -> "list[Any]":
        """Take a piece; one nobody asked for changes nothing. Return what to carry out."""
        name, count = self._piece
        pointer, slot = self._pointer, self._slot
        if self._state != FETCHING or chunk.id != name or pointer is None or slot is None:
            return []
        if (chunk.kind, chunk.version, chunk.offset) != (MAY_LEAVE, pointer.version, slot.size):
            return []
        self._piece = ("", 0)
        self._due_ms = now_ms + PACE_MS + self._random_below(PACE_MS)
        piece = content_of(chunk, count)
        if piece is None:
            self._why = "list: a piece came damaged; it is asked for again"
            return []
        try:
            if slot.size == 0:
                _check_header(piece, pointer, self._boundary)
            self._slots.append(slot, piece)
        except (OSError, FuseInvalid) as error:
            self._fail(f"list: {error}", now_ms)
            return []
        self._tries = 0
        self._waiting.reset()
        self._why = ""
        if slot.size >= pointer.bytes:
            self._state = VERIFYING
        return []

    def _is_needed(self, now_ms: int) -> bool:
        if not self._in_use or self._in_use[-1][1].percent >= ASK_PERCENT:
            return True
        if self._refreshed_ms is None:  # spread over a day, wherever they were switched on
            self._refreshed_ms = now_ms - self._random_below(REFRESH_MS // 4)
        held = self._in_use[-1][1]
        return now_ms - self._refreshed_ms >= REFRESH_MS and held.changed > 0

    def _spread_ms(self) -> int:
        if not self._in_use:
            return SPREAD_FIRST_MS
        urgent = self._in_use[-1][1].percent >= URGENT_PERCENT
        return SPREAD_URGENT_MS if urgent else SPREAD_MS

    def _is_news(self, pointer: "Pointer") -> bool:
        if not self._in_use:
            return True
        held = self._in_use[-1][1]
        return bool(pointer.lineage != held.lineage or pointer.version > self._have())

    def _have(self) -> int:
        file = self._in_use[-1][1].file if self._in_use else None
        return 0 if file is None else int(file.header.version)

    def _want(self, due_ms: int) -> None:
        self._state = WANTED
        self._due_ms = due_ms
        self._tries = 0

    def _ask(self, now_ms: int) -> "list[Any]":
        """Begin with what was announced, if that serves; else ask where a newer one is."""
        pointer, is_first = self._announced, not self._in_use
        is_other = pointer is not None and not is_first and self._is_other(pointer)
        if (
            pointer is not None
            and self._is_news(pointer)
            and (is_first or is_other or self._tries)
        ):
            self._begin(pointer, now_ms)
            return []
        self._tries += 1
        self._due_ms = now_ms + self._asking.next_ms()
        name = f"l{self._random_below(1 << 30):08x}"
        have = self._have()
        request = Request(name, "since", now_ms, MAY_LEAVE, have, None, None, None, self.format)
        return [SendRequest(request)]

    def _is_other(self, pointer: "Pointer") -> bool:
        return bool(pointer.lineage != self._in_use[-1][1].lineage)

    def _begin(self, pointer: "Pointer", now_ms: int) -> None:
        self._announced = None
        if not HEADER_BYTES < pointer.bytes <= LIST_BYTES_MAX:
            self._fail(f"list: {pointer.bytes} bytes; at most {LIST_BYTES_MAX} fit", now_ms)
            return
        slot = self._free_slot(pointer)
        if slot is None:
            self._fail("list: both slots are in use until the gateway has recovered", now_ms)
            return
        self._slot, self._pointer, self._tries = slot, pointer, 0
        self._state, self._due_ms, self._piece = FETCHING, now_ms, ("", 0)
        self._piece_bytes = min(self._piece_bytes_max, 2 * self._piece_bytes)
        self._waiting.reset()
        if _is_part_of(slot, pointer):
            if slot.size == pointer.bytes:
                self._state = VERIFYING
            return
        try:
            self._slots.begin(slot)
        except OSError as error:
            self._fail(f"list: flash cannot be written: {error}", now_ms)

    def _free_slot(self, pointer: "Pointer") -> "Slot | None":
        """Return the slot to write; a third history takes the place of the second."""
        if len(self._in_use) == 2 and self._is_other(pointer):
            self._retired.append(self._in_use.pop())
        used = [slot for slot, _ in self._in_use]
        for slot in self._slots.slots:
            if slot not in used:
                self._withdraw(slot)
                return slot
        return None

    def _withdraw(self, slot: "Slot") -> None:
        for retired in self._retired:
            if retired[0] is slot:
                self._retired.remove(retired)
                file = retired[1].file
                retired[1].withdraw()
                if file is not None:
                    file.close()
                return

    def _next(self, now_ms: int) -> "list[Any]":
        """Ask for the next piece, or again for the one that did not come."""
        pointer, slot = self._pointer, self._slot
        if pointer is None or slot is None:
            return []
        if self._tries >= TRIES_MAX:
            self._fail(f"list: no answer to {TRIES_MAX} requests", now_ms, is_kept=True)
            return []
        if self._tries and self._tries % TRIES_PER_SIZE == 0:
            self._piece_bytes = max(PIECE_BYTES_MIN, self._piece_bytes // 2)
        self._tries += 1
        self._due_ms = now_ms + self._waiting.next_ms()
        count = min(self._piece_bytes, pointer.bytes - slot.size)
        self._piece = (f"s{self._random_below(1 << 30):08x}", count)
        request = Request(
            self._piece[0],
            "chunk",
            now_ms,
            MAY_LEAVE,
            pointer.version,
            pointer.lineage,
            slot.size,
            count,
            self.format,
        )
        return [SendRequest(request)]

    def _verify(self, now_ms: int) -> None:
        pointer, slot = self._pointer, self._slot
        if pointer is None or slot is None:
            return
        try:
            if self._verifying is None:
                self._verifying = self._slots.verifying(slot)
            for _ in range(BLOCKS_PER_STEP):
                if self._verifying.step():
                    self._finish(slot, pointer, now_ms)
                    return
        except (OSError, FuseInvalid) as error:
            self._fail(f"list: {error}", now_ms)
        except MemoryError:  # what came is good, and is verified anew in a while
            self._fail("list: no memory for it just now", now_ms, is_kept=True)

    def _finish(self, slot: "Slot", pointer: "Pointer", now_ms: int) -> None:
        verified = self._verifying
        if verified is None or hexlify(verified.sha256).decode() != pointer.sha256:
            raise FuseInvalid("list: not what was announced; it is fetched again")
        file = self._slots.opened(slot, verified)
        self._arrived = self._put_into_use(slot, file)
        self._verifying, self._pointer, self._slot = None, None, None
        self._state, self._why, self._refreshed_ms = IDLE, "", now_ms
        self._asking.reset()

    def _put_into_use(self, slot: "Slot", file: "ListFile") -> FlashList:
        held = self._in_use[-1][1] if self._in_use else None
        if held is not None and held.lineage == file.header.lineage:
            before = held.file
            held.rebase(file)
            if before is not None:
                before.close()
            self._in_use[-1] = (slot, held)
            return held
        made = self._made(file)
        self._in_use.append((slot, made))
        return made

    def _forget(self, slot: "Slot") -> None:
        try:
            self._slots.forget(slot)
        except OSError as error:
            self._why = f"list: flash cannot be written: {error}"

    def _made(self, file: "ListFile") -> FlashList:
        """Return a list with the room of none that is in use."""
        used = [held.room for _, held in self._in_use]
        free = next(room for room in self._rooms if room not in used)
        free.clear()
        return FlashList(file, free)

    def _fail(self, why: str, now_ms: int, is_kept: bool = False) -> None:
        """Give up this download; what came stays only if it may be gone on with."""
        self._why = why
        if self._verifying is not None:
            self._verifying.file.close()
            self._verifying = None
        if self._slot is not None and not is_kept:
            self._forget(self._slot)
        self._slot, self._pointer = None, None
        self._want(now_ms + self._asking.next_ms())


def _check_header(piece: bytes, pointer: "Pointer", boundary: int) -> None:
    header = decode_header(piece)
    said = (header.lineage, header.version, header.size_bytes, header.boundary)
    if said != (pointer.lineage, pointer.version, pointer.bytes, boundary):
        raise FuseInvalid("list: its header says another list than was announced")


def _is_part_of(slot: "Slot", pointer: "Pointer") -> bool:
    """Whether what lies in a slot is the beginning of what is announced, or all of it."""
    header = slot.header
    if header is None or slot.size > pointer.bytes:
        return False
    said = (header.lineage, header.version, header.size_bytes)
    return bool(said == (pointer.lineage, pointer.version, pointer.bytes))
