"""What the stations of one building tell each other while the gateway is away."""

from collections import namedtuple

from circulation.wire.check import Hex, Integer, ListOf, OneOf, Optional, Text, Word
from circulation.wire.limits import GATE_MESSAGE_BYTES_MAX, TITLE_CHARS_MAX
from circulation.wire.shapes import COUNT, ID, MAC, NUMBER, REACH, SIGNED, STATION, UIDS


class SiteLoan(
    namedtuple(
        "SiteLoan",
        [
            "station",
            "epoch",
            "seq",
            "item",
            "uids",
            "state",
            "reach",
            "saw",
            "fact",
            "wall",
            "barcode",
            "mac",
        ],
    )
):
    """What a kiosk tells the gates of its building. epoch: the number of the station's epoch.

    state: on (may leave as far as reach), off, off_unsecured (back, but its tag still opens
    the gate, or lent no farther than reach). item: an item id, or None while only UIDs are known.
    fact: id of the fact. barcode: what its tag says it is, for a gate that meets a tag whose UID
    nobody knows; None if unknown.
    """

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("station", STATION),
        ("epoch", NUMBER),
        ("seq", NUMBER),
        ("item", Optional(ID)),
        ("uids", UIDS),
        ("state", OneOf("on", "off", "off_unsecured")),
        ("reach", REACH),
        ("saw", ListOf(ID, 64)),
        ("fact", ID),
        ("wall", SIGNED),
        ("barcode", Optional(Text(64, 1))),
        ("mac", MAC),
    )


class SiteAsk(namedtuple("SiteAsk", ["station", "kind", "lineage", "version", "mac"])):
    """A station that connected: tell me what this list of mine does not have yet."""

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("station", STATION),
        ("kind", Word()),
        ("lineage", Optional(ID)),
        ("version", COUNT),
        ("mac", MAC),
    )


class SiteAlarm(
    namedtuple(
        "SiteAlarm",
        [
            "station",
            "alarm",
            "gate",
            "lane",
            "direction",
            "row",
            "uid",
            "item",
            "title",
            "shelf_mark",
            "latency_ms",
            "answers",
            "mac",
        ],
    )
):
    """A gate's alarm (answers None), or a kiosk's answer to one, with title and shelf mark."""

    BYTES_MAX = GATE_MESSAGE_BYTES_MAX
    SHAPE = (
        ("station", STATION),
        ("alarm", ID),
        ("gate", STATION),
        ("lane", Text(32)),
        ("direction", Word()),
        ("row", Integer(0, 6)),
        ("uid", Optional(Hex(2, 32))),
        ("item", Optional(ID)),
        ("title", Optional(Text(TITLE_CHARS_MAX))),
        ("shelf_mark", Optional(Text(64))),
        ("latency_ms", COUNT),
        ("answers", Optional(ID)),
        ("mac", MAC),
    )
