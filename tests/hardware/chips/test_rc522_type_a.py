"""ISO 14443-3 type A: checksums, cascade levels, and the walk down the tree of UIDs."""

import random

import pytest

from hardware.chips.crc_a import crc_a, has_crc, with_crc
from hardware.chips.iso14443a import (
    Reply,
    TagGarbled,
    TagSilent,
    TypeA,
    block_check,
    is_random_uid,
    levels_of,
)
from tests.hardware.chips.ideal_tags import POSITIONS, IdealLink, IdealTag

READINGS = [name for name in POSITIONS if name.startswith("in")]
LIARS = [name for name in POSITIONS if not name.startswith("in")]


def seen(uids, position, *, sak=0x08, **options):
    """Return the uids a walk finds, whether it calls itself complete, and the link."""
    link = IdealLink([IdealTag(uid, sak) for uid in uids], position, **options)
    found, complete = TypeA(link).inventory(lambda uid, sak: None)
    return sorted(uid.hex() for uid, _ in found), complete, link


def random_uid(chance, like=None):
    """Return a legal uid; `like` one: the same but for one bit, if that is legal."""
    while True:
        raw = bytearray(chance.randbytes(chance.choice((4, 7, 10))))
        if like is not None:
            raw = bytearray.fromhex(like)
            at = chance.randrange(8 * len(raw))
            raw[at // 8] ^= 1 << at % 8
        if levels_of(bytes(raw)):
            return raw.hex()


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ("0000", "0000a01e"),  # ISO/IEC 14443-3, Annex B.3, example 1
        ("1234", "123426cf"),  # example 2
        ("5000", "500057cd"),  # HLTA, as every analyser shows it
        ("3000", "300002a8"),  # READ of block 0
        ("", "6363"),
    ],
)
def test_crc_a_is_that_of_the_standard(data, sent):
    """The standard's examples, low byte first."""
    assert with_crc(bytes.fromhex(data)).hex() == sent


