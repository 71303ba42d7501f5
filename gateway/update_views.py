"""What staff see of programs for microcontrollers: who has taken them, who refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.updates import Update


class Station(Protocol):
    """What is known of a station, as `board.StationView` has it."""

    @property
    def station(self) -> str:
        """Its name in the library."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def firmware(self) -> str | None:
        """What it says that it runs."""

    @property
    def refused_update(self) -> str | None:
        """Why it does not take what is offered, None if it may."""


@dataclass(frozen=True, slots=True)
class UpdateView:
    """A program that is offered, and what the gates it is for made of it."""

    format: str
    version: int
    bytes: int
    offered_at: int
    only: tuple[str, ...]
    taken: list[str]
    waiting: list[str]
    refused: dict[str, str]


def updates_of(offers: Iterable[Update], stations: Iterable[Station]) -> list[UpdateView]:
    """Return what is offered now, with what the stations it is for say of themselves."""
    views = []
    for offer in offers:
        boards = [view for view in stations if board_of(view.firmware)[1] == offer.format]
        meant = [view for view in boards if not offer.only or view.station in offer.only]
        taken = [view for view in meant if board_of(view.firmware)[0] >= offer.version]
        refused = {view.name: view.refused_update for view in meant if view.refused_update}
        done = {*(view.name for view in taken), *refused}
        view = UpdateView(
            format=offer.format,
            version=offer.version,
            bytes=offer.bytes,
            offered_at=offer.offered_at,
            only=offer.only,
            taken=[view.name for view in taken],
            waiting=[view.name for view in meant if view.name not in done],
            refused=refused,
        )
        if offer.is_offered:
            views.append(view)
    return views


def board_of(firmware: str | None) -> tuple[int, str]:
    """Return version and board of a gate's program, (0, "") for one on no microcontroller.

    >>> board_of("lendgate 2 pico-w-6")
    (2, 'pico-w-6')
    >>> board_of("lendgate 2 pico-w-6 on trial")
    (0, 'pico-w-6')
    >>> board_of("lendgate-kiosk 0.1.0")
    (0, '')
    """
    words = (firmware or "").split(" ", 3)
    if len(words) < 3 or words[0] != "lendgate" or not words[1].isdecimal():
        return 0, ""
    return int(words[1]) if len(words) == 3 else 0, words[2]
