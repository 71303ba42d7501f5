"""The body of a fact: what its author writes once and nobody ever serialises again.

A body is kept, hashed and sent as the bytes its author wrote. Reading one checks every field
we know by name and keeps every field we do not: a newer station may say more than we
understand. An unknown kind is no error here; the gateway parks it and tries again later.
"""

from circulation.wire.check import (
    Flag,
    Hex,
    Integer,
    ListOf,
    Name,
    Text,
    Word,
    text_fault,
    tree_fault,
)
from circulation.wire.errors import FactInvalid, MessageInvalid
from circulation.wire.limits import (
    BODY_BYTES_MAX,
    BODY_DEPTH_MAX,
    INTEGER_MAX,
    SAW_MAX,
    VERSION,
)
from circulation.wire.text import read_json_object, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circulation.wire.check import Check

_ID = Hex(16)
_UID = Hex(2, 32)  # 4 to 10 bytes for cards and books, 12 to 16 for an EPC
_COUNT = Integer()
_SIGNED = Integer(-INTEGER_MAX)
_REACH = Integer(0, 3)
_ORDINAL = Integer(0, 255)  # ISO 28560-3: one byte
_ORDINALS = ListOf(_ORDINAL, 255)

REQUIRED = ("id", "kind", "boot", "mono")

# Every field that is known by name. All but the required ones may be missing or null.
FIELDS: "dict[str, Check]" = {
    "v": Integer(1),
    "id": _ID,
    "kind": Word(),
    "boot": Hex(8),
    "mono": _COUNT,
    "wall": _SIGNED,
    "sure": Flag(),
    "saw": ListOf(_ID, SAW_MAX),
    "item": _ID,
    "uids": ListOf(_UID, 64),
    "barcode": Text(64),
    "owner": Text(32),
    "patron": Hex(64),
    "due_at": _SIGNED,
    "policy": _COUNT,
    "overridden": ListOf(Word(), 32),
    "loan": _ID,
    "reach": _REACH,
    "room": Name(),
    "site": Name(),
    "category": Text(64),
    "class": Text(64),
    "session": Hex(8),
    "place": Text(64),
    "part": _ORDINAL,
    "parts_read": _ORDINALS,
    "parts_total": _ORDINAL,
    "unsecured": Flag(),
    "state": Word(),
    "amount_cents": _SIGNED,
    "entry": Text(128),
    "mono_sent": _COUNT,
    "mono_received": _COUNT,
    "gateway_now": _SIGNED,
    "first": _COUNT,
    "last": _COUNT,
    "alarm": _ID,
    "gate": Name(),
    "lane": Text(32),
    "direction": Word(),
    "row": Integer(0, 6),
    "latency_ms": _COUNT,
    "uid": _UID,
    "title": Text(400),
    "from": _SIGNED,
    "until": _SIGNED,
    "in": _COUNT,
    "out": _COUNT,
    "wanted": Word(),
    "hold": _ID,
    "pickup": Text(64),
    "card": Hex(2, 64),
}


def encode_body(fields: "dict[str, object]") -> bytes:
    """Return the body of a new fact; `v` is added. Raise FactInvalid before writing nonsense."""
    body: dict[str, object] = {"v": VERSION}
    body.update(fields)
    _check(body)
    encoded = write_json(body)
    check_size(encoded)
    return encoded


def decode_body(body: bytes) -> "dict[str, object]":
    """Return the fields of a body, unknown ones included; raise FactInvalid."""
    check_size(body)
    reason = ""
    fields: dict[str, object] = {}
    try:
        fields = read_json_object(body, "fact")
    except MessageInvalid as error:
        reason = str(error)
    if reason:
        raise FactInvalid(reason)
    _check(fields)
    return fields


def check_size(body: bytes) -> None:
    """Raise FactInvalid for a body that no message could carry."""
    if len(body) > BODY_BYTES_MAX:
        raise FactInvalid(f"fact: {len(body)} bytes; at most {BODY_BYTES_MAX} are allowed")


def _check(fields: "dict[str, object]") -> None:
    for name in REQUIRED:
        if fields.get(name) is None:
            raise FactInvalid(f"fact: field {name} is missing")
    for name, value in fields.items():
        if value is None:
            continue
        # A known field's check looks at all of it; only what is unknown is searched as a tree.
        check = FIELDS.get(name)
        fault = check(value) if check is not None else _unknown_fault(name, value)
        if fault is not None:
            shown = repr(name)[:40]  # it may hold anything
            raise FactInvalid(f"fact: field {shown if check is None else name} {fault}")


def _unknown_fault(name: object, value: object) -> "str | None":
    if not isinstance(name, str):
        return "must have a text as its name"
    return text_fault(name) or tree_fault(value, BODY_DEPTH_MAX - 1)
