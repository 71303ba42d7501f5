"""The radio half of a pad: an antenna, the ISO 15693 tags over it, and what a hand does.

ISO/IEC 15693-3 as far as a library tag knows it: inventory with an AFI, blocks with locks, AFI,
DSFID, system information, and the EAS commands of NXP's ICODE SLIX (SL2S2002 data sheet). A tag
that does not answer is `TagSilent`, one that answers with an error is `TagRefused` with the
standard's error code. Blocks here are the tag's own, of `block_bytes` each.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager

from hardware.chips.tag_data import AFI_IN_STOCK, AFI_ON_LOAN
from hardware.ports import BLOCK_BYTES, ISO15693
from sim.devices import Field, Settle, Watch, nobody, nothing
from sim.tags import SimTag

# ISO/IEC 15693-3, 7.4.2: error codes of a response
NOT_SUPPORTED = 0x01
NOT_RECOGNISED = 0x02
UNKNOWN_ERROR = 0x0F
NO_SUCH_BLOCK = 0x10
ALREADY_LOCKED = 0x11
LOCKED = 0x12

NXP = 0x04
"""Manufacturer code of NXP, byte 1 of the uid (ISO/IEC 7816-6)."""

_OPPOSITE_AFI = {AFI_IN_STOCK: AFI_ON_LOAN, AFI_ON_LOAN: AFI_IN_STOCK}


class TagSilent(Exception):
    """No tag answered: none of that uid is there, it was pulled, or the field is weak."""


class TagRefused(Exception):
    """The tag answered with an error; `code` is that of ISO/IEC 15693-3, 7.4.2."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code:02x}")
        self.code = code


