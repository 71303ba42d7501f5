"""Getting a station's facts to the gateway, exactly once in effect.

Laws:
1. The journal is the queue. What is under way is only remembered to know when to send again.
2. Only an ack whose hash is that of our own row counts. Anything else may be meant for another
   epoch, another card, or another station with our name.
3. Every wait ends by itself: a lost ack by sending again, a lost credit by a probe, a silent
   gateway by a new connection. A gateway that says it is away is a hint and stops nothing.
4. No fact blocks the ones behind it: a batch that is refused is halved, and one row that is
   refused goes as raw bytes.
5. Where our rows and the gateway's differ we never argue: a new epoch takes all rows after the
   last one we share. The ids in them keep anything from being applied twice.
"""

from binascii import hexlify

from circulation.sync.backoff import Backoff
from circulation.sync.batch import is_damaged, make_batch
from circulation.sync.effects import (
    Reconnect,
    SendJournal,
    SendRequest,
    SendStatus,
    StaffNotice,
)
from circulation.wire.limits import BATCH_FACTS_MAX
from circulation.wire.messages import Ack, Fork, Nack, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RESEND_FIRST_MS = 5_000
RESEND_MS_MAX = 120_000
RESEND_FLOOR_MS = 1_000  # jitter may not ask again before an answer can have come
PROBE_MS = 120_000
NACK_REPEAT_MS = 5_000
BIRTH_REPEAT_MS = 10_000
UNANSWERED_MAX = 3
HEAD_SILENCE_MS = 60_000
# Every station heard the last head at the same moment; they do not all come back at once.
HEAD_SILENCE_JITTER_MS = 6_000


