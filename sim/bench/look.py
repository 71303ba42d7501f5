"""What the page shows of the inside: tag memory, what a device was asked, what its pins did."""

import io
from typing import Any

from hardware.chips import tag_data
from hardware.ports import BLOCK_BYTES, ISO15693
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.errors import WorldError
from sim.faults import Faulty
from sim.mfrc522.breakout import SimBreakout
from sim.mfrc522.trace import describe, describe_air
from sim.pi.paper import SimPaperPrinter, picture_of
from sim.pins import SimInput, SimOutput
from sim.rooms import Device
from sim.serial.pad_3m import SimPad3M
from sim.serial.scanner import SimSerialScanner
from sim.tags import SimTag
from sim.world import World

CHANGES_MAX = 60
HISTORY_MAX = 40
TRANSFERS_MAX = 60

_BASIC_BLOCK = (  # first byte, last byte, what it is (ISO 28560-3, the basic block)
    (0, 0, "version and usage"),
    (1, 1, "parts in the item"),
    (2, 2, "which part"),
    (3, 18, "item id"),
    (19, 20, "checksum"),
    (21, 33, "owner"),
)
_KINDS: tuple[tuple[Any, str], ...] = (
    (SimReader | SimPad3M | SimBreakout, "reader"),
    (SimScanner | SimSerialScanner, "scanner"),
    (SimPrinter | SimPaperPrinter, "printer"),
    (SimOutput, "output"),
    (SimInput, "input"),
)


def look_at_thing(world: World, key: str) -> dict[str, Any]:
    """Return what the tag of a book or card holds, as JSON values; raises `WorldError`."""
    with world.lock:
        thing = world.thing(key)
        tag = None if thing.tag is None else _tag(thing.tag)
        return {"key": key, "title": thing.title, "place": thing.place, "tag": tag}


def look_at_station(world: World, station: str) -> dict[str, Any]:
    """Return a station's devices with their last exchanges and levels; raises `WorldError`."""
    known = world.all_kiosks().get(station) or world.gates.get(station)
    if known is None:
        names = ", ".join([*world.all_kiosks(), *world.gates])
        raise WorldError(f"{station!r}: no such station; there are {names}")
    with world.lock:
        world.settle()
        now_ms = world.clock.now_ms()
        devices = [_device(world, device, now_ms) for device in known.devices().values()]
        return {"station": station, "label": known.label, "devices": devices}


def _tag(tag: SimTag) -> dict[str, Any]:
    content, problem = _content(tag)
    return {
        "uid": tag.uid,
        "model": tag.model.name,
        "security": tag.security.value,
        "afi": f"{tag.afi:02X}" if tag.technology == ISO15693 else None,
        "afi_locked": tag.afi_locked,
        "dsfid": f"{tag.dsfid:02X}" if tag.technology == ISO15693 else None,
        "eas": tag.eas,
        "content": content,
        "problem": problem,
        "blocks": _blocks(tag, is_basic=content is not None),
        "history": list(tag.history)[-HISTORY_MAX:],
    }


def _content(tag: SimTag) -> tuple[dict[str, Any] | None, str | None]:
    memory = bytes(tag.memory)
    if tag_data.is_blank(memory):
        return None, "Nothing was ever written here."
    try:
        content = tag_data.decode(memory)
    except tag_data.TagDataInvalid as error:
        return None, str(error)
    said = {
        "item id": content.pii,
        "owner": content.owner,
        "part": f"{content.part} of {content.parts}",
        "usage": content.usage,
        "format": content.format,
        "odd": ", ".join(content.flags),
    }
    return said, None


def _blocks(tag: SimTag, *, is_basic: bool) -> list[dict[str, Any]]:
    fields = (
        list(_BASIC_BLOCK)
        if is_basic and tag_data.decode(bytes(tag.memory)).format == tag_data.FORMAT
        else []
    )
    if tag.technology != ISO15693:
        fields.append((tag_data.SECURITY_OFFSET, tag_data.SECURITY_OFFSET, "security"))
    blocks = []
    for at in range(0, len(tag.memory), BLOCK_BYTES):
        raw = bytes(tag.memory[at : at + BLOCK_BYTES])
        says = [what for first, last, what in fields if first < at + BLOCK_BYTES and last >= at]
        number = at // BLOCK_BYTES
        blocks.append(
            {
                "n": number,
                "hex": raw.hex(" "),
                "text": "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in raw),
                "says": ", ".join(says),
                "locked": number in tag.locked_blocks,
            }
        )
    return blocks


def _device(world: World, device: Device, now_ms: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": device.name,
        "kind": next(word for kind, word in _KINDS if isinstance(device, kind)),
        "fault": device.fault if isinstance(device, Faulty) else None,
        "faults": sorted(device.faults_known) if isinstance(device, Faulty) else [],
        "lines": _lines(world, device, now_ms),
    }
    if isinstance(device, SimOutput | SimInput):
        level = device.state if isinstance(device, SimOutput) else device.read()
        changes = list(device.history)[-CHANGES_MAX:]
        shown["level"] = level
        shown["changes"] = [[now_ms - at_ms, state] for at_ms, state in changes]
    return shown


def _lines(world: World, device: Device, now_ms: int) -> list[dict[str, Any]]:
    """Return the last exchanges with a device, oldest first."""
    if isinstance(device, SimBreakout):
        return _chip_lines(device, now_ms)
    bus = world.buses.get(device.name)
    return [
        {"ago_ms": now_ms - line.at_ms, "text": line.text, "count": line.count}
        for line in (bus.lines if bus else [])
    ]


def _chip_lines(chip: SimBreakout, now_ms: int) -> list[dict[str, Any]]:
    """Return what was last on the bus and in the air of a chip, in the order it was."""
    with chip.field.lock:
        bus = [(one.at_ns, describe(one)) for one in list(chip.history)[-TRANSFERS_MAX:]]
        air = [
            (one.at_ns, f"air: {describe_air(one)}")
            for one in list(chip.field.air)[-TRANSFERS_MAX:]
        ]
    since_ns = bus[0][0] if bus else 0
    lines = sorted(line for line in [*bus, *air] if line[0] >= since_ns)
    return [
        {"ago_ms": now_ms - at_ns // 1_000_000, "text": text, "count": 1} for at_ns, text in lines
    ]


def paper(world: World, station: str) -> bytes:
    """Return the last slip of a wired kiosk's printer as a PNG; raises `WorldError`."""
    kiosk = world.wired_kiosks.get(station)
    if kiosk is None or not kiosk.printer.slips:
        raise WorldError(f"{station!r}: no printer here has printed a slip")
    png = io.BytesIO()
    picture_of(kiosk.printer.slips[-1]).save(png, "PNG")
    return png.getvalue()