class Antenna:
    """The tags within reach of a pad's antenna, and everything that can be asked of them.

    `pull` lets a tag leave in the middle of a write, `weaken` makes the field weak. While
    `lying`, every uid has its last bit turned and AFI and EAS read as their opposite: this is how
    a pad with the fault `wrong` hears them; memory is read as it is.
    """

    def __init__(
        self,
        *,
        settle: Settle = nothing,
        lock: AbstractContextManager[object],
        lying: Callable[[], bool] = lambda: False,
    ) -> None:
        self.field = Field()
        self.watch: Watch = nobody
        self._settle = settle
        self._lock = lock
        self._lying = lying
        self._quiet: set[str] = set()
        self._pulls: dict[str, int] = {}
        self._share = 0.0
        self._chance = random.Random(0)

    # What a hand does

    def place(self, tag: SimTag) -> None:
        """Bring a tag into the field."""
        with self._lock:
            self.field.put(tag)
            self._happened(tag, "placed")

    def lift(self, uid: str) -> None:
        """Take a tag out of the field; without power it forgets that it was told to be quiet."""
        with self._lock:
            tag = self.field.get(uid)
            if tag is not None:
                self.field.take(uid)
                self._quiet.discard(uid)
                self._pulls.pop(uid, None)
                self._happened(tag, "lifted")

    def pull(self, uid: str, *, after_writes: int) -> None:
        """Let a tag leave after that many writes: before the next, or before it is read back."""
        self._pulls[uid] = after_writes

    def weaken(self, share: float, *, seed: int = 0) -> None:
        """Make the field weak: 0 to 1 is the share of questions a tag does not answer.

        Of the writes it does not answer, it has carried out every second one.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share {share}: must be 0 to 1")
        self._share, self._chance = share, random.Random(seed)

    def reset(self) -> None:
        """Switch the field off and on: quiet tags answer again (ISO/IEC 15693-3, 8.2)."""
        self._quiet.clear()

    # What a pad asks

    def inventory(self, afi: int = 0) -> list[SimTag]:
        """Return the tags that answer an inventory, in the order in which a reader finds them.

        That is by the uid's lowest digit, as the 16 slots of ISO/IEC 15693-3 run (recordings of
        real pads show it), then by the next. `afi` 0 is for all; with a low nibble of 0 the high
        one has to fit, and the other way round (ISO/IEC 15693-3, 6.2 table 1).
        """
        self._settle()
        with self._lock:
            tags = [tag for tag in self.field.tags() if tag.technology == ISO15693]
            self._quiet.intersection_update(tag.uid for tag in tags)
            return [
                tag
                for tag in sorted(tags, key=lambda tag: self.uid_of(tag)[::-1])
                if tag.uid not in self._quiet and fits(self.afi_of(tag), afi)
                if not self._is_missed()
            ]

    def tag(self, uid: str, *, writing: bool = False) -> SimTag:
        """Return the tag that answers to this uid; raises `TagSilent` when none does."""
        self._settle()
        with self._lock:
            wanted = uid if not self._lying() else _turned(uid)
            tag = self.field.get(wanted)
            if tag is None or tag.technology != ISO15693:
                raise TagSilent(uid)
            if not writing:
                if self._pulls.get(wanted) == 0:
                    self.lift(wanted)
                    raise TagSilent(uid)
                if self._is_missed():
                    raise TagSilent(uid)
            return tag

    def only(self, *, writing: bool = False) -> SimTag:
        """Return the one tag that answers a question without a uid.

        Several answers collide and none is understood: `TagSilent`, as with no tag.
        """
        tags = self.inventory()
        if len(tags) != 1:
            raise TagSilent(f"{len(tags)} tags")
        return self.tag(self.uid_of(tags[0]), writing=writing)

    def uid_of(self, tag: SimTag) -> str:
        """Return the uid as this pad hears it."""
        return _turned(tag.uid) if self._lying() else tag.uid

    def afi_of(self, tag: SimTag) -> int:
        """Return the AFI as this pad hears it."""
        return _OPPOSITE_AFI.get(tag.afi, tag.afi) if self._lying() else tag.afi

    def eas_of(self, tag: SimTag) -> bool:
        """Return the EAS bit as this pad hears it."""
        return tag.eas != self._lying()

    def eas_alarm(self, uid: str | None = None) -> bool:
        """Return whether a tag with its EAS bit set is in the field, or the one of that uid."""
        self._settle()
        with self._lock:
            tags = self.field.tags() if uid is None else [self.tag(uid)]
            return any(
                self.eas_of(tag) and has_eas(tag) and not self._is_missed()
                for tag in tags
                if tag.technology == ISO15693
            )

    def read(self, tag: SimTag, block: int) -> bytes:
        """Return one block; raises `TagRefused` outside the memory."""
        if not 0 <= block < blocks_of(tag):
            raise TagRefused(NO_SUCH_BLOCK)
        size = tag.block_bytes
        return bytes(tag.memory[block * size : (block + 1) * size])

    def is_locked(self, tag: SimTag, block: int) -> bool:
        """Return whether a block of the tag is locked."""
        return any(number in tag.locked_blocks for number in _numbers(tag, block))

    def write(self, tag: SimTag, block: int, content: bytes) -> None:
        """Write one block; raises `TagSilent`, or `TagRefused` when locked or not there."""
        with self._lock:
            self._spend_write(tag)
            if not 0 <= block < blocks_of(tag):
                raise TagRefused(NO_SUCH_BLOCK)
            if len(content) != tag.block_bytes:
                raise TagRefused(UNKNOWN_ERROR)
            if self.is_locked(tag, block):
                raise TagRefused(LOCKED)
            with self._weakly():
                if not tag.ignores_this_write():
                    start = block * tag.block_bytes
                    tag.memory[start : start + tag.block_bytes] = content

    def lock(self, tag: SimTag, block: int) -> None:
        """Lock one block for good; raises `TagRefused` when it is locked or not there."""
        with self._lock:
            self._spend_write(tag)
            if not 0 <= block < blocks_of(tag):
                raise TagRefused(NO_SUCH_BLOCK)
            if self.is_locked(tag, block):
                raise TagRefused(ALREADY_LOCKED)
            with self._weakly():
                if not tag.ignores_this_write():
                    tag.locked_blocks.update(_numbers(tag, block))

    def write_afi(self, tag: SimTag, afi: int) -> None:
        """Write the AFI; raises `TagRefused` when it is locked."""
        with self._lock:
            self._spend_write(tag)
            if tag.afi_locked:
                raise TagRefused(LOCKED)
            with self._weakly():
                if not tag.ignores_this_write():
                    tag.afi = afi
                    words = {AFI_ON_LOAN: "released", AFI_IN_STOCK: "secured"}
                    self._happened(tag, words.get(afi, f"AFI set to {afi:02x}"))

    def lock_afi(self, tag: SimTag) -> None:
        """Lock the AFI for good; raises `TagRefused` when it is locked already."""
        with self._lock:
            self._spend_write(tag)
            if tag.afi_locked:
                raise TagRefused(ALREADY_LOCKED)
            with self._weakly():
                if not tag.ignores_this_write():
                    tag.afi_locked = True

    def write_dsfid(self, tag: SimTag, dsfid: int) -> None:
        """Write the DSFID."""
        with self._lock:
            self._spend_write(tag)
            with self._weakly():
                if not tag.ignores_this_write():
                    tag.dsfid = dsfid

    def set_eas(self, tag: SimTag, *, eas: bool) -> None:
        """Write the EAS bit; raises `TagRefused` on a tag that has none."""
        with self._lock:
            self._spend_write(tag)
            if not has_eas(tag):
                raise TagRefused(NOT_SUPPORTED)
            with self._weakly():
                if not tag.ignores_this_write():
                    tag.eas = eas
                    self._happened(tag, "EAS set" if eas else "EAS cleared")

    def hush(self, tag: SimTag) -> None:
        """Tell a tag to be quiet until the field goes off."""
        self._quiet.add(tag.uid)

    def wake(self, tag: SimTag) -> None:
        """Let a quiet tag answer inventories again."""
        self._quiet.discard(tag.uid)

    def note(self, tag: SimTag, what: str) -> None:
        """Write down what happened to a tag: "read", "written"."""
        self._happened(tag, what)

    def _spend_write(self, tag: SimTag) -> None:
        """Let a tag that is being pulled leave before this write."""
        if self.field.get(tag.uid) is None:
            raise TagSilent(tag.uid)
        left = self._pulls.get(tag.uid)
        if left is None:
            return
        if left == 0:
            self.lift(tag.uid)
            raise TagSilent(tag.uid)
        self._pulls[tag.uid] = left - 1

    def _is_missed(self) -> bool:
        return self._share > 0 and self._chance.random() < self._share

    def _weakly(self) -> "_WeakWrite":
        return _WeakWrite(self._is_missed(), heard=self._chance.random() < 0.5)

    def _happened(self, tag: SimTag, what: str) -> None:
        tag.history.append(what)
        self.watch(what, tag)


class _WeakWrite:
    """A write in a weak field: not heard, or carried out and its answer lost."""

    def __init__(self, missed: bool, *, heard: bool) -> None:
        self._lost = missed and heard
        if missed and not heard:
            raise TagSilent("weak field")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        if self._lost:
            raise TagSilent("weak field")


def fits(afi: int, wanted: int) -> bool:
    """Return whether a tag with this AFI answers an inventory for that one."""
    family, sub_family = wanted & 0xF0, wanted & 0x0F
    if family == 0 and sub_family == 0:
        return True
    if sub_family == 0:
        return afi & 0xF0 == family
    if family == 0:  # a proprietary sub-family: the family has to be 0 too
        return afi == sub_family
    return afi == wanted


def blocks_of(tag: SimTag) -> int:
    """Return how many blocks of its own size the tag has."""
    return len(tag.memory) // tag.block_bytes


def has_eas(tag: SimTag) -> bool:
    """Return whether the tag knows NXP's EAS commands: a tag of that manufacturer."""
    return bytes.fromhex(tag.uid)[1] == NXP


def _numbers(tag: SimTag, block: int) -> range:
    """Return the 4-byte blocks, in which `SimTag` counts its locks, that one block covers."""
    each = tag.block_bytes // BLOCK_BYTES
    return range(block * each, (block + 1) * each)


def _turned(uid: str) -> str:
    return f"{int(uid, 16) ^ 1:0{len(uid)}x}"
