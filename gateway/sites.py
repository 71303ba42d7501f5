"""How the stations of a city are shown: by building, and alone only where one needs a look.

A school's five stations fit a screen as cards. A city's thousand do not: there staff see a tile
for each building, and cards of the few stations that somebody should see to, the worst first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.board import StationView

CARDS_MAX = 24
"""So many stations are cards; with more, in several buildings, the buildings are shown."""

NEEDING_MAX = 12
"""So many of those that need a look are cards; the others are counted at their buildings."""

_WORST_FIRST: tuple[Callable[[StationView], bool], ...] = (
    lambda view: view.list_state == "BLIND",  # it guards nothing
    lambda view: view.state == "dead",
    lambda view: view.twin,
    lambda view: bool(view.troubles),
    lambda view: view.parked > 0,
    lambda view: view.state == "silent",
)


@dataclass(frozen=True, slots=True)
class SiteView:
    """A building's stations, counted. `site`: None for stations that named no building."""

    site: str | None
    stations: int
    connected: int
    needing: int
    waiting: int
    oldest_ms: int | None  # when the oldest fact that waits was written


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands in place of too many cards."""

    sites: list[SiteView]
    desks: list[StationView]
    needing: list[StationView]  # the worst, at most `NEEDING_MAX`
    more_needing: int  # those beyond them


def overview(stations: list[StationView]) -> Overview | None:
    """Return a city's stations by building; None where cards for all of them fit."""
    sites = _by_site(stations)
    if len(stations) <= CARDS_MAX or len(sites) < 2:
        return None
    needing = sorted((view for view in stations if needs_a_look(view)), key=_urgency)
    return Overview(
        sites=[site_view(site, views) for site, views in sites.items()],
        desks=[view for view in stations if view.role == "desk"],
        needing=needing[:NEEDING_MAX],
        more_needing=len(needing[NEEDING_MAX:]),
    )


def site_view(site: str | None, stations: list[StationView]) -> SiteView:
    """Return the counts of one building's stations."""
    return SiteView(
        site=site,
        stations=len(stations),
        connected=sum(view.state == "connected" for view in stations),
        needing=sum(needs_a_look(view) for view in stations),
        waiting=sum(view.waiting for view in stations),
        oldest_ms=min((v.oldest_ms for v in stations if v.oldest_ms is not None), default=None),
    )


def needs_a_look(view: StationView) -> bool:
    """Whether somebody should see to a station; one that only has facts waiting needs nobody."""
    return any(is_so(view) for is_so in _WORST_FIRST)


def at_site(stations: Iterable[StationView], site: str | None) -> list[StationView]:
    """Return the stations of a building, those that need a look first."""
    return sorted(_by_site(stations).get(site, ()), key=lambda view: not needs_a_look(view))


def _by_site(stations: Iterable[StationView]) -> dict[str | None, list[StationView]]:
    """Return kiosks and gates by their building, in the order people look for a name."""
    sites: dict[str | None, list[StationView]] = {}
    for view in stations:
        if view.role != "desk":
            sites.setdefault(view.site, []).append(view)
    return {site: sites[site] for site in sorted(sites, key=_as_people_sort)}


def _as_people_sort(site: str | None) -> tuple[bool, list[tuple[int, str]]]:
    """Branch 2 before Branch 10, no building last."""
    parts = re.split(r"([0-9]+)", (site or "").casefold())
    return site is None, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _urgency(view: StationView) -> tuple[int, int]:
    """The worst kind of trouble first; of one kind, who was heard longest ago."""
    worst = next(place for place, is_so in enumerate(_WORST_FIRST) if is_so(view))
    return worst, view.last_contact_ms or 0
