"""The packets of MQTT 3.1.1 (OASIS Standard, 29 October 2014), as a client writes and checks them.

Each function returns a whole packet: what is written at once costs one segment, and five small
writes cost 44 ms beside it (the second waits for the first's delayed acknowledgement).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

CONNACK = 0x20
PUBLISH = 0x30  # and flags in its low four bits
PUBACK = 0x40
SUBACK = 0x90
PINGRESP = 0xD0

PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"

STRING_BYTES_MAX = 65_535
REMAINING_BYTES_MAX = 268_435_455  # 2.2.3: four bytes of seven bits

REFUSED_FILTER = 0x80  # 3.9.3
REFUSALS = (  # 3.2.2.3, the return codes of CONNACK from 1 on
    "it does not speak MQTT 3.1.1",
    "it does not take this client id",
    "its server is unavailable",
    "wrong user name or password",
    "not authorized",
)


def as_bytes(text: "str | bytes") -> bytes:
    """Return the bytes of a text, UTF-8, or the bytes themselves."""
    return text.encode() if isinstance(text, str) else bytes(text)


def checked_topic(topic: "str | bytes") -> bytes:
    """Return the bytes of a topic one may publish to (3.3.2.1); raise ValueError."""
    name = checked_filter(topic)
    if b"+" in name or b"#" in name:
        raise ValueError("a topic to publish to has no wildcard")
    return name


def checked_filter(topic_filter: "str | bytes") -> bytes:
    """Return the bytes of a topic filter, 1 to 65,535 and no NUL (4.7.3); raise ValueError."""
    name = as_bytes(topic_filter)
    if not 0 < len(name) <= STRING_BYTES_MAX or b"\x00" in name:
        raise ValueError("a topic has 1 to 65535 bytes, none of them NUL")
    return name


def packet(first: int, parts: "Sequence[bytes]") -> bytearray:
    """Return the fixed header (2.2), its first byte as given, and the parts after it."""
    remaining = 0
    for part in parts:
        remaining += len(part)
    if remaining > REMAINING_BYTES_MAX:
        raise ValueError("a packet has at most 268435455 bytes")
    header = bytearray((first,))
    left = remaining
    while left > 0x7F:
        header.append(left & 0x7F | 0x80)
        left >>= 7
    header.append(left)
    start = len(header)
    whole = bytearray(start + remaining)
    whole[:start] = header
    for part in parts:
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def connect_packet(
    client_id: bytes,
    *,
    clean: bool,
    keepalive_s: int,
    will: "tuple[bytes, bytes, bool, int] | None",
    login: "tuple[bytes, bytes | None] | None",
) -> bytearray:
    """Return CONNECT (3.1). will: topic, payload, retained, QoS. login: user name, password."""
    flags = 0x02 if clean else 0
    parts = [b""]
    parts.extend(_string(client_id))
    if will is not None:
        topic, payload, retained, qos = will
        flags |= 0x04 | qos << 3 | (0x20 if retained else 0)
        parts.extend(_string(topic))
        parts.extend(_string(payload))
    if login is not None:
        user, password = login
        flags |= 0x80
        parts.extend(_string(user))
        if password is not None:
            flags |= 0x40
            parts.extend(_string(password))
    keepalive = bytes((keepalive_s >> 8, keepalive_s & 0xFF))
    parts[0] = b"\x00\x04MQTT\x04" + bytes((flags,)) + keepalive
    return packet(0x10, parts)


def publish_packet(
    topic: bytes, payload: bytes, *, retained: bool, qos: int, pid: int
) -> bytearray:
    """Return PUBLISH (3.3); at QoS 0 the packet id is not sent."""
    parts = _string(topic)
    if qos:
        parts.append(bytes((pid >> 8, pid & 0xFF)))
    parts.append(payload)
    return packet(PUBLISH | qos << 1 | (1 if retained else 0), parts)


def subscribe_packet(pid: int, filters: "Sequence[tuple[bytes, int]]") -> bytearray:
    """Return SUBSCRIBE (3.8) for one or more filters and the greatest QoS of each."""
    parts = [bytes((pid >> 8, pid & 0xFF))]
    for topic_filter, qos in filters:
        parts.extend(_string(topic_filter))
        parts.append(bytes((qos,)))
    return packet(0x82, parts)


def puback_packet(pid: int) -> bytes:
    """Return PUBACK (3.4)."""
    return bytes((PUBACK, 2, pid >> 8, pid & 0xFF))


def is_utf8(raw: "bytes | bytearray | memoryview") -> bool:
    """Return whether these bytes are a string as MQTT allows it (1.5.3).

    No NUL, no surrogate, no overlong form, nothing beyond U+10FFFF. By hand: the interpreters
    disagree about surrogates and overlong forms.
    """
    at, end = 0, len(raw)
    while at < end:
        lead = raw[at]
        at += 1
        if 0 < lead < 0x80:
            continue
        more = 1 if 0xC2 <= lead < 0xE0 else 2 if 0xE0 <= lead < 0xF0 else 3
        if not 0xC2 <= lead <= 0xF4 or at + more > end:
            return False
        second = raw[at]
        if not _LOWEST.get(lead, 0x80) <= second <= _HIGHEST.get(lead, 0xBF):
            return False
        for place in range(at + 1, at + more):
            if raw[place] & 0xC0 != 0x80:
                return False
        at += more
    return True


# The Unicode Standard, table 3-7: where the second byte's range depends on the first.
_LOWEST = {0xE0: 0xA0, 0xF0: 0x90}
_HIGHEST = {0xED: 0x9F, 0xF4: 0x8F}


def _string(raw: bytes) -> "list[bytes]":
    if len(raw) > STRING_BYTES_MAX:
        raise ValueError("a string of MQTT has at most 65535 bytes")
    return [bytes((len(raw) >> 8, len(raw) & 0xFF)), raw]
