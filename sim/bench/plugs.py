"""The network plugs on the bench: each joins one computer's lines to the broker and gateway.

station plug    station ─► broker        station ─► gateway's web address, through its plug
gateway plug    gateway ─► broker        others  ─► gateway's web address
"""

from dataclasses import dataclass

from sim.errors import WorldError
from sim.proxy import LineState, Proxy

GATEWAY = "gateway"

Address = tuple[str, int]


@dataclass(frozen=True)
class Plug:
    """The lines of one computer: cut, stalled and restored together."""

    name: str
    label: str
    broker: Proxy
    web: Proxy

    @property
    def state(self) -> LineState:
        """What the lines let through."""
        return self.broker.state

    def set(self, state: LineState) -> None:
        """Cut, stall or restore the lines."""
        for line in (self.broker, self.web):
            if state is LineState.UP:
                line.restore()
            elif state is LineState.STALLED:
                line.stall()
            else:
                line.cut()

    def close(self) -> None:
        """End every connection."""
        self.broker.close()
        self.web.close()


class Plugs:
    """The plugs by name; `stations` maps a station to what people call it."""

    def __init__(self, *, broker: Address, gateway: Address, stations: dict[str, str]) -> None:
        hub = Plug(GATEWAY, "Gateway", Proxy(broker), Proxy(gateway))
        self._plugs = {GATEWAY: hub}
        for station, label in stations.items():
            way = Proxy(("127.0.0.1", hub.web.port))
            self._plugs[station] = Plug(station, label, Proxy(broker), way)

    def all(self) -> list[Plug]:
        """Return the plugs, the gateway's first."""
        return list(self._plugs.values())

    def set(self, name: str, state: str) -> Plug:
        """Bring a plug to a state and return it; raises `WorldError` for unknown names."""
        plug = self._plugs.get(name)
        if plug is None:
            raise WorldError(f"{name!r}: no such plug; there are {', '.join(self._plugs)}")
        try:
            plug.set(LineState(state))
        except ValueError:
            states = ", ".join(known.value for known in LineState)
            raise WorldError(f"{state!r}: a plug is one of {states}") from None
        return plug

    def close(self) -> None:
        """End every connection of every plug."""
        for plug in self.all():
            plug.close()
