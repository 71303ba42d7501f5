"""Two real ends of the protocol back to back: a station's uploader, a gateway's intake.

Every message crosses as its bytes. The pipe loses, repeats and reorders them as it is told;
the gateway here is the smallest one that keeps the protocol: it commits rows in memory and
applies an id once.
"""

import random
from collections import Counter

from circulation.sync.effects import Reconnect, SendJournal, SendRequest, SendStatus, StaffNotice
from circulation.sync.intake import (
    Accept,
    Duplicate,
    ForkFound,
    Gap,
    Hello,
    Mark,
    NackLimiter,
    RotateLineage,
    Unreadable,
    judge,
    judge_birth,
)
from circulation.sync.memory import MemoryJournal
from circulation.sync.uploader import Uploader
from circulation.wire.chain import chain_start
from circulation.wire.errors import MessageInvalid
from circulation.wire.fact import decode_body, encode_body
from circulation.wire.messages import (
    Ack,
    Fork,
    Head,
    Journal,
    Nack,
    Request,
    Status,
    decode,
    decode_reply,
    encode,
)

STATION = "kiosk-1"
FIRST_LINEAGE = "000000000000a001"
BOOT = "0a0b0c0d"


class Gateway:
    """What a gateway keeps of one station, and how it answers."""

    def __init__(self, lineage=FIRST_LINEAGE):
        self.lineage = lineage
        self.credit = 4
        self.is_busy = False
        self.refused = set()  # bodies that make a whole batch unreadable here
        self.hashes = {}  # (epoch id, seq) -> hash
        self.marks = {}  # epoch id -> (n, hw)
        self.applied = Counter()  # fact id -> times applied
        self.order = []
        self.parked = []
        self.holes = []
        self.latest = None  # epoch id and number of the newest upward message
        self.limiter = NackLimiter()
        self.keep_from = 1

    def backup(self):
        """Return what a backup of this moment would bring back."""
        twin = Gateway(self.lineage)
        twin.hashes, twin.marks = dict(self.hashes), dict(self.marks)
        twin.applied, twin.order = Counter(self.applied), list(self.order)
        twin.parked, twin.holes = list(self.parked), list(self.holes)
        return twin

    def receive(self, payload, now_ms):
        """Take the bytes of one upward message and return the bytes of the answers."""
        for cls, handle in ((Journal, self._journal), (Status, self._status)):
            try:
                message = decode(cls, payload)
            except MessageInvalid:
                continue
            return [encode(reply) for reply in handle(message, now_ms)]
        try:
            request = decode(Request, payload)
        except MessageInvalid:
            return [encode(reply) for reply in self._nack("invalid", now_ms)]
        assert request.op == "hw"
        return [encode(reply) for reply in self._hello(now_ms)]

    def head(self, n):
        """Return the bytes of a head."""
        return encode(Head(self.lineage, n, 0, {}, 1, False, "0" * 32))

    def _mark(self, epoch, n):
        known_n, hw = self.marks.get(epoch, (n, 0))
        self.latest = (epoch, known_n)
        return Mark(epoch, known_n, hw, lambda seq: self.hashes.get((epoch, seq)))

    def _journal(self, batch, now_ms):
        mark = self._mark(batch.epoch, batch.n)
        if self.is_busy:
            return [Nack(mark.epoch, mark.hw, "busy")]
        if any(event.encode() in self.refused for event in batch.events):
            return self._nack("invalid", now_ms)
        verdict = judge(batch, mark)
        if isinstance(verdict, Accept):
            self._apply(batch, mark, verdict)
        if isinstance(verdict, Accept | Duplicate):
            return [self._ack(batch.epoch, verdict.hw, verdict.hash, now_ms)]
        if isinstance(verdict, Gap):
            return self._nack("gap", now_ms)
        if isinstance(verdict, ForkFound):
            return [self._fork(mark, verdict)]
        assert isinstance(verdict, Unreadable)
        return self._nack("invalid", now_ms)

    def _status(self, status, now_ms):
        mark = self._mark(status.epoch, status.n)
        replies = []
        for verdict in judge_birth(status, mark, lineage=self.lineage, versions={}):
            if isinstance(verdict, RotateLineage):
                self.lineage = f"{int(self.lineage, 16) + 1:016x}"
            elif isinstance(verdict, ForkFound):
                replies.append(self._fork(mark, verdict))
            elif isinstance(verdict, Hello):
                replies.append(self._ack(mark.epoch, verdict.hw, verdict.hash, now_ms))
        return replies

    def _apply(self, batch, mark, verdict):
        for row in verdict.rows:
            self.hashes[batch.epoch, row.seq] = row.hash
            if row.poison is not None:
                self.parked.append(row.body)
            elif not self.applied[row.fields["id"]]:
                self.applied[row.fields["id"]] += 1
                self.order.append(row.fields["id"])
        if verdict.lost is not None:
            self.holes.append(tuple(verdict.lost))
        self.marks[batch.epoch] = (mark.n, max(mark.hw, verdict.hw))

    def _ack(self, epoch, hw, hash_, now_ms):
        return Ack(epoch, hw, hash_.hex(), self.lineage, self.credit, self.keep_from, now_ms)

    def _hello(self, now_ms):
        if self.latest is None:
            return []
        epoch, n = self.latest
        mark = self._mark(epoch, n)
        known = self.hashes[epoch, mark.hw] if mark.hw else chain_start(epoch)
        return [self._ack(epoch, mark.hw, known, now_ms)]

    def _nack(self, why, now_ms):
        assert self.latest is not None
        epoch, n = self.latest
        hw = self._mark(epoch, n).hw
        allowed = self.limiter.allows(STATION, epoch, hw, now_ms)
        return [Nack(epoch, hw, why)] if allowed else []

    def _fork(self, mark, verdict):
        known_n = max([n for n, _ in self.marks.values()], default=mark.n)
        return Fork(mark.epoch, known_n, verdict.hw, verdict.common, verdict.hashes)


