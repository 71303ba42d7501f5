"""Honest readers borrow and leave while broker, gateway and gate are killed: no alarm.

A reader lays nine books on the pad, holds a tenth under the scanner, and walks out through the
gate more than two seconds after the last tick. The nine have a tag that the pad has switched. The
tenth's tag still says "in stock", as where a pad is dead: the gate must know the loan itself, from
the kiosk, so this book leaves when kiosk and gate have been with the broker for two seconds. A
gate that is dead hears nothing and cannot alarm; how many walks it saw is counted. So that silence
means something, now and then a thief carries out a book that nobody lent, and must be heard.
"""

import math
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.measure.library import barcode_of, card_of
from sim.measure.numbers import spread
from sim.torture import audit
from sim.torture.building import BROKER, GATE, GATEWAY, KIOSK, LANE, Building
from sim.torture.programs import glance
from sim.world import OUT, SHELF

PAD_BOOKS = 9
VISIT_BOOKS = PAD_BOOKS + 1
LEAVES_AFTER_S = 2.0
QUEUE_MAX = 1  # readers before the gate
THIEF_EVERY = 10  # visits
QUIET_S_MAX = 240.0  # twice the longest wait of an uploader
VICTIMS = (BROKER, GATEWAY, GATE)
KILL_SHARE = 0.6  # of the visits in which somebody dies
LOOKS_MAX = 40  # from the beginning of a visit to a kill: two seconds or so
DEAD_LOOKS_MAX = {BROKER: 40, GATE: 40, GATEWAY: 200}  # a gateway is away for longer
LATE_S = 5.0  # from its tick until the gate must have been told of a loan, where nobody dies
DISTANCE_S = 3.0  # between two people: within two a gate takes the one's tag for the other's
JUDGED_S = 0.4  # a gate needs milliseconds; this is for a machine that is busy
SIREN_S_MAX = 20.0  # for a thief, who must be heard: on a machine that is busier still
ACKED = "SELECT acked FROM epoch ORDER BY n DESC LIMIT 1"
LAST = "SELECT coalesce(max(seq), 0) FROM journal"


Span = tuple[float, float | None]  # from, until, monotonic s; None: not over yet


@dataclass(slots=True)
class Fates:
    """Who is dead, and when the next one dies: from a seed, counted in looks."""

    building: Building
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    disturbed: list[Span] = field(default_factory=list)
    gateway_away: list[Span] = field(default_factory=list)
    _plans: dict[str, list[int]] = field(default_factory=dict)
    _first: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first = self.chance.sample(VICTIMS, len(VICTIMS))

    def plan(self, visit: int) -> None:
        """Decide whether somebody dies soon; in the first visits each dies once."""
        first = self._first
        victim = first[visit] if visit < len(first) else self.chance.choice(VICTIMS)
        looks = [self.chance.randint(1, most) for most in (LOOKS_MAX, DEAD_LOOKS_MAX[victim])]
        is_due = visit < len(first) or self.chance.random() < KILL_SHARE
        if is_due and victim not in self._plans:  # who is dead already is left alone
            self._plans[victim] = looks

    def look(self) -> None:
        """Let time pass: what is due happens."""
        for victim, looks in list(self._plans.items()):
            is_alive = self.building.programs.runs(victim)
            looks[0 if is_alive else 1] -= 1
            if is_alive and looks[0] <= 0:
                self._kill(victim)
            elif not is_alive and looks[1] <= 0:
                self.building.programs.start(victim)
                del self._plans[victim]
        self._note(self.disturbed, is_away=not self.path_since())
        self._note(self.gateway_away, is_away=not self.building.programs.runs(GATEWAY))

    def heal(self) -> None:
        """Start whoever is dead, and plan nothing more."""
        for victim in list(self._plans):
            if not self.building.programs.runs(victim):
                self.building.programs.start(victim)
        self._plans.clear()

    def path_since(self) -> float:
        """Return since when kiosk and gate are both with the broker, monotonic s; 0: not."""
        building = self.building
        if not all(building.is_awake(name) for name in (BROKER, GATE)):
            return 0.0
        since = [building.connected_s.get(name, 0.0) for name in (KIOSK, GATE)]
        return max(since) if all(since) else 0.0

    def _kill(self, victim: str) -> None:
        self.kills[victim] += 1
        self.building.kill(victim)

    def _note(self, spans: list[Span], *, is_away: bool) -> None:
        """Begin a span, or end the last one."""
        is_open = bool(spans) and spans[-1][1] is None
        if is_away and not is_open:
            spans.append((time.monotonic(), None))
        elif not is_away and is_open:
            spans[-1] = (spans[-1][0], time.monotonic())


