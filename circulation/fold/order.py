"""Which of an item's facts came before which: causal first, temporal where that is certain.

Laws of this file:

1. *a* is before *b* if the same station wrote it earlier, or *b* saw it, or everything *a*
   can have been was over before *b* can have begun; and whenever a chain of these leads from
   *a* to *b*. Who saw a fact came also after what its station said right behind it about its
   tag: nobody hears of that, and to switch the tag again was the later one's business. Nothing
   else orders two facts, and no order of arrival does.
2. Facts bound each other: nobody is earlier than what it saw, nobody later than who saw it.
   With bounds so tightened, *a* is before *b* exactly if a chain of writing and seeing leads
   from *a* to *b*, or the tightened latest of *a* lies below the tightened earliest of *b*.
   (A longer alternation of both always shortens to one of the two.)
3. The order has no cycles, whatever anybody claims. Facts that claim to have seen each other
   are not believed about that. Where an interval contradicts writing or seeing, both facts
   lose their intervals and are flagged.
4. Work is bounded: about n × stations, and n where the facts are totally ordered.
"""

import heapq
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from circulation.facts import Fact
from circulation.fold.intervals import (
    LONG_AGO,
    OPEN,
    Bounds,
    Interval,
    bounds_of,
    intervals,
)
from circulation.wire import kinds

__all__ = ["Interval", "Order", "intervals"]

_Links = list[list[int]]


