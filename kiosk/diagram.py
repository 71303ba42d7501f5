"""Draws docs/kiosk-session.svg from the session's table: python -m kiosk.diagram [FILE]

The picture has a place for each state and an arrow for each pair of states the table joins; the
words beside an arrow are its events. An event that leads to one state from many is written into
that state's box instead. A test says when the file is older than the table.
"""

from __future__ import annotations

import math
import re
import sys
from collections import defaultdict
from pathlib import Path

from kiosk.transitions import TRANSITIONS
from kiosk.visit import State

WIDTH, HEIGHT = 1180, 760
BOX_WIDTH, BOX_HEIGHT = 210, 62
PLACES: dict[State, tuple[int, int]] = {
    State.IDLE: (140, 380),
    State.PIN: (420, 80),
    State.OFFERED: (380, 520),
    State.LENDING: (660, 220),
    State.RETURNING: (640, 670),
    State.LENDING_ENDS: (1040, 80),
    State.RETURNING_ENDS: (1040, 680),
    State.FAREWELL: (1040, 380),
    State.STOPPED: (140, 80),
}
WORDS: dict[State, str] = {
    State.IDLE: "nobody here",
    State.PIN: "a card waits for its PIN",
    State.OFFERED: "books, but nobody said why",
    State.LENDING: "a reader borrows",
    State.RETURNING: "somebody returns",
    State.LENDING_ENDS: "still there?",
    State.RETURNING_ENDS: "still there?",
    State.FAREWELL: "counts, no names",
    State.STOPPED: "a fact could be lost",
}
SHOWN_MAX = 4
"""An arrow with more events than this says how many more."""
MANY = 4
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d2428}"
    ".name{font-weight:700;font-size:15px}.word{fill:#59626a;font-size:12px}"
    ".entry{font-size:11px;fill:#0b6e5b;font-weight:600}"
    ".event{font-size:11px;paint-order:stroke;stroke:#f6f3ec;stroke-width:4px}"
    "rect{fill:#fff;stroke:#14538a;stroke-width:2}"
    "path{fill:none;stroke:#7c868d;stroke-width:1.4;marker-end:url(#tip)}"
)


def draw() -> str:
    """Return the whole picture; the same table gives the same text."""
    arrows = _arrows()
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-label="States of a visit at the kiosk">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" style="fill:#7c868d;'
        'stroke:none;marker-end:none"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" style="fill:#f6f3ec;stroke:none"/>',
    ]
    lines += [_path(origin, target) for origin, target in arrows]
    lines += [_box(state) for state in State]
    lines += [_label(pair, events) for pair, events in arrows.items()]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _origins() -> dict[tuple[str, State], list[State]]:
    """From which other states each event leads to each state."""
    origins: dict[tuple[str, State], list[State]] = defaultdict(list)
    for (origin, event), target in TRANSITIONS.items():
        if origin is not target:
            origins[_words(event.__name__), target].append(origin)
    return origins


def _entries(state: State) -> list[str]:
    """Events that lead here from so many states that arrows would say less."""
    return [
        f"{event}: from {len(origins)} states"
        for (event, target), origins in _origins().items()
        if target is state and len(origins) >= MANY
    ]


def _arrows() -> dict[tuple[State, State], list[str]]:
    """The events of each pair of different states."""
    arrows: dict[tuple[State, State], list[str]] = defaultdict(list)
    for (event, target), origins in _origins().items():
        for origin in origins if len(origins) < MANY else ():
            arrows[origin, target].append(event)
    return dict(sorted(arrows.items(), key=lambda item: (item[0][0].value, item[0][1].value)))


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _curve(origin: State, target: State) -> tuple[float, float]:
    """The point an arrow bends over: a little to its left, so that pairs do not overlap."""
    (x1, y1), (x2, y2) = PLACES[origin], PLACES[target]
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    bend = 34.0
    return (x1 + x2) / 2 - bend * (y2 - y1) / length, (y1 + y2) / 2 + bend * (x2 - x1) / length


def _edge(state: State, toward: tuple[float, float]) -> tuple[float, float]:
    """Where an arrow leaves or meets the box of a state."""
    x, y = PLACES[state]
    dx, dy = toward[0] - x, toward[1] - y
    wide, high = BOX_WIDTH / 2 + 3, BOX_HEIGHT / 2 + 3
    scale = 1 / max(abs(dx) / wide, abs(dy) / high, 1e-9)
    return x + dx * scale, y + dy * scale


def _path(origin: State, target: State) -> str:
    bend = _curve(origin, target)
    (x1, y1), (x2, y2) = _edge(origin, bend), _edge(target, bend)
    return f'<path d="M{x1:.0f} {y1:.0f} Q{bend[0]:.0f} {bend[1]:.0f} {x2:.0f} {y2:.0f}"/>'


def _label(pair: tuple[State, State], events: list[str]) -> str:
    bend = _curve(*pair)
    shown = events[:SHOWN_MAX]
    if len(events) > SHOWN_MAX:
        shown = [*events[: SHOWN_MAX - 1], f"and {len(events) - SHOWN_MAX + 1} more"]
    (x1, y1), (x2, y2) = PLACES[pair[0]], PLACES[pair[1]]
    x, y = ((x1 + x2) / 2 + bend[0]) / 2, ((y1 + y2) / 2 + bend[1]) / 2
    spans = "".join(
        f'<tspan x="{x:.0f}" dy="{12 if number else 0}">{words}</tspan>'
        for number, words in enumerate(shown)
    )
    top = y - 6 * (len(shown) - 1)
    return f'<text class="event" text-anchor="middle" y="{top:.0f}">{spans}</text>'


def _box(state: State) -> str:
    x, y = PLACES[state]
    left, top = x - BOX_WIDTH // 2, y - BOX_HEIGHT // 2
    entry = "".join(
        f'<text class="entry" text-anchor="middle" x="{x}" y="{y + 22}">{words}</text>'
        for words in _entries(state)[:1]
    )
    name_y, word_y = (y - 12, y + 4) if entry else (y - 3, y + 14)
    return (
        f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="10"/>'
        f'<text class="name" text-anchor="middle" x="{x}" y="{name_y}">'
        f"{state.value.replace('_', ' ')}</text>"
        f'<text class="word" text-anchor="middle" x="{x}" y="{word_y}">{WORDS[state]}</text>'
        f"{entry}"
    )


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/kiosk-session.svg").write_text(
        draw(), encoding="utf-8"
    )
