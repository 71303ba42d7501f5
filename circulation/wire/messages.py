"""Every message that crosses MQTT: its fields, its checks, its bytes.

Each message is a namedtuple with a `SHAPE`: the JSON names of its fields, in the tuple's own
order, each with the check its value must pass. `encode` and `decode` know nothing but shapes.
Unknown fields are ignored, so a newer peer may say more. A field that is missing, null where
it must not be, or wrong makes MessageInvalid, which names it; nothing is half read.

Namedtuples of different types with equal values are equal on both Pythons: dispatch on the
type first.
"""

from circulation.wire.check import ListOf, OneOf, Optional, Record, Sequence
from circulation.wire.errors import MessageInvalid
from circulation.wire.from_gateway import (
    Ack,
    Applied,
    Change,
    Chunk,
    Command,
    Config,
    Fork,
    GatewayStatus,
    Head,
    Nack,
    Offer,
    Pointer,
    TimeReply,
)
from circulation.wire.from_site import SiteAlarm, SiteAsk, SiteLoan
from circulation.wire.from_station import Journal, Request, Status, Telemetry
from circulation.wire.limits import GATE_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, VERSION
from circulation.wire.mac import mac, verify
from circulation.wire.shapes import KEY, REACH
from circulation.wire.text import read_json_object, write_json
from circulation.wire.topics import MAY_LEAVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Ack",
    "Applied",
    "Change",
    "Chunk",
    "Command",
    "Config",
    "Fork",
    "GatewayStatus",
    "Head",
    "Journal",
    "Nack",
    "Offer",
    "Pointer",
    "Request",
    "SiteAlarm",
    "SiteAsk",
    "SiteLoan",
    "Status",
    "Telemetry",
    "TimeReply",
    "decode",
    "decode_reply",
    "encode",
    "is_sealed",
    "remember_in",
    "sealed",
]

DOCUMENT_ENTRIES_MAX = 64
DOCUMENT_KEY_CHARS_MAX = 64
_MAY_LEAVE_ROW = Sequence(OneOf("k", "u"), KEY, REACH)


def _document(value: object) -> "str | None":
    """Check the size of what the message's shape has looked at already: its texts are clean, and
    whole trees are the dearest checks."""
    if not isinstance(value, dict):
        return "must be an object"
    if len(value) > DOCUMENT_ENTRIES_MAX:
        return f"must have at most {DOCUMENT_ENTRIES_MAX} entries"
    for key in value:
        if not 1 <= len(key) <= DOCUMENT_KEY_CHARS_MAX:
            return f"entry {repr(key)[:40]} must have 1 to {DOCUMENT_KEY_CHARS_MAX} characters"
    return None


_ROW = Record(key=KEY, doc=Optional(_document))

REPLIES = (Ack, Nack, Fork, TimeReply, Chunk, Command, Change, Pointer)
_BY_REPLY = {reply.REPLY: reply for reply in REPLIES}

_memory: "dict[Any, Any] | None" = None


def remember_in(memory: "dict[Any, Any] | None") -> "dict[Any, Any] | None":
    """Keep there what was decoded and whose mac was looked at; return what it was kept in before.

    For a process in which many stations hear the same bytes, as a simulated fleet: what they say
    is a function of the bytes. Whoever decodes must change nothing in a message, since the next
    one gets the same; how much is kept is the memory's affair. None, as at start: nowhere.
    """
    global _memory
    before, _memory = _memory, memory
    return before


def encode(message: "Any") -> bytes:
    """Return the message's bytes; raise MessageInvalid rather than send what nobody may read."""
    fields: dict[str, object] = {"v": VERSION}
    reply = getattr(message, "REPLY", None)
    if reply is not None:
        fields["reply"] = reply
    for (name, _), value in zip(message.SHAPE, message):  # noqa: B905 (equal by construction)
        if value is not None:
            fields[name] = value
    _checked(type(message), fields)
    payload = write_json(fields)
    _refuse_size(message, len(payload))
    return payload


def decode(cls: "Any", payload: bytes) -> "Any":
    """Return the message of type cls in the payload; raise MessageInvalid naming the field."""
    if _memory is None:
        return _decoded(cls, _envelope(cls.__name__, payload), len(payload))
    place = (cls, payload)
    message = _memory.get(place)
    if message is None:
        message = _decoded(cls, _envelope(cls.__name__, payload), len(payload))
        _memory[place] = message
    return message


