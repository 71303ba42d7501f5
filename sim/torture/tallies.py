"""What the wire taps saw, added up."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Carried:
    """Messages and facts on the cables.

    messages_taken: for which a station got the broker's PUBACK. messages_lost: of these, the
    ones that the gateway's cable never carried; and facts_lost, the facts in all of them.
    messages_delivered, facts_delivered: that the gateway's cable carried. facts_again: of these,
    the ones that it had carried before.
    """

    messages_taken: int
    messages_delivered: int
    messages_lost: int
    facts_delivered: int
    facts_again: int

    def doc(self) -> dict[str, int]:
        """Return it as JSON keeps it."""
        return asdict(self)


def carried(tally: Path) -> Carried:
    """Add up a tally; a line torn by a kill is left out."""
    taken: Counter[str] = Counter()
    delivered: Counter[str] = Counter()
    rows: Counter[tuple[str, str, int]] = Counter()
    for seen in _lines(tally):
        if "taken" in seen:
            taken[seen["taken"]] += 1
            continue
        delivered[seen["delivered"]] += 1
        if "seq0" in seen:
            first, place = seen["seq0"], (seen["station"], seen["epoch"])
            rows.update((*place, seq) for seq in range(first, first + seen["n"]))
    return Carried(
        messages_taken=taken.total(),
        messages_delivered=delivered.total(),
        messages_lost=(taken - delivered).total(),
        facts_delivered=rows.total(),
        facts_again=rows.total() - len(rows),
    )


def _lines(tally: Path) -> Iterator[dict[str, Any]]:
    for line in tally.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
