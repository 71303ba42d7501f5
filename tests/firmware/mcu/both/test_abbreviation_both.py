"""Facts written short come back as they were, with plain asserts: the same on both Pythons."""

from circulation.wire.fact import encode_body
from firmware.mcu.abbreviation import abbreviated, spelled_out

ALARM = {
    "id": "0123456789abcdef",
    "kind": "alarm",
    "boot": "01234567",
    "mono": 2_592_000_000,
    "wall": 1_790_000_000_000,
    "sure": True,
    "site": "main-library",
    "gate": "gate-entrance-1",
    "lane": "left",
    "row": 4,
    "direction": "out",
    "uids": ["e004015012345678"],
    "uid": "e004015012345678",
    "item": "0123456789abcdef",
    "barcode": "30112345678901",
    "owner": "DE-MUS-123456",
    "latency_ms": 123,
}


def test_an_alarm_takes_little_more_than_half():
    """What every alarm says again takes a byte each; the alarm is the same afterwards."""
    body = encode_body(ALARM)
    short = abbreviated(body)

    assert len(body) == 349
    assert len(short) < 200
    assert spelled_out(short) == body


def test_any_text_comes_back():
    """Texts of the table within values, beside each other, cut off, in other scripts."""
    for body in (
        b"",
        b"{}",
        b'{"v":1,"id":"{"v":1,"id":","id":",',
        b',"uid":","uids":[",",ui,"by":"',
        '{"title":"Ärger, “so” 本 ,"kind":"}'.encode(),
        bytes(range(0x20, 0x100)),
    ):
        assert spelled_out(abbreviated(body)) == body


def test_bytes_that_stand_for_texts_stay_as_they_are():
    """A body with a control character is not written short."""
    for code in range(0x20):
        assert abbreviated(b'{"v":1,"id":"' + bytes([code])) is None