class Order:
    """The facts of one item in order, and the relation between any two of them."""

    def __init__(self, facts: Iterable[Fact], known: Mapping[str, Interval]):
        """Order the facts; each id counts once, at its first position.

        known: intervals by fact id; whoever is missing has no bounds.
        """
        self._facts = _each_once(facts)
        self._index = {fact.id: index for index, fact in enumerate(self._facts)}
        self._chains, self._lane, self._rank, written = _journals(self._facts)
        self._parents = _parents(self._facts, written, self._index)
        self._causal, self._children = _causal_sequence(self._parents)
        if len(self._causal) < len(self._facts):
            self._parents = _untie(self._parents, written)
            self._causal, self._children = _causal_sequence(self._parents)
        bounds = [bounds_of(known, fact.id) for fact in self._facts]
        self._earliest, self._latest, self._flagged = self._tighten(bounds)
        position = {index: place for place, index in enumerate(self._causal)}
        self._sequence = sorted(
            self._causal, key=lambda index: (self._earliest[index], position[index])
        )

    @property
    def facts(self) -> list[Fact]:
        """Return all facts, each after everything that is before it."""
        return [self._facts[index] for index in self._sequence]

    @property
    def flagged(self) -> tuple[str, ...]:
        """Return the facts whose interval contradicted the order of writing and seeing."""
        return tuple(self._facts[index].id for index in sorted(self._flagged))

    @property
    def floor_ms(self) -> int | None:
        """Return the instant before which the newest fact cannot have happened, if known."""
        floor = max(self._earliest, default=LONG_AGO)
        return None if floor == LONG_AGO else floor

    def is_before(self, first_id: str, then_id: str) -> bool:
        """Return whether the first fact certainly came before the other."""
        first, then = self._index[first_id], self._index[then_id]
        return first != then and self._reaches[then][self._lane[first]] > self._rank[first]

    def causes_of(self, fact_id: str) -> set[str]:
        """Return the facts a chain of writing and seeing leads from, time left aside."""
        waiting, found = [self._index[fact_id]], set[int]()
        while waiting:
            for parent in self._parents[waiting.pop()]:
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return {self._facts[index].id for index in found}

    def causally_last(self, selected: Collection[str]) -> list[Fact]:
        """Return those of the selected that none of them saw or followed at its station."""
        followed = [False] * len(self._facts)
        for index in reversed(self._causal):
            followed[index] = any(
                followed[child] or self._facts[child].id in selected
                for child in self._children[index]
            )
        return [
            self._facts[index]
            for index in self._sequence
            if self._facts[index].id in selected and not followed[index]
        ]

    def blocks(self, selected: Collection[str]) -> list[list[Fact]]:
        """Return the selected facts in groups, each wholly before the next.

        A group is as small as can be: one fact, or facts connected by not being ordered.
        """
        chosen = [index for index in self._sequence if self._facts[index].id in selected]
        cuts = range(1, len(chosen)) if self._is_total else self._cuts(chosen)
        edges = [0, *cuts, len(chosen)]
        return [
            [self._facts[index] for index in chosen[start:end]]
            for start, end in pairwise(edges)
            if start < end
        ]

    def last_of(self, block: Sequence[Fact]) -> list[Fact]:
        """Return the facts of a block that are before no other of it."""
        if len(block) == 1:
            return list(block)
        indices = [self._index[fact.id] for fact in block]
        covered = [
            max(column) for column in zip(*(self._reaches[i] for i in indices), strict=True)
        ]
        return [
            self._facts[index]
            for index in indices
            if covered[self._lane[index]] <= self._rank[index]
        ]

    @property
    def _is_total(self) -> bool:
        """Return whether every neighbour in sequence is certainly before the next."""
        return all(
            first in self._parents[then] or self._latest[first] < self._earliest[then]
            for first, then in pairwise(self._sequence)
        )

    def _tighten(self, bounds: list[Bounds]) -> tuple[list[int], list[int], set[int]]:
        """Return earliest and latest as bounded by causes and effects, and who was flagged."""
        flagged = {index for index, (low, high) in enumerate(bounds) if low > high}
        trusted = [OPEN if index in flagged else own for index, own in enumerate(bounds)]
        earliest, latest = self._spread(trusted)
        contradicted = {
            index
            for index, (low, high) in enumerate(trusted)
            if high < earliest[index] or low > latest[index]
        }
        if contradicted:
            flagged |= contradicted
            trusted = [OPEN if index in flagged else own for index, own in enumerate(trusted)]
            earliest, latest = self._spread(trusted)
        return earliest, latest, flagged

    def _spread(self, bounds: Sequence[Bounds]) -> tuple[list[int], list[int]]:
        earliest, latest = [low for low, _ in bounds], [high for _, high in bounds]
        for index in self._causal:
            for parent in self._parents[index]:
                earliest[index] = max(earliest[index], earliest[parent])
        for index in reversed(self._causal):
            for child in self._children[index]:
                latest[index] = min(latest[index], latest[child])
        return earliest, latest

    @cached_property
    def _reaches(self) -> list[list[int]]:
        """Return for each fact how many of every chain's facts are before it."""
        reaches = [[0] * len(self._chains) for _ in self._facts]
        for index in self._causal:
            own = reaches[index]
            for parent in self._parents[index]:
                own[:] = map(max, own, reaches[parent])
                own[self._lane[parent]] = max(own[self._lane[parent]], self._rank[parent] + 1)
        # Along a chain both bounds only grow, so what is over before an instant is its start.
        for lane, chain in enumerate(self._chains):
            over = [self._latest[index] for index in chain]
            for index, own in enumerate(reaches):
                own[lane] = max(own[lane], bisect_left(over, self._earliest[index]))
        return reaches

    def _cuts(self, chosen: Sequence[int]) -> list[int]:
        """Return the places where all that stands left is before all that stands right."""
        common = [len(chain) for chain in self._chains]
        before_rest: list[list[int]] = []
        for index in reversed(chosen):
            common = list(map(min, common, self._reaches[index]))
            before_rest.append(common)
        before_rest.reverse()
        taken = [0] * len(self._chains)
        cuts: list[int] = []
        for place, index in enumerate(chosen[:-1], 1):
            taken[self._lane[index]] = self._rank[index] + 1
            if all(map(int.__le__, taken, before_rest[place])):
                cuts.append(place)
        return cuts