@pytest.mark.parametrize("bit", range(32))
def test_every_flipped_bit_breaks_the_crc(bit):
    """No frame with one wrong bit, in its data or its CRC, passes for a sound one."""
    frame = bytearray.fromhex("123426cf")
    frame[bit // 8] ^= 1 << bit % 8

    assert has_crc(bytes.fromhex("123426cf"))
    assert not has_crc(bytes(frame))


@pytest.mark.parametrize("frame", ["", "63", "6363"])
def test_a_frame_without_data_has_no_crc(frame):
    """Nothing is not a sound answer, although its CRC would fit."""
    assert crc_a(b"") == 0x6363
    assert not has_crc(bytes.fromhex(frame))


@pytest.mark.parametrize(
    ("uid", "levels"),
    [
        ("deadbeef", ["deadbeef"]),
        ("04a1b2c3d4e580", ["8804a1b2", "c3d4e580"]),
        ("04112233445566778899", ["88041122", "88334455", "66778899"]),
        ("04112233445588778899", ["88041122", "88334455", "88778899"]),
        ("88adbeef", []),
        ("04a1b288d4e580", []),
        ("e004010000000001", []),
        ("", []),
    ],
)
def test_a_uid_is_selected_in_cascade_levels(uid, levels):
    """88 announces the next level, so no legal UID has it where it would be taken for that."""
    assert [part.hex() for part in levels_of(bytes.fromhex(uid))] == levels


def test_the_block_check_is_an_exclusive_or():
    """The first level of UID 04 A1 B2 … has the BCC 9F."""
    assert block_check(bytes.fromhex("8804a1b2")) == 0x9F


@pytest.mark.parametrize(
    ("uid", "is_random"),
    [("08a1b2c3", True), ("18a1b2c3", False), ("08a1b2c3d4e580", False), ("", False)],
)
def test_a_random_uid_is_known_by_its_first_byte(uid, is_random):
    """Four bytes that begin with 08 are made anew each time: such a card names nobody."""
    assert is_random_uid(uid) is is_random


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(
    "uids",
    [
        [],
        ["deadbeef"],
        ["04a1b2c3d4e580"],
        ["04112233445566778899"],
        ["deadbeef", "deadbeff"],
        ["00000000", "00000080", "000000c0", "000000e0"],
        ["04a1b2c3d4e580", "04a1b211223380"],  # one first level
        ["04a1b2c3d4e580", "04a1b2c3d4e581", "04a1b2c3d4e590", "deadbeef"],
        ["04112233445566", "04112233445566778899", "04112233445566778898"],  # three lengths, alike
    ],
)
def test_every_tag_is_found_however_collisions_are_told(uids, position):
    """Any reading of the collision's position, none at all, and a wrong one: all are found."""
    found, complete, _ = seen(uids, position)

    assert found == sorted(uids)
    if position in READINGS:
        assert complete


@pytest.mark.parametrize("clears", [True, False])
@pytest.mark.parametrize("position", READINGS)
def test_random_fields_are_read_whole(position, clears, seed):
    """One to six tags, some of them a single bit apart: every one, and nothing else."""
    chance = random.Random(seed)
    for _ in range(150):
        uids = {random_uid(chance)}
        for _ in range(chance.randrange(6)):
            like = chance.choice((None, chance.choice(sorted(uids))))
            uids.add(random_uid(chance, like))

        assert seen(uids, position, clears=clears)[:2] == (sorted(uids), True)


@pytest.mark.parametrize("position", LIARS)
def test_a_chip_that_lies_about_collisions_costs_a_hint_of_doubt_at_most(position, seed):
    """An untrue position never makes a wrong UID: tags are found, or the round says so."""
    chance = random.Random(seed)
    for _ in range(60):
        uids = {random_uid(chance) for _ in range(4)}
        uids.add(random_uid(chance, sorted(uids)[0]))
        found, complete, _ = seen(uids, position)

        assert set(found) <= uids
        assert not complete or set(found) == uids


def test_a_damaged_field_never_makes_a_uid(seed):
    """With every tenth answer damaged by a bit, what is listed is there, and gaps are told."""
    chance = random.Random(seed)

    def disturb(reply):
        if chance.random() > 0.1 or not reply.data:
            return reply
        data = bytearray(reply.data)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return reply._replace(data=bytes(data))

    for _ in range(150):
        uids = {random_uid(chance) for _ in range(4)}
        found, complete, _ = seen(uids, "in the uid", disturb=disturb)

        assert set(found) <= uids
        assert not complete or set(found) == uids


def test_a_walk_needs_few_questions():
    """Six tags of seven bytes take some ten exchanges each, not one for every bit."""
    uids = [f"04{number:02x}5b1a2c6480" for number in range(6)]
    _, complete, link = seen(uids, "in the uid")

    assert complete
    assert link.heard <= 66


def test_a_tag_is_not_read_every_second_time():
    """A tag that stays is found by every round, and ends each of them halted."""
    link = IdealLink([IdealTag("04a1b2c3d4e580")], "in the uid")
    type_a = TypeA(link)

    for _ in range(5):
        assert type_a.inventory(lambda uid, sak: None) == (
            [(bytes.fromhex("04a1b2c3d4e580"), 0x08)],
            True,
        )
        assert link.tags[0].state == "halt"


def test_a_tag_that_will_not_halt_makes_the_round_incomplete():
    """A card that ignores HLTA hides the others: the round ends, and says that it is not all."""
    tag = IdealTag("deadbeef")
    link = IdealLink([tag], "in the uid")
    exchange = link.exchange
    link.exchange = lambda frame, *rest, **named: (
        None if frame[0] == 0x50 else exchange(frame, *rest, **named)
    )

    found, complete = TypeA(link).inventory(lambda uid, sak: None)

    assert [uid.hex() for uid, _ in found] == ["deadbeef"]
    assert not complete


def test_a_wrong_block_check_is_never_selected():
    """A UID whose BCC is wrong is not even tried: no SELECT goes out with it."""
    link = IdealLink([IdealTag("deadbeef")], "in the uid")
    exchange, selected = link.exchange, []

    def damaging(frame, *rest, **named):
        reply = exchange(frame, *rest, **named)
        selected.extend([frame.hex()] if frame[0] == 0x93 and frame[1] == 0x70 else [])
        if reply and len(reply.data) == 5:
            return reply._replace(data=reply.data[:4] + bytes((reply.data[4] ^ 0x01,)))
        return reply

    link.exchange = damaging

    assert TypeA(link).inventory(lambda uid, sak: None) == ([], False)
    assert selected == []


def test_a_tag_that_leaves_before_it_is_known_makes_a_gap():
    """Something answered and is gone: nothing is listed, and the list is not called whole."""
    link = IdealLink([IdealTag("deadbeef")], "in the uid")
    exchange = link.exchange

    def leaving(frame, *rest, **named):
        if frame[0] == 0x93:
            link.tags.clear()
        return exchange(frame, *rest, **named)

    link.exchange = leaving

    assert TypeA(link).inventory(lambda uid, sak: None) == ([], False)


def test_a_tag_with_an_illegal_uid_is_not_listed():
    """A four-byte UID that begins with the cascade tag names nothing and makes a gap."""
    tag = IdealTag("deadbeef")
    tag.parts = [bytes.fromhex("88adbeef")]
    found, complete = TypeA(IdealLink([tag], "in the uid")).inventory(lambda uid, sak: None)

    assert (found, complete) == ([], False)


@pytest.mark.parametrize("collision", [None, 0, 1, 32])
def test_noise_ends_the_round_in_time(collision):
    """Whatever answers every question with noise, the round ends, and is not complete."""
    link = IdealLink([], "in the uid")

    def noise(*_, **__):
        link.heard += 1
        return Reply(b"\x5a\xa5", 3, False, collision)

    link.exchange = noise

    assert TypeA(link).inventory(lambda uid, sak: None) == ([], False)
    assert link.now_ms() < 2_000


@pytest.mark.parametrize("uid", ["deadbeef", "04a1b2c3d4e580", "04112233445566778899"])
def test_a_known_tag_is_selected_among_others(uid):
    """Selecting by UID needs no anticollision, whatever else lies there and in whatever state."""
    link = IdealLink(
        [IdealTag(uid, 0x18), IdealTag("deadbeff"), IdealTag("04a1b2c3d4e581")], "in the uid"
    )
    type_a = TypeA(link)

    for _ in range(3):
        assert type_a.select(bytes.fromhex(uid)) == 0x18
    assert link.tags[0].state == "active"


@pytest.mark.parametrize("uid", ["deadbeee", "04a1b2c3d4e581", "e004010000000001"])
def test_a_tag_that_is_not_there_is_silent(uid):
    """Not in the field, or no ISO 14443 UID at all: the same named fault."""
    type_a = TypeA(IdealLink([IdealTag("deadbeef")], "in the uid"))

    with pytest.raises(TagSilent):
        type_a.select(bytes.fromhex(uid))


def test_the_beginning_of_a_longer_uid_selects_nothing():
    """What the first level of a seven-byte UID looks like is not taken for a four-byte one."""
    tag = IdealTag("04a1b2c3d4e580")
    tag.parts = [bytes.fromhex("deadbeef"), bytes.fromhex("c3d4e580")]
    type_a = TypeA(IdealLink([tag], "in the uid"))

    with pytest.raises(TagGarbled):
        type_a.select(bytes.fromhex("deadbeef"))
