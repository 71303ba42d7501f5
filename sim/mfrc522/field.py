"""The field of one antenna: which tags are in it, and what is heard when they answer at once.

Laws:
- Tags that answer together are superposed bit by bit; where they differ, there is a collision.
- A tag without power hears nothing and forgets its state; what it was programming is torn.
- Chance comes from one seed: the same field, the same hand and the same driver give the same bits.

Times are the chip's ns.
"""

import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hardware.ports import ISO15693, MIFARE_CLASSIC, NTAG, Security
from sim.mfrc522.card import Card, Reply
from sim.mfrc522.classic import ClassicCard
from sim.mfrc522.frames import Frame
from sim.mfrc522.ntag import NtagCard
from sim.mfrc522.timer import carrier_ns
from sim.tags import SimTag

BIT_NS = carrier_ns(128)
"""One bit at 106 kbit/s (ISO 14443-2, 8.1)."""

RESET_NS = 5_000_000
"""How long the carrier must be away before tags have forgotten their state (ISO 14443-3, 5)."""

READY_NS = 100_000
"""How soon a tag hears after the carrier came; the standard allows it 5 ms."""

NEVER = 1 << 62

AIR_MAX = 1_000

COUPLING_NEEDED = 20
COUPLING_CLEAR = 40
BIT_ERRORS_WHEN_WEAK = 0.01
"""Per cent of full coupling below which a tag has no power, or its bits flip. Plausible, not
measured: real antennas differ."""


@dataclass(slots=True)
class Pull:
    """When a hand takes the tag out: what is reached first of the three."""

    bits: int = NEVER
    written: int = NEVER
    transfer: int = NEVER


class Placement:
    """One tag lying in the field, and how well."""

    def __init__(self, tag: SimTag, coupling: int, stack: str) -> None:
        self.tag = tag
        self.card = _card(tag)
        self.coupling = coupling
        self.stack = stack
        self.bit_errors = 0.0
        self.flips = 0
        self.flips_beyond = 0
        self.is_powered = False


@dataclass(slots=True)
class Answer:
    """One tag's reply under way."""

    placement: Placement
    reply: Reply
    starts_ns: int


@dataclass(frozen=True, slots=True)
class Superposition:
    """What the antenna hears: the bits of all replies, and where they contradict each other."""

    frame: Frame
    collisions: int
    starts_ns: int


@dataclass(frozen=True, slots=True)
class OnAir:
    """One frame as it was sent, by the reader or by the tags named; for people and tests."""

    at_ns: int
    uids: tuple[str, ...]
    frame: Frame
    collisions: int = 0


