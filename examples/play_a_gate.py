"""Carry a lent book and a stolen one through a gate, without any hardware."""

from firmware.gate.commands import SoundSiren
from firmware.gate.config import gate_config
from firmware.gate.events import IN_STOCK, INNER, OUTER, BeamEdge, ListLoaded, TagRead, TagsRead
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine

LENT, STOLEN = "e004010000000001", "e004010000000002"


def carry_out(gate: GateMachine, uid: str, at_ms: int) -> list[object]:
    tag = TagRead(uid, IN_STOCK, "30000000001", "DE-715")
    told = gate.receive(TagsRead("north", [tag]), at_ms)
    for beam, broken in ((INNER, True), (OUTER, True), (INNER, False), (OUTER, False)):
        at_ms += 200
        told += gate.receive(BeamEdge("north", beam, broken, at_ms), at_ms)
    return told + gate.tick(at_ms + 1_000)


def main() -> None:
    gate = GateMachine(gate_config("gate-1", [("north", 2)]), bytes(16), lambda: "f" * 16)
    gate.receive(ListLoaded(ExactList("1" * 16, 7).loaded([[LENT, 3]], [])), 0)
    for name, uid, at_ms in (("lent", LENT, 10_000), ("stolen", STOLEN, 60_000)):
        alarms = SoundSiren in map(type, carry_out(gate, uid, at_ms))
        print(name, "alarm" if alarms else "silence")


main()
