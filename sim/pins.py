"""Simulated lamps, sirens, light beams and buttons."""

from collections import deque

from hardware.ports import EDGES_MAX, Clock, Edge
from sim.devices import Settle, Watch, nobody, nothing
from sim.faults import OFF, STUCK, Faulty
from sim.tags import HISTORY_MAX


class SimOutput:
    """A lamp or a siren.

    `history` lists (at_ms, state) for every change, also the one its longest time on made.
    """

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
        self.name = name
        self.safe = safe
        self.max_on_ms = max_on_ms
        self.history: deque[tuple[int, bool]] = deque(maxlen=HISTORY_MAX)
        self.watch: Watch = nobody
        self._clock = clock
        self._state = False
        self._on_at_ms = 0
        self._off_at_ms = 0
        self._closed = False
        if initial:
            self.on()

    @property
    def state(self) -> bool:
        """See `Output.state`."""
        if self._state and self._clock.now_ms() >= self._off_at_ms:
            self._change(False, self._off_at_ms)
        return self._state

    def on(self) -> None:
        """See `Output.on`."""
        self._switch_on(self.max_on_ms)

    def off(self) -> None:
        """See `Output.off`."""
        if self.state and not self._closed:
            self._change(False, self._clock.now_ms())

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
        if not self.state:
            self._on_at_ms = now_ms
            self._change(True, now_ms)
        # Counted from when it went on: a program stuck in a loop must not keep a siren alive.
        self._off_at_ms = min(now_ms + duration_ms, self._on_at_ms + self.max_on_ms)

    def _change(self, state: bool, at_ms: int) -> None:
        self._state = state
        self.history.append((at_ms, state))
        self.watch("on" if state else "off", None)


class SimInput(Faulty):
    """A light beam or a button: True is broken or pressed."""

    faults_known = frozenset((OFF, STUCK))

    def __init__(self, clock: Clock, *, name: str = "input", settle: Settle = nothing) -> None:
        super().__init__(name)
        self._clock = clock
        self._settle = settle
        self._level = False
        self._edges: deque[Edge] = deque(maxlen=EDGES_MAX)
        self._closed = False

    def drive(self, level: bool, at_ms: int | None = None) -> None:
        """Make the wire that level, as a person in the beam does."""
        if level == self._level or self.fault is not None or self._closed:
            return
        self._level = level
        self._edges.append(Edge(level, self._clock.now_ms() if at_ms is None else at_ms))

    def read(self) -> bool:
        """See `Input.read`."""
        self._settle()
        return self._level and self.fault != OFF and not self._closed

    def edges(self) -> list[Edge]:
        """See `Input.edges`."""
        self._settle()
        edges = []
        while self._edges:
            edges.append(self._edges.popleft())
        return edges

    def close(self) -> None:
        """See `Input.close`."""
        self._closed = True
        self._edges.clear()
