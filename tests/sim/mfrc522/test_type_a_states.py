"""ISO 14443-3 type A, figure 7: what each state answers, and where it goes."""

import pytest

from hardware.ports import ISO14443A, MIFARE_CLASSIC, NTAG
from sim.mfrc522.card import ACTIVE, HALT, IDLE, READY, Card, cascade
from sim.mfrc522.classic import ClassicCard
from sim.mfrc522.frames import Frame, whole, with_crc
from sim.mfrc522.ntag import NtagCard
from sim.tags import SimTag
from tests.sim.mfrc522.host import REQA, WUPA, Host

REQA_FRAME, WUPA_FRAME = Frame(0x26, 7), Frame(0x52, 7)
SELECT = bytes.fromhex("9370deadbeef22")


def command(*data):
    return whole(with_crc(bytes(data)))


HLTA_FRAME = command(0x50, 0x00)


@pytest.fixture
def card():
    return Card(SimTag("deadbeef", technology=ISO14443A))


def bring(card, state):
    """Walk the card into a state: by its name, with a star for the starred one."""
    if state.endswith("*") or state == HALT:
        card.hear(REQA_FRAME)
        card.hear(command(*SELECT))
        card.hear(HLTA_FRAME)
    if state not in (IDLE, HALT):
        card.hear(WUPA_FRAME)
    if state.startswith(ACTIVE):
        card.hear(command(*SELECT))


def name_of(card):
    return card.state + ("*" if card.starred and card.state in (READY, ACTIVE) else "")


# State before, frame, whether it answers, state after. Figure 7 and its notes.
TRANSITIONS = [
    (IDLE, REQA_FRAME, True, "READY"),
    (IDLE, WUPA_FRAME, True, "READY"),
    (IDLE, whole(b"\x93\x20"), False, "IDLE"),
    (IDLE, command(*SELECT), False, "IDLE"),
    (IDLE, HLTA_FRAME, False, "IDLE"),
    (READY, whole(b"\x93\x20"), True, "READY"),
    (READY, whole(b"\x93\x40\xde\xad"), True, "READY"),
    (READY, whole(b"\x93\x40\xde\xae"), False, "READY"),
    (READY, command(*SELECT), True, "ACTIVE"),
    (READY, command(*SELECT[:-1], 0x23), False, "IDLE"),
    (READY, command(0x93, 0x70, 1, 2, 3, 4, 4), False, "IDLE"),
    (READY, whole(SELECT + b"\x00\x00"), False, "IDLE"),
    (READY, whole(b"\x95\x20"), False, "IDLE"),
    (READY, whole(b"\x93\x10"), False, "IDLE"),
    (READY, whole(b"\x93\x30\xde\xad"), False, "IDLE"),
    (READY, REQA_FRAME, False, "IDLE"),
    (READY, WUPA_FRAME, False, "IDLE"),
    (READY, HLTA_FRAME, False, "IDLE"),
    (ACTIVE, HLTA_FRAME, False, "HALT"),
    (ACTIVE, REQA_FRAME, False, "IDLE"),
    (ACTIVE, WUPA_FRAME, False, "IDLE"),
    (ACTIVE, whole(b"\x93\x20"), False, "IDLE"),
    (ACTIVE, command(0x30, 0x00), False, "IDLE"),
    (HALT, REQA_FRAME, False, "HALT"),
    (HALT, WUPA_FRAME, True, "READY*"),
    (HALT, command(*SELECT), False, "HALT"),
    ("READY*", whole(b"\x93\x20"), True, "READY*"),
    ("READY*", command(*SELECT), True, "ACTIVE*"),
    ("READY*", REQA_FRAME, False, "HALT"),
    ("READY*", command(0x93, 0x70, 1, 2, 3, 4, 4), False, "HALT"),
    ("ACTIVE*", HLTA_FRAME, False, "HALT"),
    ("ACTIVE*", WUPA_FRAME, False, "HALT"),
    ("ACTIVE*", whole(b"\x00"), False, "HALT"),
]


