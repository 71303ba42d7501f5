"""What the page shows: the world as JSON values."""

from typing import Any

from hardware.ports import Security
from sim.bench.plugs import Plugs
from sim.pi.escpos import Slip
from sim.rooms import SimGate, SimKiosk, SimThing, WiredKiosk
from sim.serial.device import SimSerialDevice
from sim.world import BOOK, World

LOG_LINES = 60


def view(world: World, plugs: Plugs | None, links: dict[str, str]) -> dict[str, Any]:
    """Return everything on the bench; `links` are the screens of stations and the gateway."""
    with world.lock:
        world.settle()
        things = world.things.values()
        return {
            "books": [_book(thing) for thing in things if thing.kind == BOOK],
            "cards": [_card(thing) for thing in things if thing.kind != BOOK],
            "kiosks": [_kiosk(kiosk, links) for kiosk in world.all_kiosks().values()],
            "gates": [_gate(gate) for gate in world.gates.values()],
            "plugs": [_plug(plug) for plug in plugs.all()] if plugs else [],
            "links": links,
            "log": [
                {"n": line.n, "at": line.wall_ms, "station": line.station, "text": line.text}
                for line in list(world.log)[-LOG_LINES:]
            ],
        }


def _book(thing: SimThing) -> dict[str, Any]:
    tag = thing.tag
    return {
        "key": thing.key,
        "title": thing.title,
        "author": thing.author,
        "shelf_mark": thing.shelf_mark,
        "place": thing.place,
        "uid": tag.uid if tag else None,
        "tag": tag.security.value if tag else "untagged",
        "afi": f"{tag.afi:02X}" if tag and tag.security is not Security.NONE else None,
    }


def _card(thing: SimThing) -> dict[str, Any]:
    uid = thing.tag.uid if thing.tag else None
    return {"key": thing.key, "title": thing.title, "place": thing.place, "uid": uid}


def _kiosk(kiosk: SimKiosk | WiredKiosk, links: dict[str, str]) -> dict[str, Any]:
    slips = len(kiosk.printer.slips)
    is_wired = isinstance(kiosk, WiredKiosk)
    return {
        "id": kiosk.station,
        "label": kiosk.label,
        "screen": links.get(kiosk.station),
        "sound_ok": kiosk.sound_ok.state,
        "sound_problem": kiosk.sound_problem.state,
        "slip": _slip(kiosk),
        "paper": f"/api/paper?kiosk={kiosk.station}&n={slips}" if slips and is_wired else None,
        "faults": _faults(
            pad=kiosk.pad,
            card=kiosk.card_reader,
            scanner=kiosk.scanner,
            printer=kiosk.printer,
        ),
    }


def _slip(kiosk: SimKiosk | WiredKiosk) -> list[str] | None:
    """Return the lines of text on the last slip."""
    if not kiosk.printer.slips:
        return None
    last = kiosk.printer.slips[-1]
    return list(last.texts if isinstance(last, Slip) else last)


def _gate(gate: SimGate) -> dict[str, Any]:
    return {
        "id": gate.station,
        "label": gate.label,
        "siren": gate.siren.state,
        "lamp_red": gate.lamp_red.state,
        "lamp_amber": gate.lamp_amber.state,
        "button": gate.button.read(),
        "lanes": [
            {
                "id": name,
                "beam_inner": lane.beam_inner.read(),
                "beam_outer": lane.beam_outer.read(),
                "walking": lane.walking,
                "carried": list(lane.carried),
                "fault": _fault(lane.antenna),
            }
            for name, lane in gate.lanes.items()
        ],
    }


def _plug(plug: Any) -> dict[str, Any]:
    return {
        "id": plug.name,
        "label": plug.label,
        "state": plug.state.value,
        "broker_port": plug.broker.port,
        "web_port": plug.web.port,
    }


def _faults(**devices: Any) -> dict[str, str]:
    found = {name: _fault(device) for name, device in devices.items()}
    return {name: fault for name, fault in found.items() if fault}


def _fault(device: Any) -> str | None:
    """Return what is wrong with a device: its fault, or that its cable is pulled."""
    if isinstance(device, SimSerialDevice) and not device.plugged:
        return "unplugged"
    return str(device.fault) if device.fault else None
