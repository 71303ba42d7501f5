"""Plays one scenario file against the gate's machine; runs on both Pythons, without pytest.

A step is [time_ms, input, expected commands]. An input is an event's name and its fields; the
messages of the wire are given as an object with the fields that matter. `Walk` is somebody
walking through a lane, `Tick` is time passing. A command is its name and its fields; of a
Record and a PublishAlarm only the fields named are compared.
"""

from circulation.wire import messages
from firmware.gate import events
from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine

KEY = b"a site's key of some length"
LINEAGE = "00000000000000aa"
ID = "%016x"

WALKS = {  # (after ms, beam, broken): 1.3 m/s past beams 15 cm apart
    "out": ((0, "inner", 1), (120, "outer", 1), (260, "inner", 0), (380, "outer", 0)),
    "in": ((0, "outer", 1), (120, "inner", 1), (260, "outer", 0), (380, "inner", 0)),
    "back": ((0, "inner", 1), (400, "inner", 0)),
}
SETTLING_MS = 10


def start(config):
    """Return the machine of a scenario; ids of facts count from 1."""
    config = dict(config)
    gate = config.pop("gate", "gate-1")
    lanes = config.pop("lanes", [["lane-1", 2]])
    numbers = iter(range(1, 1_000_000))
    return GateMachine(gate_config(gate, lanes, **config), KEY, lambda: ID % next(numbers))


def tell(machine, told, at_ms):
    """Give the machine one input; return its commands."""
    name, fields = told[0], told[1:]
    if name == "Tick":
        return machine.tick(at_ms)
    if name == "Walk":
        done = []
        for after_ms, beam, broken in WALKS[fields[1]]:
            edge = events.BeamEdge(fields[0], beam, bool(broken), at_ms + after_ms)
            done += machine.receive(edge, at_ms + after_ms)
            done += machine.tick(at_ms + after_ms + SETTLING_MS)
        return done
    if name in MESSAGES:
        fields = [MESSAGES[name](dict(fields[0]))]
    return machine.receive(getattr(events, name)(*fields), at_ms)


def shown(command):
    """Return a command as a scenario writes it."""
    name = type(command).__name__
    if name in ("Record", "PublishAlarm"):
        return [name, command.fields]
    return [name] + list(command)  # noqa: RUF005 (MicroPython cannot unpack in a list)


def matches(done, expected):
    """Return whether a command is the one expected."""
    if done[0] in ("Record", "PublishAlarm") and done[0] == expected[0]:
        named = expected[1]
        return False not in [done[1].get(name) == named[name] for name in named]
    return done == expected


def play(scenario):
    """Return what went differently, one line each; an empty list is a success."""
    machine, wrong = start(scenario["config"]), []
    for at_ms, told, expected in scenario["steps"]:
        done = [shown(command) for command in tell(machine, told, at_ms)]
        same = len(done) == len(expected)
        if not same or False in [matches(a, b) for a, b in zip(done, expected)]:  # noqa: B905
            wrong.append(f"at {at_ms} ms {told}: expected {expected}, got {done}")
    return wrong


def _site_loan(given):
    given.setdefault("station", "kiosk-1")
    given.setdefault("epoch", 1)
    given.setdefault("item", ID % 1)
    given.setdefault("uids", [])
    given.setdefault("saw", [])
    given.setdefault("wall", 0)
    mac = given.pop("mac", None)
    names = [name for name, _ in messages.SiteLoan.SHAPE]
    given.setdefault("reach", 3 if given["state"] == "on" else 0)
    message = messages.SiteLoan(*[given.get(name) for name in names])
    return messages.sealed(message, KEY) if mac is None else _with_mac(message, mac)


def _site_alarm(given):
    names = [name for name, _ in messages.SiteAlarm.SHAPE]
    mac = given.pop("mac", None)
    message = messages.SiteAlarm(*[given.get(name) for name in names])
    return messages.sealed(message, KEY) if mac is None else _with_mac(message, mac)


def _with_mac(message, mac):
    return type(message)(*(list(message)[:-1] + [mac]))  # noqa: RUF005


def _head(given):
    lineage = given.get("lineage", LINEAGE)
    versions = {"may_leave": given["version"]}
    return messages.Head(lineage, given["n"], 0, versions, 3, given.get("recovered", False), "")


def _applied(given):
    return messages.Applied(given["version"], given["stations"], given.get("lineage", LINEAGE))


def _list(given):
    made = ExactList(given.get("lineage", LINEAGE), given["version"])
    return made.loaded(given.get("keys", []), given.get("unsecured", []))


MESSAGES = {
    "SiteLoanHeard": _site_loan,
    "SiteAlarmHeard": _site_alarm,
    "HeadHeard": _head,
    "AppliedHeard": _applied,
    "ListLoaded": _list,
}
