"""What every simulated serial device has in common: a line, time, faults and a history.

A device is bytes in (`receive`) and bytes out (`take`), on the clock it was given. It never waits:
what it answers is put on the line for a later moment and `take` hands over what has arrived by
now. Which cable carries the bytes (`sim://`, a pseudo terminal, a socket) it does not know.
"""

import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from hardware.ports import Clock
from sim.faults import DELAYED, FAULTS, GARBAGE, OFF, SLOW, STUCK, Faulty
from sim.serial.line import LineSettings, heard

HISTORY_MAX = 1_000
INPUT_BYTES_MAX = 4_096
"""What a device keeps of an unfinished frame; of more, the oldest bytes are lost."""
OUTPUT_BYTES_MAX = 65_536
"""What waits for a host that does not read; of more, the newest is lost, as in a tty."""
FRAME_TIMEOUT_MS = 200
"""A half frame is forgotten after this silence (our choice; the manuals say 'a time-out')."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame on the line, in bytes and in words; `to_host` tells who sent it.

    `at_ms` is when it was complete at the device, or due at the host.
    """

    at_ms: int
    to_host: bool
    raw: bytes
    words: str

    def __str__(self) -> str:
        arrow = "<-" if self.to_host else "->"
        return f"{self.at_ms} {arrow} {self.raw.hex(' ')}  {self.words}"


