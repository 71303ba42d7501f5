"""A fact with every field typed: what the wire's body becomes once it has a position.

A body is checked by `circulation.wire.fact.decode_body` and by nothing else; a `Fact` is made
from what that returned, so nothing here is checked a second time. The patron of a fact is the
patron id that travels beside the body; once retention has taken that away, it is the salted
hash inside the body, which still tells two loans of one reader from nobody's, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ClockSample:
    """What one question to the gateway's clock brought home.

    The gateway read `gateway_now` at some instant between the station's monotonic
    `mono_sent` and `mono_received`, all in milliseconds.
    """

    mono_sent: int
    mono_received: int
    gateway_now: int


class Fact(NamedTuple):
    """What happened at a station, written once; its position is (station, epoch_n, seq).

    A named tuple, because the gateway makes one for every fact it is sent, and a frozen
    dataclass of so many fields takes four times as long to make (8 instead of 2 us, Python
    3.11). `fields` is left out when two are compared or shown, since the others follow from it.

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
    fields: Mapping[str, Any] = _NOTHING

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a fact that says the same at the same place."""
        return isinstance(other, Fact) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:
        """Return whether it is not; a tuple would answer for itself."""
        return not self == other

    def __hash__(self) -> int:
        """Return a number that equal facts share."""
        return hash(self[:-1])

    def __repr__(self) -> str:
        """Return what it says, name by name."""
        said = zip(self._fields[:-1], self[:-1], strict=True)
        return f"Fact({', '.join(f'{name}={value!r}' for name, value in said)})"

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

        body: the fields `decode_body` returned, which nobody changes afterwards. patron: the
        patron id beside the body.
        """
        get = body.get
        hashed, saw, uids = get("patron"), get("saw"), get("uids")
        parts_read, overridden = get("parts_read"), get("overridden")
        return cls(
            body["id"], body["kind"], station, epoch_n, seq, body["boot"], body["mono"],
            get("wall"), bool(get("sure")),
            tuple(saw) if saw else (),
            get("item"),
            tuple(uids) if uids else (),
            get("barcode"), get("owner"),
            patron or hashed,
            hashed is not None and patron is None,
            get("due_at"), get("policy"),
            tuple(overridden) if overridden else (),
            get("loan"), get("reach"), get("room"), get("site"), get("category"), get("class"),
            get("session"), get("place"),
            None if parts_read is None else tuple(parts_read),
            get("parts_total"), get("unsecured"), get("state"), get("amount_cents"),
            get("entry"), get("hold"), get("pickup"), get("wanted"),
            _clock_sample(body),
            MappingProxyType(body),
        )  # fmt: skip


def _clock_sample(body: Mapping[str, Any]) -> ClockSample | None:
    """Return the sample of a clock fact that makes sense, else None."""
    gateway_now = body.get("gateway_now")
    if gateway_now is None:
        return None
    sent, received = body.get("mono_sent"), body.get("mono_received")
    if sent is None or received is None or received < sent:
        return None
    return ClockSample(sent, received, gateway_now)
