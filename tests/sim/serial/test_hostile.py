"""Whatever a host sends, a simulated pad goes on: frames of the right form and of any content."""

import random

import pytest

from sim.clock import VirtualClock
from sim.serial.obid import NAMES
from sim.serial.pad_3m import COMMANDS, SimPad3M
from sim.serial.pad_feig import SimPadFeig
from tests.sim.serial.wire import (
    BOOK,
    OTHER,
    answer_of,
    ask_3m,
    ask_feig,
    big_block_tag,
    mcrf4xx,
    of_3m,
    of_feig,
    tag,
)

FRAMES = 3_000


def tags():
    locked = tag(OTHER, blocks=8)
    locked.locked_blocks.add(2)
    locked.afi_locked = True
    return [tag(), locked, big_block_tag()]


def parameters(chance):
    """Return some bytes that may well be a tag, a block, a count and content; or anything."""
    uid = chance.choice([BOOK, OTHER, big_block_tag().uid, chance.randbytes(8).hex(), ""])
    return uid + chance.randbytes(chance.choice([0, 1, 2, 3, 4, 7, 11, 40])).hex()


def test_a_3m_pad_answers_every_frame_of_the_right_form(seed):
    """An answer names its command, has a right checksum, and nothing is ever raised."""
    chance = random.Random(seed)
    pad = SimPad3M(VirtualClock())
    for one in tags():
        pad.place(one)
    errors = set()
    for _ in range(FRAMES):
        command = chance.choice([*COMMANDS, chance.randrange(256)])

        answer = ask_3m(pad, f"{command:02x}{parameters(chance)}")

        assert int(answer[:2], 16) == command
        errors.add(answer[2:4])
    assert {"00", "01", "02", "06"} <= errors
    assert {len(one.memory) for one in pad.field.tags()} == {112, 32, 2_000}


def test_a_feig_reader_answers_every_frame_of_the_right_form(seed):
    """A status and a right checksum, whatever is asked, and nothing is ever raised."""
    chance = random.Random(seed)
    pad = SimPadFeig(VirtualClock())
    for one in tags():
        pad.place(one)
    errors = set()
    for _ in range(FRAMES):
        name = chance.choice([*NAMES, (chance.randrange(256),)])
        mode = chance.choice(["00", "01", "09", "02", "", f"{chance.randrange(256):02x}"])

        answer = ask_feig(pad, bytes(name).hex() + mode + parameters(chance))

        assert len(answer) >= 2
        errors.add(answer[:2])
    assert {"00", "01", "80", "81"} <= errors
    assert {len(one.memory) for one in pad.field.tags()} == {112, 32, 2_000}


@pytest.mark.parametrize("maker", ["3m", "feig"])
def test_a_frame_with_a_flipped_bit_does_nothing(maker, seed):
    """Of all single flipped bits in a write, none writes: the checksum sees to it."""
    make, framed, payload = {
        "3m": (SimPad3M, of_3m, f"04{BOOK}000100ffffffff"),
        "feig": (SimPadFeig, of_feig, f"b02401{BOOK}000104ffffffff"),
    }[maker]
    whole = framed(payload)
    for bit in range(8 * len(whole)):
        pad, book = make(VirtualClock()), tag()
        pad.place(book)
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8

        answer_of(pad, bytes(broken))

        assert book.memory == bytes(112), f"bit {bit}"


@pytest.mark.parametrize("maker", ["3m", "feig"])
def test_a_frame_cut_at_any_byte_does_nothing(maker):
    """And a moment later the next frame is understood."""
    make, framed, payload = {
        "3m": (SimPad3M, of_3m, f"04{BOOK}000100ffffffff"),
        "feig": (SimPadFeig, of_feig, f"b02401{BOOK}000104ffffffff"),
    }[maker]
    whole = framed(payload)
    pad, book = make(VirtualClock()), tag()
    pad.place(book)
    for length in range(len(whole)):
        assert answer_of(pad, whole[:length]) == b""
        assert book.memory == bytes(112)

    assert answer_of(pad, whole) != b""
    assert book.memory[:4] == b"\xff" * 4


def test_an_endless_length_is_given_up():
    """A length of 65,535 is no frame of a 3M pad; Feig's longest is its buffer's."""
    pad_3m, pad_feig = SimPad3M(VirtualClock()), SimPadFeig(VirtualClock())

    assert answer_of(pad_3m, b"\xd6\xff\xff" + of_3m("fe0005")) == of_3m("fe00000500")
    head = b"\x02\xff\xff"
    assert answer_of(pad_feig, head, wait_ms=300) == b""
    assert answer_of(pad_feig, of_feig("5200"))[3:4] == b"\x00"
    assert mcrf4xx(of_feig("65")[:-2]) == 0xCBE5