class SimSerialDevice(Faulty):
    """A device at the far end of a serial cable; subclasses know its language.

    `settings` is the line as the manual gives it. With `paced` every byte takes its time on the
    line; without, an answer comes whole after `latency_ms`.

    Faults. off: no power, the port is there and nothing answers. stuck: what a subclass says in
    `_stuck_answer`, nothing unless it knows better. garbage: a flipped bit or a scrambled answer.
    wrong: what a subclass makes of it. slow: the right answer, later. delayed: the answer to the
    request before. intermittent: a share of the requests is not heard, or carried out and the
    answer is lost or cut short.
    """

    faults_known = frozenset(FAULTS)
    settings = LineSettings()
    deaf_while_busy = False

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "serial",
        latency_ms: int = 5,
        paced: bool = False,
        boot_ms: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(name)
        self.clock = clock
        self.lock: AbstractContextManager[object] = threading.RLock()
        self.latency_ms = latency_ms
        self.paced = paced
        self.boot_ms = boot_ms
        self.has_modem_lines = True
        self.takes_writes = True
        self.host_settings: LineSettings | None = None
        self.history: deque[Frame] = deque(maxlen=HISTORY_MAX)
        self.watchers: list[Callable[[Frame], None]] = []
        self.listeners: list[Callable[[], None]] = []
        self.plugged = True
        self.plugged_times = 1
        self._owner: object | None = None
        self._random = random.Random(seed)
        self._input = bytearray()
        self._heard_at_ms = 0
        self._output: deque[tuple[int, bytes]] = deque()
        self._output_bytes = 0
        self._busy_until_ms = 0
        self._work_ms = 0  # what the request in hand takes beside the latency
        self._ready_at_ms = 0
        self._before: bytes | None = None
        self._noise = b""
        self._cut: int | None = None
        self._pieces: tuple[int, ...] = ()
        self._piece_gap_ms = 0

    # The cable

    def plug_in(self) -> None:
        """Put the plug in; the device boots and has forgotten everything that was on its way."""
        with self.lock:
            if self.plugged:
                return
            self.plugged = True
            self.plugged_times += 1
            self._ready_at_ms = self.clock.now_ms() + self.boot_ms
            self._reset()
        self._changed()

    def unplug(self) -> None:
        """Pull the plug; who has the port open finds it dead, and it stays dead for them."""
        with self.lock:
            self.plugged = False
            self._forget_line()
        self._changed()

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; nothing arrives at a device without plug or power."""
        with self.lock:
            now_ms = self.clock.now_ms()
            if not self.plugged or self.fault == OFF or now_ms < self._ready_at_ms:
                return
            data = heard(data, sender=self._host(), listener=self.settings, broken=b"")
            if now_ms - self._heard_at_ms > FRAME_TIMEOUT_MS:
                self._input.clear()
            self._heard_at_ms = now_ms
            self._input += data
            del self._input[:-INPUT_BYTES_MAX]
            while (frame := self._next_frame(self._input)) is not None:
                self._hear(frame)
        self._changed()

    def take(self, limit: int | None = None) -> bytes:
        """Return what has arrived at the host by now, at most `limit` bytes, and forget it."""
        with self.lock:
            now_ms = self.clock.now_ms()
            found = bytearray()
            while self._output and self._output[0][0] <= now_ms:
                at_ms, piece = self._output.popleft()
                room = len(piece) if limit is None else limit - len(found)
                found += piece[:room]
                if room < len(piece):
                    self._output.appendleft((at_ms, piece[room:]))
                    break
            self._output_bytes -= len(found)
            return bytes(found)

    def waiting(self) -> int:
        """Return how many bytes `take` would return now."""
        with self.lock:
            now_ms = self.clock.now_ms()
            return sum(len(piece) for at_ms, piece in self._output if at_ms <= now_ms)

    def next_at_ms(self) -> int | None:
        """Return when the next byte arrives at the host, in the clock's ms; None for never."""
        with self.lock:
            return self._output[0][0] if self._output else None

    def claim(self, port: object) -> bool:
        """Let one port have the device to itself, as TIOCEXCL does; False when another has."""
        with self.lock:
            if self._owner is None:
                self._owner = port
            return self._owner is port

    def release(self, port: object) -> None:
        """Give up what `claim` gave."""
        with self.lock:
            if self._owner is port:
                self._owner = None

    # What may go wrong on the way

    def make_noise(self, data: bytes) -> None:
        """Let these bytes come before the next frame, as a bad cable or a switch would."""
        self._noise += data

    def cut_answer(self, after: int) -> None:
        """Let the next answer end after so many bytes and never go on."""
        self._cut = after

    def split_answers(self, *sizes: int, gap_ms: int = 20) -> None:
        """Let answers come in pieces of these sizes and a rest, `gap_ms` apart; none to stop."""
        self._pieces, self._piece_gap_ms = sizes, gap_ms

    def say(self, data: bytes, *, after_ms: int = 0, words: str = "") -> None:
        """Send bytes that nobody asked for; without plug or power they are lost."""
        with self.lock:
            if self.plugged and self.fault != OFF:
                self._send(data, after_ms=after_ms, words=words)
        self._changed()

    # What a subclass says

    def _next_frame(self, buffer: bytearray) -> bytes | None:
        """Take one whole frame off the buffer, with all that is certainly none before it."""
        raise NotImplementedError

    def _answer(self, frame: bytes) -> bytes | None:
        """Carry out a request and return the answer on the wire, None for silence."""
        raise NotImplementedError

    def _stuck_answer(self, frame: bytes) -> bytes | None:
        """Return what a stuck device answers."""
        return None

    def _words(self, frame: bytes, *, to_host: bool) -> str:
        """Return the frame in words."""
        return ""

    def _reset(self) -> None:
        """Forget what does not survive a power cut."""

    # Inside

    def _on_fault(self) -> None:
        self._before = None
        self._random = random.Random(int(self.fault_options.get("seed", 0)))
        if self.fault == OFF:
            with self.lock:
                self._forget_line()
                self._reset()

    def _host(self) -> LineSettings:
        return self.host_settings if self.host_settings is not None else self.settings

    def _hear(self, frame: bytes) -> None:
        now_ms = self.clock.now_ms()
        if self.deaf_while_busy and now_ms < self._busy_until_ms:
            self._record(now_ms, frame, to_host=False, note=" (ignored: still busy)")
            return
        self._record(now_ms, frame, to_host=False)
        lost = self._random.choice(("request", "answer", "half")) if self.strikes() else ""
        if lost == "request":
            return
        self._work_ms = 0
        answer = self._stuck_answer(frame) if self.fault == STUCK else self._answer(frame)
        if self.fault == DELAYED:
            answer, self._before = self._before, answer
        if answer is None or lost == "answer":
            return
        if lost == "half":
            answer = answer[: len(answer) // 2]
        self._respond(answer, len(frame))

    def _respond(self, answer: bytes, asked: int) -> None:
        """Put an answer on the line; `asked` is the length of the request."""
        words = self._words(answer, to_host=True)
        if self.fault == GARBAGE:
            answer, words = self._garbled(answer), "garbled"
        after_ms = self.latency_ms + self._work_ms + (self.slow_ms if self.fault == SLOW else 0)
        if self.paced:
            after_ms += self.settings.duration_ms(asked)
        self._send(answer, after_ms=after_ms, words=words)

    def _garbled(self, answer: bytes) -> bytes:
        """Return the answer with one bit flipped in its last half, or scrambled altogether."""
        if self._random.random() < 0.5:
            at = self._random.randrange(len(answer) // 2, len(answer))
            flipped = answer[at] ^ 1 << self._random.randrange(8)
            return answer[:at] + bytes((flipped,)) + answer[at + 1 :]
        return bytes(byte ^ self._random.randrange(1, 256) for byte in answer)

    def _send(self, data: bytes, *, after_ms: int, words: str = "") -> None:
        at_ms = self.clock.now_ms() + after_ms
        if self._output:
            at_ms = max(at_ms, self._output[-1][0])
        if self._cut is not None:
            data, self._cut = data[: self._cut], None
        noise, self._noise = self._noise, b""
        self._busy_until_ms = at_ms
        start = 0
        for size in (*self._pieces, len(data)):
            if start and start >= len(data):
                break
            piece, start = noise + data[start : start + size], start + size
            noise = b""
            self._put(at_ms, piece)
            at_ms = self._busy_until_ms + self._piece_gap_ms
        self._record(self._busy_until_ms, data, to_host=True, words=words)

    def _put(self, at_ms: int, data: bytes) -> None:
        """Queue bytes for the host, one entry a millisecond when the line is paced."""
        data = heard(data, sender=self.settings, listener=self._host(), broken=b"\0")
        data = data[: max(0, OUTPUT_BYTES_MAX - self._output_bytes)]
        self._output_bytes += len(data)
        if not self.paced:
            if data:
                self._output.append((at_ms, data))
            self._busy_until_ms = max(self._busy_until_ms, at_ms)
            return
        for number in range(len(data)):
            due_ms = at_ms + self.settings.duration_ms(number + 1)
            self._output.append((due_ms, data[number : number + 1]))
            self._busy_until_ms = due_ms

    def _record(
        self, at_ms: int, raw: bytes, *, to_host: bool, words: str | None = None, note: str = ""
    ) -> None:
        if words is None:
            words = self._words(raw, to_host=to_host)
        frame = Frame(at_ms, to_host, bytes(raw), words + note)
        self.history.append(frame)
        for watcher in list(self.watchers):
            watcher(frame)

    def _forget_line(self) -> None:
        self._input.clear()
        self._output.clear()
        self._output_bytes = self._busy_until_ms = 0
        self._before, self._noise, self._cut = None, b"", None

    def _changed(self) -> None:
        for listener in list(self.listeners):
            listener()
