"""Simulated lamps, sirens, light beams and buttons."""

from collections import deque

from hardware.ports import EDGES_MAX, Clock, Edge
from sim.devices import Settle, Watch, nobody, nothing
from sim.faults import DELAYED, INTERMITTENT, OFF, STUCK, WRONG, Faulty
from sim.tags import HISTORY_MAX

CHATTER_MS = 1
"""Between the bounces of a bad contact; those of good switches last 1 to 10 ms as well, so a
program's debouncing must swallow both."""


class SimOutput(Faulty):
    """A lamp or a siren.

    `history` lists (at_ms, state) for every change, also the one its longest time on made.

    Faults. off: it stays dark and quiet. stuck: it stays as it is, its longest time on
    notwithstanding, as a welded relay does. The program sees neither; when it is mended, the
    lamp is again what the program last said.
    """

    faults_known = frozenset((OFF, STUCK))

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "output",
        initial: bool = False,
        safe: bool = False,
        max_on_ms: int,
    ) -> None:
        if max_on_ms <= 0:
            raise ValueError(f"{name}: the longest time on must be above 0 ms, not {max_on_ms}")
        super().__init__(name)
        self.safe = safe
        self.max_on_ms = max_on_ms
        self.history: deque[tuple[int, bool]] = deque(maxlen=HISTORY_MAX)
        self.watch: Watch = nobody
        self._clock = clock
        self._wanted = False
        self._shown = False
        self._on_at_ms = 0
        self._off_at_ms = 0
        self._closed = False
        if initial:
            self.on()

    @property
    def state(self) -> bool:
        """See `Output.state`: what the lamp does, which is not what was said when it fails."""
        self._is_wanted()
        return self._shown

    def on(self) -> None:
        """See `Output.on`."""
        self._switch_on(self.max_on_ms)

    def off(self) -> None:
        """See `Output.off`."""
        if self._is_wanted() and not self._closed:
            self._want(False, self._clock.now_ms())

    def pulse(self, duration_ms: int) -> None:
        """See `Output.pulse`."""
        if duration_ms > 0:
            self._switch_on(min(duration_ms, self.max_on_ms))

    def close(self) -> None:
        """See `Output.close`."""
        if not self._closed:
            self.release()
        self._closed = True

    def release(self) -> None:
        """Go to the safe state, as the wire does when its program dies."""
        if self.safe:
            self.on()
        else:
            self.off()

    def _switch_on(self, duration_ms: int) -> None:
        if self._closed:
            return
        now_ms = self._clock.now_ms()
        if not self._is_wanted():
            self._on_at_ms = now_ms
            self._want(True, now_ms)
        # Counted from when it went on: a program stuck in a loop must not keep a siren alive.
        self._off_at_ms = min(now_ms + duration_ms, self._on_at_ms + self.max_on_ms)

    def _is_wanted(self) -> bool:
        """Return whether the program has it on, its longest time on considered."""
        if self._wanted and self._clock.now_ms() >= self._off_at_ms:
            self._want(False, self._off_at_ms)
        return self._wanted

    def _want(self, state: bool, at_ms: int) -> None:
        self._wanted = state
        if self.fault is None:
            self._show(state, at_ms)

    def _on_fault(self) -> None:
        now_ms = self._clock.now_ms()
        if self.fault == OFF:
            self._show(False, now_ms)
        elif self.fault is None:
            self._show(self._is_wanted(), now_ms)

    def _show(self, state: bool, at_ms: int) -> None:
        if state == self._shown:
            return
        self._shown = state
        self.history.append((at_ms, state))
        self.watch("on" if state else "off", None)


class SimInput(Faulty):
    """A light beam or a button: True is broken or pressed.

    Faults. off: it reads free, and changes are lost. stuck: it keeps its level. wrong: it reads
    the opposite. intermittent: a share of the changes chatters, off and on again within
    milliseconds. delayed: each change shows only when the next one comes. While it is off or
    stuck the wire itself goes on; once mended, the input shows what the wire is then.

    `history` lists (at_ms, level) for every change it showed.
    """

    faults_known = frozenset((OFF, STUCK, WRONG, INTERMITTENT, DELAYED))

    def __init__(self, clock: Clock, *, name: str = "input", settle: Settle = nothing) -> None:
        super().__init__(name)
        self._clock = clock
        self._settle = settle
        self._wire = False
        self._level = False
        self._late: Edge | None = None
        self.history: deque[tuple[int, bool]] = deque(maxlen=HISTORY_MAX)
        self._edges: deque[Edge] = deque(maxlen=EDGES_MAX)
        self._closed = False

    def drive(self, level: bool, at_ms: int | None = None) -> None:
        """Make the wire that level, as a person in the beam does."""
        if level == self._wire or self._closed:
            return
        self._wire = level
        if self.fault not in (OFF, STUCK):
            self._report(level, self._clock.now_ms() if at_ms is None else at_ms)

    def read(self) -> bool:
        """See `Input.read`."""
        self._settle()
        return self._level and self.fault != OFF and not self._closed

    def edges(self) -> list[Edge]:
        """See `Input.edges`."""
        self._settle()
        now_ms = self._clock.now_ms()
        edges = []
        while self._edges and self._edges[0].at_ms <= now_ms:
            edges.append(self._edges.popleft())
        return edges

    def close(self) -> None:
        """See `Input.close`."""
        self._closed = True
        self._edges.clear()

    def _report(self, level: bool, at_ms: int) -> None:
        """Let the input show a change of the wire, as its fault has it."""
        if self.fault == DELAYED:
            shown, self._late = self._late, Edge(level, at_ms)
            if shown is not None:
                self._show(shown.level, shown.at_ms)
            return
        shown_level = level != (self.fault == WRONG)
        self._show(shown_level, at_ms)
        if self.strikes():
            self._show(not shown_level, at_ms + CHATTER_MS)
            self._show(shown_level, at_ms + 2 * CHATTER_MS)

    def _show(self, level: bool, at_ms: int) -> None:
        if level != self._level:
            self._level = level
            self._edges.append(Edge(level, at_ms))
            self.history.append((at_ms, level))

    def _on_fault(self) -> None:
        """Show what the wire is under the new fault; what a fault freezes stays as it is."""
        self._late = None
        if self.fault not in (OFF, STUCK) and not self._closed:
            self._show(self._wire != (self.fault == WRONG), self._clock.now_ms())