def _each_once(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts by id, each at its first position.

    One id on two different facts is somebody's forgery; which one counts must still not depend
    on the order of arrival.
    """
    first: dict[str, Fact] = {}
    for fact in facts:
        other = first.setdefault(fact.id, fact)
        if other is not fact and _position(fact) < _position(other):
            first[fact.id] = fact
    return [first[fact_id] for fact_id in sorted(first)]


def _position(fact: Fact) -> tuple[int, int, str, str]:
    return (fact.epoch_n, fact.seq, fact.station, repr(fact))


class _Journals(NamedTuple):
    """The facts' chains, each fact's chain and place in it, and whom its station wrote before."""

    chains: _Links
    lane_of: list[int]
    rank_of: list[int]
    written: _Links


def _journals(facts: Sequence[Fact]) -> _Journals:
    """Return what the positions of the facts say.

    Two facts at one position are not ordered by it (two histories used one epoch number), so
    the second goes into a chain of its own.
    """
    lanes: dict[tuple[str, int], int] = {}
    crowds: dict[str, tuple[list[int], list[int]]] = {}  # the place before, and the present one
    found = _Journals([], [0] * len(facts), [0] * len(facts), [[] for _ in facts])
    for index in sorted(range(len(facts)), key=lambda i: (facts[i].epoch_n, facts[i].seq)):
        before, crowd = crowds.get(facts[index].station, ([], []))
        if crowd and _place(facts[crowd[0]]) != _place(facts[index]):
            before, crowd = crowd, []
        lane = lanes.setdefault((facts[index].station, len(crowd)), len(found.chains))
        if lane == len(found.chains):
            found.chains.append([])
        crowds[facts[index].station] = (before, [*crowd, index])
        found.written[index].extend(before)
        found.lane_of[index], found.rank_of[index] = lane, len(found.chains[lane])
        found.chains[lane].append(index)
    return found


def _place(fact: Fact) -> tuple[int, int]:
    return (fact.epoch_n, fact.seq)


def _parents(facts: Sequence[Fact], written: _Links, ids: Mapping[str, int]) -> _Links:
    """Return whom each fact directly follows: at its station, and among what it saw."""
    parents: _Links = []
    for index, fact in enumerate(facts):
        seen = {ids[fact_id] for fact_id in fact.saw if fact_id in ids and fact_id != fact.id}
        parents.append(sorted(seen.union(written[index])))
    return _behind_remarks(facts, parents)


def _behind_remarks(facts: Sequence[Fact], parents: _Links) -> _Links:
    """Return the links, with those from a tag that was not switched to whoever saw its fact.

    Before such a remark is nothing but the fact it is about and what that one follows, so no
    circle comes of it. A decision stands for what staff saw, and is told what they did not.
    """
    remarks = {
        index: links[0]
        for index, links in enumerate(parents)
        if len(links) == 1 and _is_remark(facts[index], facts[links[0]])
    }
    behind: dict[int, list[int]] = {}
    for index, about in remarks.items():
        behind.setdefault(about, []).append(index)
    return [
        links
        if index in remarks or facts[index].kind == kinds.DECISION
        else sorted({*links, *(remark for link in links for remark in behind.get(link, ()))})
        for index, links in enumerate(parents)
    ]


def _is_remark(fact: Fact, about: Fact) -> bool:
    """Return whether a fact says that the tag was not switched for this one, written in the
    same run of a program: one that starts again finds tags that others have had since."""
    return (
        fact.kind == kinds.SECURITY_NOT_SET
        and fact.saw == (about.id,)
        and (fact.station, fact.boot) == (about.station, about.boot)
    )


def _untie(parents: _Links, written: _Links) -> _Links:
    """Return the links without any claim to have seen each other on a circle."""
    knot = _knot(parents)
    return [
        sorted({parent for parent in links if parent not in knot}.union(written[index]))
        if index in knot
        else links
        for index, links in enumerate(parents)
    ]


def _knot(parents: _Links) -> set[int]:
    """Return the facts on circles of seeing, and any between two such circles."""
    sequence, children = _causal_sequence(parents)
    rest = set(range(len(parents))) - set(sequence)
    waiting = [index for index in rest if not rest.intersection(children[index])]
    while waiting:
        index = waiting.pop()
        rest.discard(index)
        waiting += [
            parent
            for parent in parents[index]
            if parent in rest and not rest.intersection(children[parent])
        ]
    return rest


def _causal_sequence(parents: _Links) -> tuple[list[int], _Links]:
    """Return an order in which parents come first, and everybody's children.

    Whoever is on a circle, or after one, is left out.
    """
    children: _Links = [[] for _ in parents]
    for index, links in enumerate(parents):
        for parent in links:
            children[parent].append(index)
    missing = [len(links) for links in parents]
    ready = [index for index, count in enumerate(missing) if count == 0]
    sequence: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        sequence.append(index)
        for child in children[index]:
            missing[child] -= 1
            if missing[child] == 0:
                heapq.heappush(ready, child)
    return sequence, children
