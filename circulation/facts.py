"""A fact with every field typed: what the wire's body becomes once it has a position.

A body is checked by `circulation.wire.fact.decode_body` and by nothing else; a `Fact` is made
from what that returned, so nothing here is checked a second time. The patron of a fact is the
patron id that travels beside the body; once retention has taken that away, it is the salted
hash inside the body, which still tells two loans of one reader from nobody's, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_SAME_NAME = frozenset(
    {
        "loan",
        "reach",
        "room",
        "site",
        "category",
        "session",
        "place",
        "parts_total",
        "unsecured",
        "state",
        "amount_cents",
        "entry",
        "hold",
        "pickup",
        "wanted",
    }
)


@dataclass(frozen=True, slots=True)
class ClockSample:
    """What one question to the gateway's clock brought home.

    The gateway read `gateway_now` at some instant between the station's monotonic
    `mono_sent` and `mono_received`, all in milliseconds.
    """

    mono_sent: int
    mono_received: int
    gateway_now: int


@dataclass(frozen=True, slots=True)
class Fact:
    """What happened at a station, written once; its position is (station, epoch_n, seq).

    group: the patron's class as of then. parts_read is None where nobody looked at parts.
    blanked: retention has removed who the reader was. fields: the whole body, for what is
    read in one place only.
    """

    id: str
    kind: str
    station: str
    epoch_n: int
    seq: int
    boot: str
    mono_ms: int
    wall_ms: int | None = None
    sure: bool = False
    saw: tuple[str, ...] = ()
    item_id: str | None = None
    uids: tuple[str, ...] = ()
    barcode: str | None = None
    owner: str | None = None
    patron: str | None = None
    blanked: bool = False
    due_at: int | None = None
    policy_version: int | None = None
    overridden: tuple[str, ...] = ()
    loan: str | None = None
    reach: int | None = None
    room: str | None = None
    site: str | None = None
    category: str | None = None
    group: str | None = None
    session: str | None = None
    place: str | None = None
    parts_read: tuple[int, ...] | None = None
    parts_total: int | None = None
    unsecured: bool | None = None
    state: str | None = None
    amount_cents: int | None = None
    entry: str | None = None
    hold: str | None = None
    pickup: str | None = None
    wanted: str | None = None
    clock: ClockSample | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_row(
        cls,
        station: str,
        epoch_n: int,
        seq: int,
        body: Mapping[str, Any],
        patron: str | None = None,
    ) -> "Fact":
        """Return the fact of a journal's row.

        body: the fields `decode_body` returned. patron: the patron id beside the body.
        """
        get = body.get
        hashed, parts_read, saw, uids = get("patron"), get("parts_read"), get("saw"), get("uids")
        overridden = get("overridden")
        return cls(
            body["id"],
            body["kind"],
            station,
            epoch_n,
            seq,
            body["boot"],
            body["mono"],
            get("wall"),
            bool(get("sure")),
            tuple(saw) if saw else (),
            get("item"),
            tuple(uids) if uids else (),
            get("barcode"),
            get("owner"),
            patron or hashed,
            hashed is not None and patron is None,
            get("due_at"),
            get("policy"),
            tuple(overridden) if overridden else (),
            parts_read=None if parts_read is None else tuple(parts_read),
            clock=_clock_sample(body),
            group=get("class"),
            fields=MappingProxyType(dict(body)),
            **{name: body[name] for name in _SAME_NAME & body.keys()},
        )


def _clock_sample(body: Mapping[str, Any]) -> ClockSample | None:
    """Return the sample of a clock fact that makes sense, else None."""
    sent, received = body.get("mono_sent"), body.get("mono_received")
    gateway_now = body.get("gateway_now")
    if sent is None or received is None or gateway_now is None or received < sent:
        return None
    return ClockSample(sent, received, gateway_now)