@pytest.mark.parametrize(("before", "frame", "answers", "after"), TRANSITIONS)
def test_a_state_answers_and_goes_where_the_standard_says(card, before, frame, answers, after):
    """Every arrow of the state diagram that a reader can draw."""
    bring(card, before)
    assert name_of(card) == before

    reply = card.hear(frame)

    assert (reply is not None) is answers
    assert name_of(card) == after


def test_a_wrong_parity_is_an_error(card):
    """One flipped bit in an anticollision frame sends the tag back."""
    bring(card, READY)
    frame = whole(b"\x93\x20")

    assert card.hear(Frame(frame.word ^ 1 << 8, frame.length)) is None
    assert card.state == IDLE


def test_losing_power_forgets_the_halt(card):
    """The only way out of HALT without WUPA."""
    bring(card, HALT)
    card.lose_power()

    assert card.hear(REQA_FRAME) is not None


@pytest.mark.parametrize(
    ("uid", "levels"),
    [
        ("deadbeef", ["deadbeef22"]),
        ("04a1b2c3d4e580", ["8804a1b29f", "c3d4e58072"]),
        ("00112233445566778899", ["88001122bb", "88334455aa", "6677889900"]),
    ],
)
def test_a_long_uid_comes_in_levels(uid, levels):
    """Cascade tag, three bytes, check byte; the last level has four (6.5.4)."""
    made = [level.hex() for level in cascade(bytes.fromhex(uid))]

    assert made == levels


@pytest.mark.parametrize(
    ("card", "atqa", "saks"),
    [
        (ClassicCard(SimTag("deadbeef", technology=MIFARE_CLASSIC)), "0400", "08"),
        (ClassicCard(SimTag("04a1b2c3d4e580", technology=MIFARE_CLASSIC)), "4400", "0c 08"),
        (NtagCard(SimTag("04a1b2c3d4e580", technology=NTAG)), "4400", "04 00"),
        (Card(SimTag("deadbeef", technology=ISO14443A)), "0403", "20"),
        (Card(SimTag("00112233445566778899", technology=ISO14443A)), "8403", "24 24 20"),
    ],
)
def test_each_kind_says_what_it_is(card, atqa, saks):
    """ATQA has the size of the uid in bits 7 and 8, SAK the cascade bit until the uid is whole."""
    host = Host().start_radio()
    host.field.put(card.tag)

    assert host.exchange(WUPA, bits=7).hex() == atqa
    said = []
    for sel, level in zip((0x93, 0x95, 0x97), cascade(card.uid), strict=False):
        assert host.exchange(bytes((sel, 0x20))) == level
        said.append(host.ask(sel, 0x70, *level)[:1].hex())
    assert " ".join(said) == saks


def test_a_halted_tag_lets_the_others_speak():
    """Select, halt, ask again: each round finds one tag more, and at last silence."""
    host = Host().start_radio()
    uids = ["11223344", "04a1b2c3d4e580", "55667788"]
    for uid in uids:
        host.field.put(SimTag(uid, technology=ISO14443A))
    for uid in uids:
        assert host.select(uid, wake=REQA) == 0x20
        host.ask(0x50, 0x00)

    assert host.exchange(REQA, bits=7) == b""
    assert host.exchange(WUPA, bits=7) != b""


def test_a_tag_left_active_misses_every_second_call():
    """Without HLTA a REQA only sends it back to IDLE: the classic every-second-read failure."""
    host = Host().start_radio()
    host.field.put(SimTag("11223344", technology=ISO14443A))
    heard = []
    for _ in range(4):
        answer = host.exchange(REQA, bits=7)
        heard.append(bool(answer))
        if answer:
            host.exchange(b"\x93\x20")

    assert heard == [True, False, True, False]


def test_a_processor_card_answers_rats_once():
    """ISO 14443-4: enough to be recognised; after that it waits for blocks and says no more."""
    host = Host().start_radio()
    host.field.put(SimTag("11223344", technology=ISO14443A))
    host.select("11223344")

    assert host.ask(0xE0, 0x50).hex()[:10] == "0578807002"
    assert host.ask(0x30, 0x00) == b""
