"""People's hours in a library: they come, return, borrow, and walk out past a gate.

Half of the visits are spread over the day, half come in crowds, as when a class arrives. Some
books are wanted by everybody. What is planned is what people mean to do; whether a kiosk lets
them is found out when the plan is played.
"""

import random
from collections.abc import Iterator

from sim.fleet.acts import GATEWAY, HOUR_MS, MINUTE_MS, Act, Shape

_FACTS_A_VISIT = 2.35  # measured over plans of the default shape: see tests/sim/fleet/test_plan.py
_CROWD_MAX = 8
_WANTED = 10  # the first of the items, which a third of all loans are about
_SCAN_MS = (2_500, 7_000)
_WAY_OUT_MS = (3_000, 60_000)

_RETURNS, _RENEWS, _LENDS_LENT, _STAYS = 0.65, 0.20, 0.03, 0.25
_HIDES, _IN_HOUSE, _FORGETS_IT = 0.03, 0.10, 0.02


def days(seed: int, shape: Shape) -> list[Act]:
    """Return what people do between the begin and the end of a plan, in no order."""
    return _Days(seed, shape).acts


class _Days:
    """Where every item would be if all went as people mean it to."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.acts: list[Act] = []
        self._shape = shape
        self._chance = random.Random(f"{seed} days")
        self._items = shape.item_names
        self._wanted = frozenset(self._items[:_WANTED])
        self._gates = {
            site: [place.name for place in shape.places if place.is_gate and place.site == site]
            for site in shape.site_names
        }
        sites = shape.site_names
        self._shelf = {item: sites[n % len(sites)] for n, item in enumerate(self._items)}
        self._has: dict[str, list[str]] = {patron: [] for patron in shape.patron_names}
        self._had: dict[str, dict[str, bool]] = {patron: {} for patron in shape.patron_names}
        self._outside: set[str] = set()
        self._busy_until = dict.fromkeys(shape.patron_names, 0)
        for at_ms, kiosk, site in sorted(self._visits()):
            self._visit(at_ms, kiosk, site)
        self._staff()

    def _visits(self) -> Iterator[tuple[int, str, str]]:
        hours = self._shape.duration_ms / HOUR_MS
        for place in self._shape.places:
            wanted = round(self._shape.facts_per_hour * hours / _FACTS_A_VISIT)
            while not place.is_gate and wanted > 0:
                crowd = self._chance.choice((1, self._chance.randint(1, _CROWD_MAX)))
                at_ms = self._chance.randrange(self._shape.duration_ms)
                for _ in range(min(crowd, wanted)):
                    yield at_ms, place.name, place.site
                    at_ms += self._chance.randint(15_000, 40_000)
                wanted -= crowd

    def _visit(self, at_ms: int, kiosk: str, site: str) -> None:
        free = [name for name, until_ms in self._busy_until.items() if until_ms <= at_ms]
        if not free:
            return
        patron = self._chance.choice(free)
        at_ms = self._comes_in(at_ms, patron, site)
        at_ms = self._returns(at_ms, kiosk, site, patron)
        at_ms = self._lends(at_ms, kiosk, site, patron)
        if self._chance.random() < _IN_HOUSE:
            item = self._chance.choice(self._items)
            at_ms = self._say(at_ms, kiosk, "use_in_house", item)
        self._busy_until[patron] = self._walks_out(at_ms, site, patron)

    def _comes_in(self, at_ms: int, patron: str, site: str) -> int:
        carried = [item for item in self._has[patron] if item in self._outside]
        gate = self._gate_of(site)
        for item in carried:
            self._outside.discard(item)
            if gate is not None:
                self._say(at_ms, gate, "carry_in", item)
        return at_ms + self._chance.randint(*_WAY_OUT_MS) if carried else at_ms

    def _returns(self, at_ms: int, kiosk: str, site: str, patron: str) -> int:
        for item in list(self._has[patron]):
            if self._chance.random() < _RETURNS:
                self._has[patron].remove(item)
                self._had[patron][item] = True
                self._shelf[item] = site
                at_ms = self._say(at_ms, kiosk, "return", item)
            elif self._chance.random() < _RENEWS:
                at_ms = self._say(at_ms, kiosk, "renew", patron, item)
        return self._renews_by_mistake(at_ms, kiosk, patron)

    def _renews_by_mistake(self, at_ms: int, kiosk: str, patron: str) -> int:
        """Renew what the reader has not any more, as far as a kiosk still thinks they have."""
        for item in self._had[patron] if self._shape.forgetful else ():
            is_gone = item not in self._has[patron]
            if is_gone and self._chance.randrange(100) < self._shape.forgetful:
                at_ms = self._say(at_ms, kiosk, "renew", patron, item)
        return at_ms

    def _lends(self, at_ms: int, kiosk: str, site: str, patron: str) -> int:
        for _ in range(self._chance.choice((0, 1, 1, 2, 3))):
            item = self._picks(site)
            if item is None:
                return at_ms
            self._takes(patron, item)
            at_ms = self._say(at_ms, kiosk, "lend", patron, item)
        return at_ms

    def _picks(self, site: str) -> str | None:
        """Return an item of this site's shelves; now and then one a friend hands over."""
        if self._chance.random() < _LENDS_LENT:
            here = [item for item in self._items if item not in self._outside]
        else:
            here = [item for item, place in self._shelf.items() if place == site]
        wanted = [item for item in here if item in self._wanted]
        if wanted and self._chance.randrange(3) == 0:
            here = wanted
        return self._chance.choice(here) if here else None

    def _takes(self, patron: str, item: str) -> None:
        self._shelf.pop(item, None)
        for others in self._has.values():
            if item in others:
                others.remove(item)
        self._has[patron].append(item)

    def _walks_out(self, at_ms: int, site: str, patron: str) -> int:
        """Return when the reader is free again; who stays has the books lie before them."""
        gate = self._gate_of(site)
        if self._chance.random() < _STAYS or gate is None:
            return at_ms + self._chance.randint(*_WAY_OUT_MS)
        at_ms += self._chance.randint(*_WAY_OUT_MS)
        for item in self._has[patron]:
            if item not in self._outside:
                self._outside.add(item)
                self._say(at_ms, gate, "carry_out", item, "lent")
        if self._chance.random() < _HIDES:
            self._hides(at_ms, site, gate, patron)
        return at_ms + self._chance.randint(*_WAY_OUT_MS)

    def _hides(self, at_ms: int, site: str, gate: str, patron: str) -> None:
        here = [item for item, place in self._shelf.items() if place == site]
        if not here:
            return
        item = self._chance.choice(here)
        self._takes(patron, item)
        self._outside.add(item)
        self._say(at_ms, gate, "carry_out", item, "hidden")

    def _gate_of(self, site: str) -> str | None:
        return self._chance.choice(self._gates[site]) if self._gates[site] else None

    def _staff(self) -> None:
        """Let staff look at items that were handled in the quarter of an hour before."""
        count = round(self._shape.decisions * self._shape.duration_ms / HOUR_MS)
        handled = [(act.at_ms, str(act.args[-1])) for act in self.acts if act.what == "return"]
        for _ in range(count):
            at_ms = self._chance.randrange(self._shape.duration_ms)
            lately = [item for then, item in handled if 0 <= at_ms - then <= 15 * MINUTE_MS]
            if lately:
                self._say(at_ms, GATEWAY, "staff_decide", self._chance.choice(lately))

    def _say(self, at_ms: int, who: str, what: str, *args: str) -> int:
        """Return when the next thing can be done; what comes after the end is left out."""
        if at_ms < self._shape.duration_ms:
            self.acts.append(Act(at_ms, who, what, args))
        return at_ms + self._chance.randint(*_SCAN_MS)
