"""The line between a site's broker and the one the gateway is at: what is said there is said here.

Everything is carried both ways, what is retained again at every connect. While the line is cut the
site goes on among itself; what was said meanwhile is held for a short cut and lost in a long one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.fleet.network import DOWN, UP, Channel, Wire

if TYPE_CHECKING:
    from sim.fleet.broker import Broker

PATIENCE_MS = 45_000
AGAIN_MS = 1_000

Carried = tuple[str, bytes, bool]


class Bridge:
    """Joins a site's broker with the main one over a wire."""

    def __init__(self, site: Broker, main: Broker, wire: Wire) -> None:
        self._site, self._main, self._wire = site, main, wire
        self._run = 0
        self._ways: dict[str, Channel] = {}
        site.bridges.append(self)
        main.bridges.append(self)
        wire.on_cut.append(self._watch)
        wire.on_mended.append(self._mended)
        self._connect()

    def carry(self, broker: Broker, message: Carried) -> None:
        """Take what was published at one end to the other."""
        way = self._ways.get(UP if broker is self._site else DOWN)
        if way is not None:
            way.send(message)

    def drop(self) -> None:
        """One end is gone: connect anew when it is back."""
        self._run += 1
        for way in self._ways.values():
            way.close()
        self._ways = {}
        self._wire.timeline.after(AGAIN_MS, self._connect)

    def _connect(self) -> None:
        if self._ways:
            return
        if self._wire.is_cut:
            return  # tried again when it is mended
        if not (self._site.is_up and self._main.is_up):
            self._wire.timeline.after(AGAIN_MS, self._connect)
            return
        self._run += 1
        self._ways = {
            UP: Channel(self._wire, UP, lambda message: self._main.publish(*message, origin=self)),
            DOWN: Channel(
                self._wire, DOWN, lambda message: self._site.publish(*message, origin=self)
            ),
        }
        for broker in (self._site, self._main):
            for topic, payload in list(broker.retained.items()):
                self.carry(broker, (topic, payload, True))

    def _watch(self) -> None:
        run = self._run
        self._wire.timeline.after(PATIENCE_MS, lambda: self._miss(run))

    def _miss(self, run: int) -> None:
        if run == self._run and self._wire.is_cut:
            self.drop()

    def _mended(self) -> None:
        for way in self._ways.values():
            way.release()
        self._connect()