@dataclass(frozen=True, slots=True)
class Day:
    """What a day came to."""

    findings: tuple[str, ...]
    figures: dict[str, Any]

    def doc(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {**self.figures, "findings": list(self.findings)}


class Readers:
    """One day; `play` does it."""

    def __init__(
        self, folder: Path, broker: str, *, loans: int, seed: int, tell: Callable[[int], None]
    ) -> None:
        """folder: emptied. loans: at least so many. tell: called with the loans so far."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._visits = -(-loans // VISIT_BOOKS)
        books = self._visits * VISIT_BOOKS + 1  # the last one is the thief's
        self._building = Building(folder, broker, books=books, readers=self._visits)
        self._fates = Fates(self._building, random.Random(f"{seed} fates"))
        self._tell = tell
        self._broker = broker
        self._seed = seed
        self._item = dict(enumerate(self._building.filled.items))
        self._thief_book = barcode_of(books - 1)
        self._leaving: list[tuple[float, list[str]]] = []
        self._by_label: list[tuple[float, str]] = []
        self._findings: list[str] = []
        self._walks: Counter[str] = Counter()
        self._free_s = 0.0
        self._laid_s: dict[str, float] = {}
        self._ticked_s: dict[str, float] = {}
        self._lent: list[int] = []

    def play(self) -> Day:
        """Let everybody borrow and leave; raises `SimError` if something does not go on at all."""
        building = self._building
        with building:
            building.start_all()
            lineage = audit.lineage_of(building.database)
            for visit in range(self._visits):
                self._fates.plan(visit)
                self._visit(visit)
                if visit % THIEF_EVERY == THIEF_EVERY - 1 or visit == self._visits - 1:
                    self._steal()
                self._tell(len(self._lent))
            self._fates.heal()
            self._wait("everybody has left", lambda: not (self._leaving or self._by_label))
            self._go_home()
        return self._day(lineage)

    def _go_home(self) -> None:
        """End everything when all facts have gone.

        The gateway's time may come, and be recorded, when they have: who ended with something
        to say is started once more, to say it.
        """
        building = self._building
        while True:
            building.wait("all facts have gone", self._all_gone, within_s=QUIET_S_MAX)
            building.kill(GATE)  # told to stop it would write down whom it counted
            building.programs.stop(KIOSK)
            if self._all_gone():
                break
            for name in (KIOSK, GATE):
                building.programs.start(name)
        for name in (GATEWAY, BROKER):
            building.programs.stop(name)

    # Borrowing.

    def _visit(self, visit: int) -> None:
        world, building = self._building.world, self._building
        first = visit * VISIT_BOOKS
        numbers = list(range(first, first + VISIT_BOOKS))
        self._wait("few stand before the gate", self._few_wait)
        world.scan(KIOSK, card_of(visit))
        self._wait("the reader is greeted", lambda: bool(building.screen().get("patron")))
        for number in numbers[:PAD_BOOKS]:
            self._note(self._laid_s, number)
            world.move(barcode_of(number), f"{KIOSK}/pad")
        self._wait("all ticks", lambda: self._states(numbers[:PAD_BOOKS]) == {"done"})
        self._note(self._ticked_s, *numbers[:PAD_BOOKS])
        self._note(self._laid_s, numbers[-1])
        world.scan(KIOSK, barcode_of(numbers[-1]))
        self._wait("the last one is lent", lambda: self._is_lent(numbers[-1]))
        self._note(self._ticked_s, numbers[-1])
        for number in numbers[:PAD_BOOKS]:
            world.move(barcode_of(number), SHELF)
        self._wait("the screen is free", self._goes_idle)
        now_s = time.monotonic()
        self._lent += numbers
        self._leaving.append((now_s, [barcode_of(number) for number in numbers[:PAD_BOOKS]]))
        self._by_label.append((now_s, barcode_of(numbers[-1])))

    def _note(self, times: dict[str, float], *numbers: int) -> None:
        """Put down that something happens to books now."""
        times.update((self._item[number], time.monotonic()) for number in numbers)

    def _few_wait(self) -> bool:
        return len(self._leaving) <= QUEUE_MAX and len(self._by_label) <= QUEUE_MAX

    def _tile(self, number: int) -> dict[str, Any]:
        tiles = self._building.screen().get("items", [])
        return next((dict(tile) for tile in tiles if tile["key"] == self._item[number]), {})

    def _states(self, numbers: list[int]) -> set[str]:
        return {str(self._tile(number).get("state")) for number in numbers}

    def _is_lent(self, number: int) -> bool:
        return bool(self._tile(number).get("due_on"))

    def _goes_idle(self) -> bool:
        if self._building.screen().get("state") != "idle":
            self._building.press("finish")
            return False
        return True

    # Leaving.

    def _let_leave(self) -> None:
        """Let the next reader out who has waited long enough."""
        now_s = time.monotonic()
        if now_s < self._free_s:
            return
        books = self._known_by_label(now_s)
        if self._leaving and now_s - self._leaving[0][0] > LEAVES_AFTER_S:
            books += self._leaving.pop(0)[1]
        if books:
            self._leave(books)

    def _known_by_label(self, now_s: float) -> list[str]:
        """Return the next book lent by its label, if the gate must know of it by now."""
        since = self._fates.path_since()
        if not self._by_label or not since:
            return []
        lent_s, book = self._by_label[0]
        if now_s - max(since, lent_s) <= LEAVES_AFTER_S:
            return []
        self._by_label.pop(0)
        self._walks["by label"] += 1
        return [book]

    def _leave(self, books: list[str]) -> None:
        """Carry lent books out; a ring is an alarm that should not be."""
        rang, saw = self._walk(books)
        self._walks["seen" if saw else "unseen"] += 1
        self._walks["books seen"] += len(books) if saw else 0
        if rang:
            self._findings.append(f"alarm for an honest reader with {', '.join(books)}")

    def _steal(self) -> None:
        """Carry an unlent book out, which a living gate must notice; then bring it back.

        A gate that dies meanwhile proves nothing: the thief comes again.
        """
        rang = saw = False
        while not (rang or saw):
            self._wait("the gate is there, and nobody in it", self._is_gate_free)
            rang, saw = self._walk([self._thief_book], siren_s_max=SIREN_S_MAX)
            self._building.world.move(self._thief_book, SHELF)
        self._walks["thieves heard"] += rang
        if not rang:
            self._findings.append("a thief walked past a living gate and was not heard")

    def _is_gate_free(self) -> bool:
        return self._building.is_awake(GATE) and time.monotonic() > self._free_s

    def _walk(self, books: list[str], *, siren_s_max: float = 0.0) -> tuple[bool, bool]:
        """Carry books through; return whether the siren rang and whether the gate lived.

        siren_s_max: how much longer to wait for a siren that must sound, while the gate lives.
        """
        building, fates = self._building, self._fates
        rings, kills, was_awake = building.rings, fates.kills[GATE], building.is_awake(GATE)
        took_s = building.world.walk(GATE, LANE, OUT, books) / 1_000
        judged_s = time.monotonic() + took_s + JUDGED_S
        building.wait("it is judged", lambda: time.monotonic() > judged_s, meanwhile=fates.look)
        building.world.settle()

        def is_heard_or_cannot_be() -> bool:
            is_late = time.monotonic() > judged_s + siren_s_max
            return building.rings > rings or is_late or kills != fates.kills[GATE]

        building.wait("it is heard", is_heard_or_cannot_be, meanwhile=fates.look)
        rang = building.rings > rings
        if rang:
            building.world.press(GATE)
            building.wait(
                "the siren is quiet", lambda: not building.gate.siren.state, meanwhile=fates.look
            )
        self._free_s = time.monotonic() + DISTANCE_S
        return rang, was_awake and kills == fates.kills[GATE]

    # Waiting.

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        self._building.wait(what, ready, meanwhile=self._look)

    def _look(self) -> None:
        self._fates.look()
        self._let_leave()

    def _all_gone(self) -> bool:
        journals = [self._building.journal(name) for name in (KIOSK, GATE)]
        marks = [(glance(path, LAST), glance(path, ACKED)) for path in journals]
        return all(last is not None and last == acked for last, acked in marks)

    # Comparing.

    def _day(self, lineage: str) -> Day:
        building, fates = self._building, self._fates
        findings = self._findings
        all_kept = []
        for name in (KIOSK, GATE):
            kept = audit.kept_by(name, building.journal(name), None)
            findings += audit.compare(kept, audit.books_of(name, building.database))
            all_kept.append(kept)
        findings += audit.gateway_differs(building.database, lineage)
        findings += audit.items_differ(all_kept, building.database)
        lent = {self._item[number] for number in self._lent}
        once = lent_once(building.database)
        if lent - once:
            findings.append(f"{len(lent - once)} ticked loans are not at the gateway exactly once")
        delays, away = self._delays_ms()
        if math.inf in delays:
            findings.append(f"the gate was never told of {delays.count(math.inf)} loans")
        figures = {
            "broker": self._broker,
            "seed": self._seed,
            "loans": len(self._lent),
            "walks_seen": self._walks["seen"],
            "walks_unseen": self._walks["unseen"],
            "books_seen": self._walks["books seen"],
            "left_by_label": self._walks["by label"],
            "thieves_heard": self._walks["thieves heard"],
            "false_alarms": sum("honest" in one for one in findings),
            "kills": dict(sorted(fates.kills.items())),
            "loans_timed": len(delays),
            "loans_timed_gateway_away": len(away),
            **_spread(delays, "told_ms"),
            **_spread(away, "told_gateway_away_ms"),
        }
        return Day(tuple(findings), figures)

    def _delays_ms(self) -> tuple[list[float], list[float]]:
        """Return how long each book took from the hand to the gate, where nobody died between.

        First of all of them, then of those that were laid down while the gateway was away.
        """
        building, delays, away = self._building, [], []
        for item, laid_s in self._laid_s.items():
            told_s = building.told_s.get(item, math.inf)
            until_s = min(told_s, self._ticked_s[item] + LATE_S)
            if _meets(self._fates.disturbed, laid_s, until_s):
                continue
            delays.append((told_s - laid_s) * 1_000)
            if _meets(self._fates.gateway_away, laid_s, laid_s):
                away.append(delays[-1])
        return delays, away


def _spread(delays: list[float], name: str) -> dict[str, float]:
    """Return median, p99 and maximum of those that came, rounded; nothing of none."""
    came = [delay for delay in delays if delay < math.inf]
    return {key: round(value) for key, value in spread(came, name).items()} if came else {}


def _meets(spans: list[Span], from_s: float, until_s: float) -> bool:
    """Return whether a span has a moment of that time."""
    return any(begin <= until_s and (end is None or end >= from_s) for begin, end in spans)


def lent_once(database: Path) -> set[str]:
    """Return the items of which the gateway has exactly one checkout, and that are lent."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT item_id FROM fact WHERE kind = 'checkout' GROUP BY item_id HAVING count(*) = 1"
            " INTERSECT SELECT item_id FROM holding WHERE state = 'on_loan'"
        ).fetchall()
    return {item for (item,) in rows}
