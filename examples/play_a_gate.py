"""Carry a lent book and a stolen one through a gate, without any hardware."""

from firmware.gate import commands, events
from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine

LENT, STOLEN = "e004010000000001", "e004010000000002"
ids = (f"{number:016x}" for number in range(1, 1_000))


def carry_out(gate: GateMachine, uid: str, now_ms: int) -> list[object]:
    tag = events.TagRead(uid, events.IN_STOCK, "30000000001", "DE-715")
    told = gate.receive(events.TagsRead("north", [tag]), now_ms)
    walk = [
        (events.INNER, True),
        (events.OUTER, True),
        (events.INNER, False),
        (events.OUTER, False),
    ]
    for at_ms, (beam, broken) in enumerate(walk, start=1):
        edge_ms = now_ms + 200 * at_ms
        told += gate.receive(events.BeamEdge("north", beam, broken, edge_ms), edge_ms)
    return told + gate.tick(now_ms + 2_000)


gate = GateMachine(gate_config("gate-1", [("north", 2)], ["DE-715"]), bytes(16), lambda: next(ids))
gate.receive(events.ListLoaded(ExactList("11" * 8, 7).loaded([[LENT, 3]], [])), 0)
for name, uid, at_ms in (("lent", LENT, 10_000), ("stolen", STOLEN, 60_000)):
    sirens = [each for each in carry_out(gate, uid, at_ms) if type(each) is commands.SoundSiren]
    print(name, "alarm" if sirens else "silence")