class Site:
    """One station and one gateway with a bad network between them; time is a number."""

    def __init__(self, seed=0, *, loss=0.0, repeat=0.0, reorder=0.0):
        self.chance = random.Random(seed)
        self.loss, self.repeat, self.reorder = loss, repeat, reorder
        self.now_ms = 0
        self.gateway = Gateway()
        self.journal = MemoryJournal(f"{self.chance.getrandbits(64):016x}")
        self.facts = []
        self.notices = []
        self.reconnects = []
        self.sent = []
        self.is_cut = False
        self.heads = 0
        self._up, self._down = [], []
        self.start()

    def start(self):
        """Start the station's program on the journal as it is."""
        self._up.clear()
        self._down.clear()
        self.uploader = Uploader(
            self.journal,
            station=STATION,
            clock=lambda now_ms: {"mono": now_ms, "wall": 0, "sure": False, "boot": BOOT},
            random_below=self.chance.randrange,
        )
        self._do(self.uploader.on_connected(self.now_ms))

    def record(self, count=1):
        """Write facts at the station."""
        for _ in range(count):
            fact = f"{self.chance.getrandbits(64):016x}"
            self.facts.append(fact)
            self.journal.append(
                encode_body({"id": fact, "kind": "seen", "boot": BOOT, "mono": self.now_ms})
            )
        self._do(self.uploader.on_appended(self.now_ms))

    def run(self, seconds=60):
        """Let time pass, with a head of the gateway every 15 s."""
        for _ in range(seconds):
            self.now_ms += 1_000
            if self.now_ms % 15_000 == 0:
                self.heads += 1
                self._down.append(self.gateway.head(self.heads))
            self._exchange()
            self._do(self.uploader.tick(self.now_ms))
        self._exchange()

    def heal(self, seconds=600):
        """End every fault and let both sides come to rest."""
        self.loss = self.repeat = self.reorder = 0.0
        self.is_cut = False
        self.gateway.is_busy = False
        self.run(seconds)

    def forget_what_no_copy_has(self):
        """Expect no longer what died with the last disk that had it."""
        bodies = [row.body for row in self.journal.kept()]
        kept = {decode_body(body)["id"] for body in bodies} | set(self.gateway.applied)
        self.facts = [fact for fact in self.facts if fact in kept]

    def _exchange(self):
        for _ in range(50):
            up, self._up = self._through(self._up), []
            for payload in up:
                self._down += self.gateway.receive(payload, self.now_ms)
            down, self._down = self._through(self._down), []
            for payload in down:
                self._hear(payload)
            if not self._up and not self._down:
                return

    def _through(self, payloads):
        if self.is_cut:
            return []
        passed = []
        for payload in payloads:
            copies = 0 if self.chance.random() < self.loss else 1
            copies += self.chance.random() < self.repeat
            for _ in range(copies):
                is_early = passed and self.chance.random() < self.reorder
                place = self.chance.randrange(len(passed)) if is_early else len(passed)
                passed.insert(place, payload)
        return passed

    def _hear(self, payload):
        try:
            head = decode(Head, payload)
        except MessageInvalid:
            self._do(self.uploader.on_reply(decode_reply(payload), self.now_ms))
        else:
            self._do(self.uploader.on_head(head, self.now_ms))

    def _do(self, effects):
        for effect in effects:
            if isinstance(effect, SendJournal):
                self.sent.append(effect.message)
                self._send(effect.message)
            elif isinstance(effect, SendRequest):
                self._send(effect.message)
            elif isinstance(effect, SendStatus):
                self._send(self._status())
            elif isinstance(effect, StaffNotice):
                self.notices.append(effect.code)
            elif isinstance(effect, Reconnect):
                self.reconnects.append(effect.why)
                self._up.clear()
                self._down.clear()
                self._do(self.uploader.on_connected(self.now_ms))

    def _send(self, message):
        payload = encode(message)
        if not self.is_cut:
            self._up.append(payload)

    def _status(self):
        journal = self.journal
        return Status(
            STATION,
            True,
            BOOT,
            journal.epoch.id,
            journal.epoch.n,
            journal.last_seq,
            journal.acked,
            {},
            journal.lineage,
            "1",
            "unsure",
            "kiosk",
            "main",
            0,
            "Kiosk 1",
            None,
            None,
        )
