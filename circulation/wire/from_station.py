"""What a station sends to the gateway: its birth, its facts, its questions."""

from collections import namedtuple

from circulation.wire.check import (
    Flag,
    Hex,
    Integer,
    ListOf,
    MapOf,
    Name,
    OneOf,
    Optional,
    Record,
    Sequence,
    Text,
    Word,
)
from circulation.wire.limits import (
    BATCH_FACTS_MAX,
    BODY_BYTES_MAX,
    CHUNK_BYTES_MAX,
    GATE_MESSAGE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
)
from circulation.wire.shapes import (
    BOOT,
    COUNT,
    HASH,
    ID,
    NUMBER,
    REQUEST_ID,
    SEQ,
    SIGNED,
    STATION,
    VERSIONS,
)

_PARENT = Optional(Record(n=NUMBER, epoch=ID, seq=SEQ, hash=HASH))
_CLOCK = Record(mono=COUNT, wall=SIGNED, sure=Flag(), boot=BOOT)
_PATRONS = MapOf(Text(2, 1), Sequence(Hex(32), Text(64, 1)), BATCH_FACTS_MAX)
# base64 is a third longer than the body, which itself may be too long to be a fact.
_RAW = Optional(Text(2 * BODY_BYTES_MAX, 1))


class Status(
    namedtuple(
        "Status",
        [
            "station",
            "on",
            "boot",
            "epoch",
            "n",
            "seq_last",
            "acked",
            "versions",
            "lineage",
            "firmware",
            "clock",
            "role",
            "site",
            "config_version",
            "name",
            "list_state",
            "waiting_since_wall",
        ],
    )
):
    """A station's birth, or with on=False its last will. Retained; never proof of contact.

    versions: of each list the station holds. lineage: of those lists and of `acked`, or None.
    """

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("station", STATION),
        ("on", Flag()),
        ("boot", BOOT),
        ("epoch", ID),
        ("n", NUMBER),
        ("seq_last", SEQ),
        ("acked", SEQ),
        ("versions", VERSIONS),
        ("lineage", Optional(ID)),
        ("firmware", Text(64)),
        ("clock", OneOf("sure", "unsure")),
        ("role", OneOf("kiosk", "gate", "desk")),
        ("site", STATION),
        ("config_version", COUNT),
        ("name", Text(64)),
        ("list_state", Optional(OneOf("FRESH", "STALE", "BLIND"))),
        ("waiting_since_wall", Optional(SIGNED)),
    )


class Journal(
    namedtuple(
        "Journal",
        [
            "epoch",
            "n",
            "parent",
            "seq0",
            "prev_hash",
            "clock",
            "events",
            "patrons",
            "raw",
            "lost",
        ],
    )
):
    """A batch of facts: the bodies of rows seq0, seq0 + 1, … as texts, unchanged.

    parent: where the epoch began, or None for a station's first. prev_hash: of row seq0 - 1.
    patrons: index into events, as text, to [salt hex, patron id]. raw: base64 of the one row
    that cannot be said as a text; then events is empty. lost: [first, last] of the rows
    directly before seq0 that no longer exist, or None.
    """

    BYTES_MAX = MESSAGE_BYTES_MAX
    SHAPE = (
        ("epoch", ID),
        ("n", NUMBER),
        ("parent", _PARENT),
        ("seq0", NUMBER),
        ("prev_hash", HASH),
        ("clock", _CLOCK),
        ("events", ListOf(Text(BODY_BYTES_MAX), BATCH_FACTS_MAX)),
        ("patrons", _PATRONS),
        ("raw", _RAW),
        ("lost", Optional(Sequence(NUMBER, NUMBER))),
    )


class Request(
    namedtuple(
        "Request",
        ["id", "op", "mono_sent", "kind", "version", "lineage", "offset", "count", "format"],
    )
):
    """A station's question. time and hw need no more; since: kind, version, lineage; chunk:
    kind, version, lineage, offset, count.

    A `since` without lineage asks for a whole list, newer than version if there is one. format:
    of whole lists, where a kind has several; None is the one that every library has.
    """

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("id", REQUEST_ID),
        ("op", OneOf("time", "since", "chunk", "hw")),
        ("mono_sent", COUNT),
        ("kind", Optional(Word())),
        ("version", Optional(COUNT)),
        ("lineage", Optional(ID)),
        ("offset", Optional(COUNT)),
        ("count", Optional(Integer(1, CHUNK_BYTES_MAX))),
        ("format", Optional(Name(32))),
    )


class Telemetry(
    namedtuple(
        "Telemetry",
        [
            "depth",
            "oldest_wall",
            "disk_free",
            "temperature",
            "reader_errors",
            "health",
            "overlay",
        ],
    )
):
    """How a station feels. temperature: millidegrees Celsius. disk_free: bytes."""

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("depth", COUNT),
        ("oldest_wall", Optional(SIGNED)),
        ("disk_free", Optional(COUNT)),
        ("temperature", Optional(SIGNED)),
        ("reader_errors", COUNT),
        ("health", MapOf(Text(32, 1), Text(120), 32)),
        ("overlay", Optional(COUNT)),
    )
