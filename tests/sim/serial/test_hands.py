"""What a hand does at a simulated pad: tags pulled away, weak fields, both pads alike."""

import pytest

from sim.clock import VirtualClock
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.world import World
from tests.sim.serial.wire import BOOK, ask_3m, ask_feig, tag


@pytest.fixture
def pad_3m():
    return SimPad3M(VirtualClock())


@pytest.fixture
def pad_feig():
    return SimPadFeig(VirtualClock())


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_3m_pad_names_the_block_where_the_tag_was_pulled(pad_3m, writes):
    """Error 6 and the block; what came before is written, the rest is as it was."""
    book = tag(memory="00" * 16)
    pad_3m.place(book)
    pad_3m.pull(BOOK, after_writes=writes)

    answer = ask_3m(pad_3m, f"04{BOOK}000400" + "ee" * 16)

    assert answer == f"0406{BOOK}{writes:02x}"
    assert book.memory[:16] == b"\xee" * 4 * writes + bytes(16 - 4 * writes)
    assert ask_3m(pad_3m, "fe0005") == "fe00000500"


@pytest.mark.parametrize(("writes", "answer"), [(0, "01"), (1, "0301"), (3, "0303")])
def test_a_feig_reader_tells_how_far_a_write_came(pad_feig, writes, answer):
    """01 before anything was written, else 03 and the block."""
    book = tag()
    pad_feig.place(book)
    pad_feig.pull(BOOK, after_writes=writes)

    assert ask_feig(pad_feig, f"b02401{BOOK}000404" + "ee" * 16) == answer
    assert book.memory[:16] == b"\xee" * 4 * writes + bytes(16 - 4 * writes)


def test_a_tag_pulled_before_reading_back_is_gone(pad_3m):
    """The write is confirmed, and the next question finds nobody."""
    book = tag()
    pad_3m.place(book)
    pad_3m.pull(BOOK, after_writes=1)

    assert ask_3m(pad_3m, f"09{BOOK}c2") == f"0900{BOOK}"
    assert ask_3m(pad_3m, f"0a{BOOK}") == f"0a06{BOOK}"
    assert book.afi == 0xC2
    assert list(book.history) == ["placed", "released", "lifted"]


@pytest.mark.parametrize("kind", ["3m", "feig"])
def test_a_write_may_be_confirmed_and_do_nothing(pad_3m, pad_feig, kind):
    """The worst of weak fields; only reading back shows it."""
    book = tag()
    book.ignore_writes(2)
    if kind == "3m":
        pad_3m.place(book)
        assert ask_3m(pad_3m, f"09{BOOK}c2") == f"0900{BOOK}"
        assert ask_3m(pad_3m, f"05{BOOK}0061616161") == f"0500{BOOK}"
    else:
        pad_feig.place(book)
        assert ask_feig(pad_feig, f"b02701{BOOK}c2") == "00"
        assert ask_feig(pad_feig, f"b02401{BOOK}00010461616161") == "00"

    assert (book.afi, book.memory[:4]) == (0, bytes(4))


def test_in_a_weak_field_some_rounds_miss_a_tag(pad_3m):
    """The same seed misses the same rounds."""

    def rounds():
        pad_3m.weaken(0.5, seed=11)
        return [ask_3m(pad_3m, "fe0005")[8:10] for _ in range(40)]

    pad_3m.place(tag())
    first, second = rounds(), rounds()

    assert first == second
    assert first.count("00") == 18
    assert first.count("01") == 22


def test_in_a_weak_field_a_write_without_answer_may_have_happened(pad_3m):
    """Both kinds of silence occur: written, and not written."""
    pad_3m.weaken(0.9, seed=3)
    outcomes = set()
    for _ in range(60):
        book = tag()
        pad_3m.place(book)
        answer = ask_3m(pad_3m, f"09{BOOK}c2")
        outcomes.add((answer[2:4], book.afi == 0xC2))
        pad_3m.lift(BOOK)

    assert outcomes == {("00", True), ("06", True), ("06", False)}


def test_a_share_above_one_is_no_share(pad_3m):
    """A wrong number is refused where it is said."""
    with pytest.raises(ValueError, match="share 2"):
        pad_3m.weaken(2)


def test_only_tags_of_the_standard_are_heard(pad_3m, pad_feig):
    """A patron's card on the book pad is nothing to it."""
    card = tag("04a1b2c3d4e580", technology="ntag")
    for pad in (pad_3m, pad_feig):
        pad.place(card)

    assert ask_3m(pad_3m, "fe0005") == "fe00000500"
    assert ask_feig(pad_feig, "b00100") == "01"
    assert ask_feig(pad_feig, "b104a500") == "01"


def test_one_tag_is_carried_from_the_pad_to_the_gate(pad_3m, pad_feig):
    """What the desk wrote, the gate reads: the tag is one object."""
    book = tag()
    book.afi = 0x07
    pad_3m.place(book)
    ask_3m(pad_3m, f"09{BOOK}c2")
    pad_3m.lift(BOOK)
    pad_feig.place(book)

    assert ask_feig(pad_feig, f"b02b01{BOOK}")[20:22] == "c2"


def test_a_pad_asks_its_world_before_it_looks(pad_3m):
    """`settle` is called at every question to the field, so that what walks has walked."""
    asked = []
    pad = SimPad3M(VirtualClock(), settle=lambda: asked.append("settled"))

    ask_3m(pad, "fe0005")
    ask_3m(pad, f"0a{BOOK}")

    assert asked == ["settled", "settled"]


def test_a_pad_in_a_world_has_the_worlds_lock():
    """With two locks, a hand in the world and a cable's thread could wait for each other."""
    world = World(VirtualClock())
    pad = SimPad3M(world.clock, settle=world.settle, lock=world.lock)

    assert pad.lock is world.lock
    assert SimPad3M(world.clock).lock is not world.lock