class Uploader:
    """Sends a journal's rows until the gateway has them; a machine without I/O.

    Every method that may have something to do returns a list of effects, to be carried out in
    order. `now_ms` never goes back.
    """

    def __init__(
        self,
        journal: "Any",
        *,
        station: str,
        clock: "Callable[[int], dict[str, object]]",
        random_below: "Callable[[int], int]",
        batch_facts_max: int = BATCH_FACTS_MAX,
    ) -> None:
        """clock: returns {mono, wall, sure, boot} at a now_ms. station: for notices."""
        self._journal = journal
        self._station = station
        self._clock = clock
        self._random_below = random_below
        self._batch_facts_max = batch_facts_max
        self._backoff = Backoff(RESEND_FIRST_MS, RESEND_MS_MAX, random_below, RESEND_FLOOR_MS)
        self._is_connected = False
        self._batch_facts = batch_facts_max
        self._raw_seq = 0
        self._nacked_hw = -1
        self._nacked_ms = 0
        self._born_ms = 0
        self._noticed: set[str] = set()
        self._head_ms = 0
        self._silence_ms = HEAD_SILENCE_MS
        self._probe_ms = PROBE_MS
        self._had: int | None = None
        self._restart(0)

    @property
    def waiting(self) -> int:
        """Return how many rows the gateway has not said to have applied."""
        waiting: int = self._journal.last_seq - self.acked
        return waiting

    @property
    def acked(self) -> int:
        """Return the last row that the gateway has said to have applied, in its present history.

        A journal that cannot be written still counts for the history before a restored backup.
        """
        acked: int = self._journal.acked
        return acked if self._had is None else min(acked, self._had)

    def on_connected(self, now_ms: int) -> "list[Any]":
        """A connection is up: say who we are and send at once."""
        self._is_connected = True
        self._noticed = set()
        self._born_ms = now_ms
        self._nacked_hw = -1
        self._restart(now_ms)
        effects: list[Any] = [SendStatus("connected")]
        effects += self._pump(now_ms)
        return effects

    def on_disconnected(self) -> None:
        """The connection is gone; everything under way may or may not have arrived."""
        self._is_connected = False

    def on_appended(self, now_ms: int) -> "list[Any]":
        """The journal has new rows."""
        return self._pump(now_ms)

    def on_reply(self, message: "Any", now_ms: int) -> "list[Any]":
        """A message came on our reply topic; what is not about the journal is left alone."""
        if not self._is_connected:
            return []
        if isinstance(message, Ack):
            return self._on_ack(message, now_ms)
        if isinstance(message, Nack):
            return self._on_nack(message, now_ms)
        if isinstance(message, Fork):
            return self._on_fork(message, now_ms)
        return []

    def on_head(self, head: "Any", now_ms: int) -> "list[Any]":
        """The gateway lives; another lineage means that it may have forgotten facts."""
        self._head_ms = now_ms
        is_known = head.lineage == self._journal.lineage
        if is_known or not self._is_connected or now_ms - self._born_ms < BIRTH_REPEAT_MS:
            return []
        self._born_ms = now_ms
        return [SendStatus("the gateway has another lineage")]

    def tick(self, now_ms: int) -> "list[Any]":
        """Time has passed; call this at least every second."""
        if not self._is_connected:
            return []
        if now_ms - self._head_ms >= self._silence_ms:
            return self._reconnect("no head for 60 s")
        effects: list[Any] = []
        if self._credit == 0 and self._has_more and now_ms >= self._probe_ms:
            self._probe_ms = now_ms + PROBE_MS
            effects.append(SendRequest(self._hw_request(now_ms)))
        if self._resend_ms is not None and now_ms >= self._resend_ms:
            effects += self._resend(now_ms)
        return effects

    def _restart(self, now_ms: int) -> None:
        """Forget what was under way, as every new connection and every new epoch does."""
        self._credit = 1
        self._probe_ms = now_ms + PROBE_MS
        self._head_ms = now_ms
        self._silence_ms = HEAD_SILENCE_MS + self._random_below(HEAD_SILENCE_JITTER_MS)
        self._backoff.reset()
        self._unanswered = 0
        self._rewind(self._journal.acked + 1)

    def _rewind(self, first: int) -> None:
        """Send from row `first` next; nothing is under way any more."""
        self._next = first
        self._under_way: list[tuple[int, int]] = []
        self._resend_ms: int | None = None
        self._is_paused = False

    def _pump(self, now_ms: int) -> "list[Any]":
        """Send as many batches as the credit allows."""
        effects: list[Any] = []
        if not self._is_connected or self._is_paused:
            return effects
        while len(self._under_way) < self._credit and self._next <= self._journal.last_seq:
            effects += self._send(now_ms)
        return effects

    def _send(self, now_ms: int) -> "list[Any]":
        if is_damaged(self._journal, first=self._next, facts_max=self._batch_facts):
            journal = self._journal
            journal.open_epoch(journal.acked, self._new_id(8), journal.epoch.n + 1)
            detail = f"rows behind {journal.epoch.parent.seq} have changed on the disk"
            return self._begin_epoch("damaged", detail, now_ms)
        batch, last = make_batch(
            self._journal,
            first=self._next,
            facts_max=self._batch_facts,
            is_raw=self._raw_seq == self._next,
            clock=self._clock(now_ms),
        )
        effects: list[Any] = []
        if batch.lost is not None:
            effects += self._notice_once(
                "hole", f"rows {batch.lost[0]} to {batch.lost[1]} are gone"
            )
        effects.append(SendJournal(batch))
        self._under_way.append((batch.seq0, last))
        self._next = last + 1
        if self._resend_ms is None:
            self._resend_ms = now_ms + self._backoff.next_ms()
        return effects

    def _resend(self, now_ms: int) -> "list[Any]":
        """No answer in time: send the first batch again, alone, or give the connection up."""
        if not self._is_paused:
            self._unanswered += 1
        if self._unanswered >= UNANSWERED_MAX:
            return self._reconnect("three sends without an answer")
        self._rewind(self._journal.acked + 1)
        return self._send(now_ms) if self._has_more else []

    @property
    def _has_more(self) -> bool:
        has_more: bool = self._journal.last_seq > self._journal.acked
        return has_more

    def _reconnect(self, why: str) -> "list[Any]":
        self.on_disconnected()
        return [Reconnect(why)]

    def _on_ack(self, ack: Ack, now_ms: int) -> "list[Any]":
        if ack.epoch != self._journal.epoch.id or ack.hw > self._journal.last_seq:
            return []
        is_new_lineage = ack.lineage != self._journal.lineage
        own = self._journal.hash_at(ack.hw)
        # A restored gateway may be further back than our oldest row, whose hash is then gone.
        if own is None and not is_new_lineage:
            return []
        if own is not None and hexlify(own).decode() != ack.hash:
            return self._on_foreign_ack(ack.hw, is_new_lineage, now_ms)
        if is_new_lineage:
            return self._on_new_lineage(ack, now_ms)
        self._journal.mark_acked(ack.hw, ack.keep_from)
        return self._go_on(ack, now_ms)

    def _on_foreign_ack(self, hw: int, is_new_lineage: bool, now_ms: int) -> "list[Any]":
        """Never believe it. From a restored gateway it means a fork, though we may have
        nothing to send: show it the row in question, and it will say so.
        """
        effects = self._notice_once("ack_not_ours", f"row {hw} is another one there")
        if is_new_lineage and not self._under_way:
            self._rewind(hw)
            effects += self._pump(now_ms)
        return effects

    def _on_new_lineage(self, ack: Ack, now_ms: int) -> "list[Any]":
        """The gateway has another history: what it has of ours is what it says, no more."""
        is_first = self._journal.lineage is None
        if is_first or not self._journal.has_older:
            is_behind = ack.hw < self._journal.acked
            self._had = ack.hw
            self._journal.set_lineage(ack.lineage, ack.hw)
            self._had = None
            if is_behind:
                self._rewind(ack.hw + 1)
            return self._go_on(ack, now_ms)
        # Rows of an earlier epoch may exist nowhere but here; all go again, under new places.
        self._had = 0
        self._journal.gather(self._new_id(8), self._journal.epoch.n + 1)
        self._journal.set_lineage(ack.lineage, 0)
        self._had = None
        detail = f"{self._journal.last_seq} rows are offered again to a restored gateway"
        return self._begin_epoch("gathered", detail, now_ms)

    def _go_on(self, ack: Ack, now_ms: int) -> "list[Any]":
        """Take an ack for the answer that it is, and send what its credit allows."""
        self._credit = ack.credit
        self._probe_ms = now_ms + PROBE_MS
        self._unanswered = 0
        self._backoff.reset()
        self._batch_facts = min(2 * self._batch_facts, self._batch_facts_max)
        left = [batch for batch in self._under_way if batch[1] > ack.hw]
        self._rewind(max(self._next, ack.hw + 1))
        self._under_way = left
        if left:
            self._resend_ms = now_ms + self._backoff.next_ms()
        return self._pump(now_ms)

    def _on_nack(self, nack: Nack, now_ms: int) -> "list[Any]":
        self._unanswered = 0
        if nack.why == "invalid":
            return self._on_invalid(now_ms)
        if nack.epoch != self._journal.epoch.id:
            return []
        if nack.why == "busy":
            self._rewind(self._journal.acked + 1)
            self._is_paused = True
            self._resend_ms = now_ms + self._backoff.next_ms()
            return []
        return self._on_gap(nack.hw, now_ms)

    def _on_gap(self, hw: int, now_ms: int) -> "list[Any]":
        """Go back to where the gateway is; one batch at a time until it acks again."""
        is_repeated = hw == self._nacked_hw and now_ms - self._nacked_ms < NACK_REPEAT_MS
        if is_repeated:
            return []
        self._nacked_hw, self._nacked_ms = hw, now_ms
        if hw > self._journal.last_seq:
            return [SendStatus("the gateway knows rows that we do not")]
        self._credit = 1
        self._rewind(hw + 1)
        return self._pump(now_ms)

    def _on_invalid(self, now_ms: int) -> "list[Any]":
        """Halve the batch that was refused; a single row goes as raw bytes."""
        if not self._under_way:
            return []
        first, last = self._under_way[0]
        self._credit = 1
        self._rewind(first)
        if last > first:
            self._batch_facts = (last - first + 1) // 2
            return self._pump(now_ms)
        if self._raw_seq != first:
            self._raw_seq = first
            return self._pump(now_ms)
        self._is_paused = True
        self._resend_ms = now_ms + self._backoff.next_ms()
        return self._notice_once("poison_refused", f"row {first} is refused even as raw bytes")

    def _on_fork(self, fork: Fork, now_ms: int) -> "list[Any]":
        """Our card was rolled back, or somebody else wrote rows under our name."""
        journal = self._journal
        if fork.epoch != journal.epoch.id:
            return []
        common = 0
        for seq, theirs in fork.hashes:
            own = journal.hash_at(seq)
            if own is not None and hexlify(own).decode() == theirs:
                common = max(common, seq)
        if 0 < fork.hw <= common:
            return []  # said of an older birth of ours; every row it has is ours
        journal.open_epoch(common, self._new_id(8), max(journal.epoch.n, fork.n) + 1)
        detail = f"the gateway knew row {fork.hw}; row {common} is the last we share"
        return self._begin_epoch("fork", detail, now_ms)

    def _begin_epoch(self, code: str, detail: str, now_ms: int) -> "list[Any]":
        self._restart(now_ms)
        effects: list[Any] = [SendStatus(code)]
        effects += self._notice_once(code, detail)
        effects += self._pump(now_ms)
        return effects

    def _hw_request(self, now_ms: int) -> Request:
        return Request(self._new_id(4), "hw", now_ms, None, None, None, None, None, None)

    def _notice_once(self, code: str, detail: str) -> "list[Any]":
        if code in self._noticed:
            return []
        self._noticed.add(code)
        return [StaffNotice(code, f"{self._station}: {detail}")]

    def _new_id(self, count: int) -> str:
        return hexlify(bytes([self._random_below(256) for _ in range(count)])).decode()
