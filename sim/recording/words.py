"""Events of a recording as sentences, for people who look for the difference."""

from typing import Any

from sim.mfrc522.chip import Transfer
from sim.mfrc522.registers import REGISTERS
from sim.mfrc522.trace import describe

TEXT_MAX = 160


def event_words(event: dict[str, Any], end: str = "") -> str:
    """Return an event in words; `end` is what is at the wire's end, from the header."""
    do, wire = event["do"], event["wire"]
    said = _SAID.get(do, _call)(event, end)
    if "error" in event:
        said += f" → {event['error']}: {event.get('message', '')}"
    times = f" ({event['times']} times)" if event.get("times", 1) > 1 else ""
    return _cut(f"{wire}: {said}{times}")


def _transfer(event: dict[str, Any], end: str) -> str:
    sent, got = bytes.fromhex(event.get("out", "")), bytes.fromhex(event.get("in") or "")
    raw = f"{_spaced(sent)} → {_spaced(got)}"
    if end == "mfrc522" and sent:
        if "in" not in event and sent[0] & 0x80:
            registers = ", ".join(REGISTERS[one >> 1 & 0x3F].name for one in sent[:-1])
            return f"{_spaced(sent)}  (read {registers})"
        if "in" not in event:
            return f"{_spaced(sent)}  ({describe(Transfer(0, sent, got))})"
        return f"{raw}  ({describe(Transfer(0, sent, got))})"
    return raw


def _read(event: dict[str, Any], _end: str) -> str:
    if "in" not in event:
        return f"read {event.get('want', 1)}"
    got = event["in"] or ""
    shown = _spaced(bytes.fromhex(got)) if got else "nothing in time"
    return f"read {event.get('want', 1)} → {shown}{_ascii(got)}"


def _write(event: dict[str, Any], _end: str) -> str:
    return f"write {_spaced(bytes.fromhex(event.get('out', '')))}{_ascii(event.get('out', ''))}"


def _message(event: dict[str, Any], _end: str) -> str:
    payload = event.get("text", event.get("hex", ""))
    kept = " retained" if event.get("retained") else ""
    if event["do"] == "deliver" and event.get("event") != "Received":
        return f"{event.get('event')} {event.get('why', '')}".strip()
    arrow = "←" if event["do"] == "deliver" else "→"
    return f"{arrow} {event.get('topic')}{kept} {payload}"


def _call(event: dict[str, Any], _end: str) -> str:
    shown = ", ".join(str(value) for value in event.get("args", ()))
    name = str(event.get("name", ""))
    options = ", ".join(f"{key}={value}" for key, value in event.get("options", {}).items())
    inside = ", ".join(part for part in (name, shown, options) if part)
    return f"{event['do']}({inside})" + (f" → {event['in']}" if "in" in event else "")


_SAID = {
    "transfer": _transfer,
    "read": _read,
    "write": _write,
    "publish": _message,
    "deliver": _message,
}


def _spaced(data: bytes) -> str:
    return data.hex(" ")


def _ascii(in_hex: str) -> str:
    text = bytes.fromhex(in_hex).decode("ascii", "replace")
    shown = text.strip("\r\n\x02\x03")
    return f"  {shown!r}" if len(shown) > 3 and shown.isprintable() else ""


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