class RadioField:
    """The tags at one antenna; `air` keeps the last frames in both directions."""

    def __init__(self, *, seed: int = 0, ready_ns: int = READY_NS) -> None:
        self.lock = threading.RLock()
        self.metal = 0
        self.air: deque[OnAir] = deque(maxlen=AIR_MAX)
        self._ready_ns = ready_ns
        self._random = random.Random(seed)
        self._placements: dict[str, Placement] = {}
        self._pulls: dict[str, Pull] = {}
        self._on = False
        self._on_since_ns = 0
        self._off_since_ns = -RESET_NS
        self._answers: list[Answer] = []

    # What a hand does

    def put(self, tag: SimTag, *, coupling: int = 100, stack: str = "") -> None:
        """Lay a tag down; coupling in per cent, and tags of one `stack` detune each other.

        Raises `ValueError` for a tag of another standard: this antenna cannot reach it.
        """
        if tag.technology == ISO15693:
            raise ValueError(f"tag {tag.uid}: ISO 15693 is not heard by an ISO 14443 antenna")
        with self.lock:
            lying = self._placements.get(tag.uid)
            if lying is None or lying.tag is not tag:
                self._placements[tag.uid] = Placement(tag, coupling, stack)
                tag.history.append("placed")

    def take(self, uid: str) -> None:
        """Take a tag out; nothing happens if it is not there."""
        with self.lock:
            placement = self._placements.pop(uid, None)
            self._pulls.pop(uid, None)
            if placement is not None:
                placement.tag.history.append("lifted")

    def get(self, uid: str) -> SimTag | None:
        """Return the tag, None when it is not in the field."""
        placement = self._placements.get(uid)
        return None if placement is None else placement.tag

    def tags(self) -> list[SimTag]:
        """Return the tags in the order of their uids."""
        with self.lock:
            return [placement.tag for _, placement in sorted(self._placements.items())]

    def pull(
        self,
        uid: str,
        *,
        after_bits: int = NEVER,
        after_written: int = NEVER,
        at_transfer: int = NEVER,
    ) -> None:
        """Let a tag leave by itself in the middle of something.

        After that many bits on the air in both directions, after that many bytes programmed into
        its memory (0: before the next), or at that SPI transfer, counted from the chip's first.
        """
        with self.lock:
            self._pulls[uid] = Pull(after_bits, after_written, at_transfer)

    def weaken(self, uid: str, bit_errors: float) -> None:
        """Let that share of the bits to and from a tag flip; 0 mends it."""
        with self.lock:
            self._placements[uid].bit_errors = bit_errors

    def disturb(self, uid: str, flips: int, *, beyond_bits: int = 0) -> None:
        """Flip these bits (a mask, parity bits counted) in every reply longer than that.

        Two bits of one byte leave its parity right, so that only a CRC shows it; 0 mends it.
        """
        with self.lock:
            placement = self._placements[uid]
            placement.flips, placement.flips_beyond = flips, beyond_bits

    # What the chip does

    @property
    def is_on(self) -> bool:
        """Whether the chip drives the antenna."""
        return self._on

    def carrier(self, on: bool, now_ns: int) -> None:
        """Switch the carrier; tags forget their state when it was away for long enough."""
        with self.lock:
            if on and not self._on:
                self._on_since_ns = now_ns
                forgotten = now_ns - self._off_since_ns >= RESET_NS
                for placement in self._placements.values():
                    placement.is_powered = placement.is_powered and not forgotten
            elif self._on and not on:
                self._off_since_ns = now_ns
                self._answers = []
            self._on = on

    def count_transfer(self, number: int) -> None:
        """Take out the tags that a hand wanted to leave at this SPI transfer."""
        if self._pulls:
            for uid in [uid for uid, pull in self._pulls.items() if number >= pull.transfer]:
                self.take(uid)

    def send(self, frame: Frame, ended_ns: int, gain_db: int) -> int | None:
        """Let every tag hear a frame; return when the first reply starts, None for silence."""
        with self.lock:
            busy = self._finish_early()
            if not self._on:
                return None
            self.air.append(OnAir(ended_ns, (), frame))
            started_ns = ended_ns - frame.length * BIT_NS
            for placement in list(self._placements.values()):
                if placement not in busy and self._hears(placement, frame, started_ns):
                    self._ask(placement, frame, ended_ns, gain_db)
            starts = [a.starts_ns for a in self._answers if a.reply.frame is not None]
            return min(starts, default=None)

    def receive(self, gain_db: int) -> Superposition | None:
        """Return what the replies under way sound like, their memory written first."""
        with self.lock:
            answers, self._answers = self._answers, []
            heard = [a for a in answers if self._finish(a)]
            return self._superpose(heard, gain_db)

    def authenticate(self, key: bytes, uid_tail: bytes) -> bool:
        """Return whether the tag whose nonce was heard accepts the key; see `ClassicCard`."""
        for placement in self._placements.values():
            card = placement.card
            if isinstance(card, ClassicCard) and card.is_asked:
                return card.authenticate(key, uid_tail)
        return False

    def _ask(self, placement: Placement, frame: Frame, ended_ns: int, gain_db: int) -> None:
        reply = placement.card.hear(self._noisy(frame, self._bit_errors(placement, gain_db)))
        if reply is not None:
            self._answers.append(Answer(placement, reply, ended_ns + reply.delay_ns))

    def _hears(self, placement: Placement, frame: Frame, started_ns: int) -> bool:
        """Whether the tag has power for the whole frame; a pulled one may leave within it."""
        if self.level(placement) < COUPLING_NEEDED:
            placement.is_powered = False
            return False
        if not placement.is_powered:
            placement.card.lose_power()
            placement.is_powered = True
        if self._leaves(placement, frame.length):
            return False
        return started_ns >= self._on_since_ns + self._ready_ns

    def _leaves(self, placement: Placement, bits: int) -> bool:
        pull = self._pulls.get(placement.tag.uid)
        if pull is None:
            return False
        if pull.bits < bits:
            self.take(placement.tag.uid)
            return True
        pull.bits -= bits if pull.bits != NEVER else 0
        return False

    def level(self, placement: Placement) -> int:
        """Return how well a tag is coupled, in per cent, with metal and its stack considered."""
        share = 1
        if placement.stack:
            share = sum(p.stack == placement.stack for p in self._placements.values())
        return placement.coupling * (100 - self.metal) // 100 // share

    def _bit_errors(self, placement: Placement, gain_db: int) -> float:
        weak = self.level(placement) * gain_db < COUPLING_CLEAR * 33
        return max(placement.bit_errors, BIT_ERRORS_WHEN_WEAK if weak else 0.0)

    def _noisy(self, frame: Frame, bit_errors: float) -> Frame:
        if bit_errors <= 0:
            return frame
        flipped = 0
        for at in range(frame.length):
            flipped |= (self._random.random() < bit_errors) << at
        return Frame(frame.word ^ flipped, frame.length, frame.encrypted)

    def _finish_early(self) -> list[Placement]:
        """Return the tags that are still writing: the reader speaks too soon, and they are deaf.

        Their memory is written all the same, as long as the carrier feeds them.
        """
        answers, self._answers = self._answers, []
        writing = [answer for answer in answers if answer.reply.programming is not None]
        for answer in writing:
            self._finish(answer)
        return [answer.placement for answer in writing]

    def _finish(self, answer: Answer) -> bool:
        """Program what the reply waited for; return whether the tag is still there to answer."""
        placement = answer.placement
        if placement.tag.uid not in self._placements:
            return False
        programming = answer.reply.programming
        if programming is None:
            return answer.reply.frame is not None
        count = len(programming.data)
        pull = self._pulls.get(placement.tag.uid)
        torn = pull is not None and pull.written <= count
        if pull is not None and pull.written != NEVER:
            count = min(count, pull.written)
            pull.written -= count
        before = placement.tag.security
        if not placement.tag.ignores_this_write():
            placement.card.program(programming, count)
            _note(placement.tag, before)
        if torn:
            self.take(placement.tag.uid)
        return not torn and answer.reply.frame is not None

    def _superpose(self, answers: Sequence[Answer], gain_db: int) -> Superposition | None:
        ones = zeros = length = 0
        encrypted = False
        starts_ns = min((a.starts_ns for a in answers), default=0)
        for answer in answers:
            frame = answer.reply.frame
            assert frame is not None
            pull = self._pulls.get(answer.placement.tag.uid)
            if pull is not None and pull.bits < frame.length:
                frame = frame.cut(pull.bits)
            self._leaves(answer.placement, answer.reply.frame.length if answer.reply.frame else 0)
            frame = self._noisy(frame, self._bit_errors(answer.placement, gain_db))
            if frame.length > answer.placement.flips_beyond:
                flips = answer.placement.flips & (1 << frame.length) - 1
                frame = Frame(frame.word ^ flips, frame.length, frame.encrypted)
            shift = round((answer.starts_ns - starts_ns) / BIT_NS)
            ones |= frame.word << shift
            zeros |= (frame.word ^ (1 << frame.length) - 1) << shift
            length = max(length, frame.length + shift)
            encrypted = encrypted or frame.encrypted
        if length == 0:
            return None
        uids = tuple(answer.placement.tag.uid for answer in answers)
        frame = Frame(ones, length, encrypted)
        self.air.append(OnAir(starts_ns, uids, frame, ones & zeros))
        return Superposition(frame, ones & zeros, starts_ns)


def _card(tag: SimTag) -> Card:
    if tag.technology == NTAG:
        return NtagCard(tag)
    if tag.technology == MIFARE_CLASSIC:
        return ClassicCard(tag)
    return Card(tag)


def _note(tag: SimTag, before: Security) -> None:
    """Say in the tag's history what this write meant."""
    now = tag.security
    if now is before:
        tag.history.append("written")
    else:
        tag.history.append("released" if now is Security.ON_LOAN else "secured")
