"""Who may fetch lists: a name and a password made of the site's key."""

import base64

import pytest

from circulation.credentials import HEADER_CHARS_MAX, authorization, list_password, named_in

KEY = bytes(range(16))


def test_a_password_is_of_one_key_one_library_and_one_station():
    """Whoever has one of them has none of the others; the key is nowhere in it."""
    own = list_password(KEY, "school", "kiosk-1")
    others = {
        list_password(bytes(16), "school", "kiosk-1"),
        list_password(KEY, "city", "kiosk-1"),
        list_password(KEY, "school", "kiosk-2"),
        list_password(KEY, "schoolk", "iosk-1"),
    }

    assert own == "78291b4e4f8c98baa04d8f34605a0765935e719a6285387fa32aa74620f9931f"
    assert len(others | {own}) == 5
    assert KEY.hex() not in own


def test_what_a_station_says_is_understood():
    """The header goes there and back."""
    said = authorization(KEY, "school", "kiosk-1")

    assert named_in(said) == ("kiosk-1", list_password(KEY, "school", "kiosk-1"))
    assert named_in(said.replace("Basic", "basic")) is not None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Bearer a2lvc2stMTp4",
        "Basic not base64",
        "Basic " + base64.b64encode(b"kiosk-1").decode(),
        "Basic " + base64.b64encode(b"\xff:\xfe").decode(),
        "Basic " + base64.b64encode(b"a:" + b"b" * HEADER_CHARS_MAX).decode(),
    ],
)
def test_anything_else_names_nobody(header):
    """Another scheme, damaged base64, no colon, no UTF-8, too long."""
    assert named_in(header) is None
