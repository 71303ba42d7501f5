"""Hashes and macs: the same bytes as independent implementations make."""

import hashlib
import hmac

import pytest

from circulation.wire.chain import chain_hash, chain_start, patron_hash
from circulation.wire.mac import hmac_sha256, mac, verify

KEY = bytes(range(16))


def test_an_epoch_starts_with_the_hash_of_its_name():
    """Every epoch has its own first hash, so rows of two epochs never match by accident."""
    start = chain_start("00112233445566aa")

    assert start.hex() == "86256ec6bbb864d632bccf6ccf4d735d"
    assert start == hashlib.sha256(b"lendgate epoch00112233445566aa").digest()[:16]
    assert start != chain_start("00112233445566ab")


def test_a_rows_hash_covers_what_came_before_its_place_and_its_body():
    """Another predecessor, another place or another body gives another hash."""
    row = chain_hash(bytes(16), 1, b"body")

    inner = hashlib.sha256(b"body").digest()
    assert row == hashlib.sha256(bytes(16) + b"\0\0\0\0\0\0\0\1" + inner).digest()[:16]
    assert chain_hash(chain_start("00112233445566aa"), 1, b'{"a":1}').hex() == (
        "659389b2e8d2512e0df6bd8bd7655ee5"
    )
    assert row != chain_hash(bytes([1]) + bytes(15), 1, b"body")
    assert row != chain_hash(bytes(16), 2, b"body")
    assert row != chain_hash(bytes(16), 1, b"bodz")


def test_a_patron_is_named_by_a_salted_hash():
    """Two facts of one reader cannot be linked without their salts."""
    named = patron_hash(bytes(16), "00aa")

    assert named == hashlib.sha256(bytes(16) + b"00aa").hexdigest()
    assert named != patron_hash(bytes(15) + b"\1", "00aa")


@pytest.mark.parametrize("length", [0, 1, 16, 63, 64, 65, 200])
def test_our_hmac_equals_the_one_of_the_standard_library(length):
    """A microcontroller without `hmac` makes the same macs as everybody else."""
    key = bytes(index % 251 for index in range(length))

    assert hmac_sha256(key, b"message") == hmac.digest(key, b"message", "sha256")


def test_fields_do_not_run_into_each_other():
    """Moving a letter from one field to the next gives another mac."""
    macs = {
        mac(KEY, fields)
        for fields in (
            ["ab", "c"],
            ["a", "bc"],
            ["abc"],
            [["ab", "c"]],
            ["1"],
            [1],
            [True],
            [None],
            [""],
            [],
            [{"a": 1}],
            [["a", 1]],
        )
    }

    assert len(macs) == 12


def test_a_mac_keeps_its_value():
    """Stations of different ages agree: this value was made once and must never change."""
    fields = ["SiteLoan", ["kiosk-1", 1, None, True, ["e004"], {"b": 2, "a": 1}]]

    assert mac(KEY, fields) == "42f4bdc1db0a64461d511ee3a4ad093a"


def test_the_order_of_an_objects_keys_does_not_matter():
    """The two Pythons keep keys in different orders, and still sign alike."""
    assert mac(KEY, [{"a": 1, "b": 2}]) == mac(KEY, [{"b": 2, "a": 1}])


@pytest.mark.parametrize("claimed", [None, 7, "", "ff", "0" * 32])
def test_a_wrong_mac_is_refused_whatever_it_is(claimed):
    """Only the exact digits pass; a missing mac is a wrong one."""
    assert not verify(KEY, ["a"], claimed)


def test_the_right_mac_passes_and_only_with_its_key():
    """What one station signed with the site's key another can check with it."""
    claimed = mac(KEY, ["a", 1])

    assert verify(KEY, ["a", 1], claimed)
    assert not verify(KEY[::-1], ["a", 1], claimed)


def test_what_has_no_defined_bytes_cannot_be_signed():
    """A float in a signed message is our own mistake, and is said aloud."""
    with pytest.raises(TypeError, match="cannot sign a float"):
        mac(KEY, [1.5])


def test_every_sort_of_value_keeps_its_mac_wherever_it_stands():
    """Flags, nothing, negative and long numbers, letters of all lands, empty and nested lists."""
    nested = {"é": [None, {"a": True}], "b": {"c": -1}}
    plain = ["Change", [None, False, "Bücher 📚", -5, 1 << 53, [], {}, nested, ["x", 0], "on", 3]]

    assert mac(KEY, plain) == "c84c30e38394da510a3ce893d3491371"


@pytest.mark.parametrize("claimed", ["\ud800" * 32, "١" * 32, " " * 31 + "1", "+" + "0" * 31])
def test_what_is_no_hex_is_no_mac_and_no_error(claimed):
    """Whatever stands where a mac should is compared with one, and differs."""
    assert not verify(KEY, ["a"], claimed)


def test_the_right_mac_in_capitals_is_a_wrong_one():
    """There is one way to write a mac: two would let a message pass for another."""
    claimed = mac(KEY, ["a", 1])

    assert claimed == "20af9a0264b04ba172f9f667ce7bcf3d"
    assert not verify(KEY, ["a", 1], claimed.upper())