def decode_reply(payload: bytes) -> "Any":
    """Return the Ack, Nack, Fork, TimeReply, Chunk, Command, Change or Pointer of a reply."""
    fields = _envelope("reply", payload)
    name = fields.get("reply")
    cls = _BY_REPLY.get(name) if isinstance(name, str) else None
    if cls is None:
        raise MessageInvalid("reply: field reply must be one of " + ", ".join(sorted(_BY_REPLY)))
    return _decoded(cls, fields, len(payload))


def sealed(message: "Any", key: bytes) -> "Any":
    """Return the message with its mac, its last field, made with the key."""
    made = type(message)(*_signed(message), mac(key, _named(message)))
    if _memory is not None:
        _memory[made.mac, type(made), key] = made
    return made


def is_sealed(message: "Any", key: bytes) -> bool:
    """Return whether the message's mac was made with the key, over exactly these values."""
    if _memory is None:
        return verify(key, _named(message), message.mac)
    place = (id(message), key)
    found = _memory.get(place)
    if found is None or found[0] is not message:  # the memory holds it, so its id stays its own
        made = _memory.get((message.mac, type(message), key))
        holds = made == message or verify(key, _named(message), message.mac)
        found = _memory[place] = (message, holds)
    return bool(found[1])


def _signed(message: "Any") -> "list[object]":
    return list(message)[:-1]


def _named(message: "Any") -> "list[object]":
    # The type's name is signed too: a Change must not pass for an answer of another shape.
    return [type(message).__name__, _signed(message)]


def _envelope(what: str, payload: bytes) -> "dict[str, object]":
    if len(payload) > MESSAGE_BYTES_MAX:
        raise MessageInvalid(f"{what}: {len(payload)} bytes; at most {MESSAGE_BYTES_MAX}")
    fields = read_json_object(payload, what)
    if fields.get("v") != VERSION or isinstance(fields.get("v"), bool):
        raise MessageInvalid(f"{what}: field v must be {VERSION}")
    return fields


def _decoded(cls: "Any", fields: "dict[str, object]", size: int) -> "Any":
    message = cls(*_checked(cls, fields))
    _refuse_size(message, size)
    return message


def _checked(cls: "Any", fields: "dict[str, object]") -> "list[object]":
    """Return the values of a message's fields in their order, each of them fit."""
    values = []
    for name, check in cls.SHAPE:
        value = fields.get(name)
        fault = check(value)
        if fault is not None:
            state = "is missing and " if name not in fields else ""
            raise MessageInvalid(f"{cls.__name__}: field {name} {state}{fault}")
        values.append(value)
    if cls is Change:
        _check_changes(fields)
    if cls is Journal:
        _check_batch(fields)
    return values


def _check_changes(fields: "Any") -> None:
    check = _MAY_LEAVE_ROW if fields["kind"] == MAY_LEAVE else _ROW
    fault = ListOf(check)(fields["changes"])
    if fault is not None:
        raise MessageInvalid(f"Change: field changes {fault}")
    if fields["to"] <= fields["from"]:
        raise MessageInvalid("Change: field to must be greater than from")


def _check_batch(fields: "Any") -> None:
    rows = len(fields["events"])
    if (rows > 0) == (fields.get("raw") is not None):
        raise MessageInvalid("Journal: must have either events or raw")
    indices = [str(index) for index in range(max(rows, 1))]
    for index in fields["patrons"]:
        if index not in indices:
            raise MessageInvalid("Journal: field patrons names a row that is not there")
    lost = fields.get("lost")
    if lost is not None and not (lost[0] <= lost[1] == fields["seq0"] - 1):
        raise MessageInvalid("Journal: field lost must end directly before seq0")


def _refuse_size(message: "Any", size: int) -> None:
    limit = message.BYTES_MAX
    if isinstance(message, Change) and message.kind == MAY_LEAVE:
        limit = GATE_MESSAGE_BYTES_MAX
    if size > limit:
        raise MessageInvalid(f"{type(message).__name__}: {size} bytes; at most {limit}")
