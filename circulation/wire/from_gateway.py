"""What the gateway sends: replies to one station, and news for all of them."""

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
    Sequence,
    Text,
    Tree,
    Word,
)
from circulation.wire.limits import (
    CHUNK_BYTES_MAX,
    FORK_HASHES_MAX,
    GATE_MESSAGE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    OFFER_STATIONS_MAX,
    OFFER_WITHIN_MS_MAX,
)
from circulation.wire.shapes import (
    BOOT,
    COUNT,
    HASH,
    ID,
    MAC,
    NUMBER,
    REQUEST_ID,
    SEQ,
    SIGNED,
    STATION,
    VERSIONS,
)

_MARKS = MapOf(STATION, Sequence(NUMBER, SEQ), 1024)


class Ack(namedtuple("Ack", ["epoch", "hw", "hash", "lineage", "credit", "keep_from", "now"])):
    """Applied and committed up to hw, the last row compared, whose hash is `hash`.

    credit: batches that may be under way beyond hw. keep_from: only rows below it may be
    pruned.
    """

    REPLY = "ack"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("epoch", ID),
        ("hw", SEQ),
        ("hash", HASH),
        ("lineage", ID),
        ("credit", Integer(0, 64)),
        ("keep_from", SEQ),
        ("now", SIGNED),
    )


class Nack(namedtuple("Nack", ["epoch", "hw", "why"])):
    """The batch was not applied. For `invalid` epoch and hw are the newest the gateway knows."""

    REPLY = "nack"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (("epoch", ID), ("hw", SEQ), ("why", OneOf("gap", "busy", "invalid")))


class Fork(namedtuple("Fork", ["epoch", "n", "hw", "common", "hashes"])):
    """The station's rows and the gateway's differ after some row.

    n: the highest epoch number the gateway knows of this station. common: the last row known
    to be the same (0: none is). hashes: [seq, hash] pairs of the gateway, newest first, for
    the station to find the last row they share.
    """

    REPLY = "fork"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("epoch", ID),
        ("n", NUMBER),
        ("hw", SEQ),
        ("common", SEQ),
        ("hashes", ListOf(Sequence(SEQ, HASH), FORK_HASHES_MAX)),
    )


class TimeReply(namedtuple("TimeReply", ["id", "mono_sent", "gateway_now"])):
    """The gateway's clock, for the request that carried `mono_sent`."""

    REPLY = "time"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (("id", REQUEST_ID), ("mono_sent", COUNT), ("gateway_now", SIGNED))


class Chunk(namedtuple("Chunk", ["id", "kind", "version", "offset", "data", "last", "sha256"])):
    """A piece of a snapshot. data: base64 of at most 2 KiB. sha256: of the piece, in hex, so
    that one damaged piece is asked for again and not the whole list; None: not said.
    """

    REPLY = "chunk"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("id", REQUEST_ID),
        ("kind", Word()),
        ("version", COUNT),
        ("offset", COUNT),
        ("data", Text(2 * CHUNK_BYTES_MAX)),
        ("last", Flag()),
        ("sha256", Optional(Hex(64))),
    )


class Command(namedtuple("Command", ["n", "op", "args", "mac"])):
    """An order to one station. n rises; a station does nothing whose n it has seen."""

    REPLY = "command"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (("n", NUMBER), ("op", Word()), ("args", MapOf(Word(), Tree(2), 16)), ("mac", MAC))


class Config(namedtuple("Config", ["version", "values"])):
    """The configuration a station should run; it reports the version it does run."""

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (("version", COUNT), ("values", MapOf(Text(64, 1), Tree(3), 128)))


class GatewayStatus(namedtuple("GatewayStatus", ["on", "lineage", "boot"])):
    """Whether the gateway is there: a hint, since it is retained and a will."""

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (("on", Flag()), ("lineage", ID), ("boot", BOOT))


class Head(
    namedtuple("Head", ["lineage", "n", "now", "versions", "stations_known", "recovered", "mac"])
):
    """The gateway's heartbeat. n rises within a lineage, also over restarts."""

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("lineage", ID),
        ("n", NUMBER),
        ("now", SIGNED),
        ("versions", VERSIONS),
        ("stations_known", COUNT),
        ("recovered", Flag()),
        ("mac", MAC),
    )


class Applied(namedtuple("Applied", ["version", "stations", "lineage"])):
    """Facts up to [epoch number, hw] of each station are in version `version` of the list.

    Stations that do not fit one message come in another; none is left out by intent.
    """

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (("version", COUNT), ("stations", _MARKS), ("lineage", ID))


class Pointer(
    namedtuple("Pointer", ["kind", "format", "lineage", "version", "bytes", "sha256", "path"])
):
    """Where the newest snapshot of a list is. Also the answer to `since` when that is too old."""

    REPLY = "pointer"
    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("kind", Word()),
        ("format", Name(32)),
        ("lineage", ID),
        ("version", COUNT),
        ("bytes", COUNT),
        ("sha256", Hex(64)),
        ("path", Text(200, 1)),
    )


class Offer(
    namedtuple(
        "Offer",
        [
            "id",
            "format",
            "version",
            "minimum",
            "base",
            "bytes",
            "sha256",
            "within_ms",
            "only",
            "mac",
        ],
    )
):
    """A new program for one kind of board, to be asked for in chunks of kind `firmware`.

    id: of this offer; the same file offered anew has another. version: 0 if nothing is offered
    any more. minimum, base: as its manifest says, which alone is signed. within_ms: how far the
    boards spread their beginnings. only: the stations it is for; empty for all.
    """

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("id", ID),
        ("format", Name(32)),
        ("version", COUNT),
        ("minimum", COUNT),
        ("base", COUNT),
        ("bytes", COUNT),
        ("sha256", Hex(64)),
        ("within_ms", Integer(0, OFFER_WITHIN_MS_MAX)),
        ("only", ListOf(STATION, OFFER_STATIONS_MAX)),
        ("mac", MAC),
    )


class Change(
    namedtuple("Change", ["kind", "lineage", "from_version", "to_version", "changes", "mac"])
):
    """What happened to a list between two versions. Also the answer to `since`.

    may_leave: ["k", key, reach] and ["u", key, 1 or 0]; else {"key": …, "doc": {…} or null}.
    """

    REPLY = "change"
    BYTES_MAX = MESSAGE_BYTES_MAX
    SHAPE = (
        ("kind", Word()),
        ("lineage", ID),
        ("from", COUNT),
        ("to", COUNT),
        ("changes", ListOf(Tree(5))),
        ("mac", MAC),
    )
