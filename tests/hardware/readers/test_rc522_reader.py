"""The RC522 reader on an emulated chip: what it costs, what it notices, what it never does."""

import contextlib

import pytest

from hardware.chips.tag_data import encode, new_content
from hardware.errors import (
    BlockOutOfRange,
    SecurityUnsupported,
    TagLocked,
    TagLost,
    WriteFailed,
)
from hardware.ports import ISO14443A, MIFARE_CLASSIC, NTAG, Security
from hardware.readers.rc522 import Rc522Options, Rc522Reader
from sim.tags import CLASSIC_1K, NTAG213, NTAG215, NTAG216
from tests.hardware.readers.rc522_table import (
    CLASSIC_UIDS,
    NTAG_UIDS,
    Table,
    Tampered,
    fifo_bytes,
)

STICKER, OTHER_STICKER = NTAG_UIDS
CARD, OTHER_CARD = CLASSIC_UIDS
CONTENT = new_content("30000000001", "DE-715")
STATUS_2 = 0x08
CRYPTO_ON = 0x08


class Flip:
    """Flips one bit of one answer of a tag, counted from the next."""

    def __init__(self, answer, bit):
        self.is_done = False
        self._answers_before = answer
        self._bit = bit

    def __call__(self, number, sent, got):
        if not fifo_bytes(sent) or self.is_done:
            return got
        self._answers_before -= 1
        if self._answers_before >= 0:
            return got
        self.is_done = True
        damaged = bytearray(got)
        damaged[1 + self._bit // 8] ^= 1 << self._bit % 8
        return bytes(damaged)


@pytest.fixture
def table():
    """Stickers are laid on it unless another technology is named."""
    return Table(NTAG)


@pytest.fixture
def cards():
    """MIFARE Classic cards are laid on it."""
    return Table(MIFARE_CLASSIC)


def test_an_empty_poll_is_a_few_transfers(table):
    """Nobody spins over an empty field: a round is 20 transfers at most, also after a tag left."""
    table.place(STICKER)
    table.reader.inventory()
    table.chip.field.take(STICKER)

    after_a_tag, still = (table.transfers(table.reader.inventory) for _ in range(2))
    assert after_a_tag == 19  # asked twice before it is believed
    assert still == 11


def test_an_empty_poll_sleeps_while_it_waits(table):
    """The round takes the 12 ms tags need to start anew, and the wait for one answer."""
    table.reader.inventory()
    before_ms = table.clock.now_ms()
    table.reader.inventory()

    assert 12 <= table.clock.now_ms() - before_ms <= 15


def test_one_tag_costs_little(table):
    """Request, two cascade levels, sleep, two requests: no register is read in a loop."""
    table.place(STICKER)
    table.reader.inventory()

    assert table.transfers(table.reader.inventory) <= 80


def test_a_tag_that_stays_is_in_every_round(table):
    """Nothing is read every second time only."""
    table.place(STICKER)
    table.place(CARD, technology=MIFARE_CLASSIC)

    assert [table.reader.inventory().uids for _ in range(4)] == [(STICKER, CARD)] * 4


@pytest.mark.parametrize(
    ("uid", "options", "technology"),
    [
        (STICKER, {"model": NTAG213}, NTAG),
        (STICKER, {"model": NTAG215}, NTAG),
        (STICKER, {"model": NTAG216}, NTAG),
        (CARD, {"model": CLASSIC_1K}, MIFARE_CLASSIC),
        (STICKER, {"model": CLASSIC_1K}, MIFARE_CLASSIC),
        (CARD, {"technology": ISO14443A}, ISO14443A),
        ("08a1b2c3", {"technology": ISO14443A}, ISO14443A),
        ("04112233445566778899", {"technology": ISO14443A}, ISO14443A),
    ],
)
def test_a_tag_says_what_it_is(table, uid, options, technology):
    """Stickers, cards and other cards of the standard are told apart, in every UID length."""
    table.place(uid, **options)

    for _ in range(2):
        (seen,) = table.reader.inventory().tags
        assert (seen.uid, seen.technology) == (uid, technology)


def test_a_card_without_memory_has_a_uid_and_nothing_else(table):
    """A telephone on the pad has no content and no security, and cannot be written."""
    table.place(CARD, technology=ISO14443A)

    assert table.reader.read_content(CARD) is None
    assert table.reader.get_security(CARD) is Security.NONE
    with pytest.raises(SecurityUnsupported, match=CARD):
        table.reader.set_security(CARD, Security.ON_LOAN)
    with pytest.raises(BlockOutOfRange, match=CARD):
        table.reader.write(CARD, 0, bytes(4))


@pytest.mark.parametrize(
    ("model", "blocks"), [(NTAG213, 36), (NTAG215, 126), (NTAG216, 222), (CLASSIC_1K, 180)]
)
def test_the_whole_user_memory_is_ours_and_nothing_beyond(table, model, blocks):
    """Every block can be written, the last one too, and what is around them stays as it was."""
    tag = table.place(STICKER, model=model)
    table.reader.inventory()
    system = dict(tag.system)
    data = bytes(number % 251 for number in range(4 * blocks))
    table.reader.write(STICKER, 0, data)

    assert table.reader.read(STICKER, 0, blocks) == data == bytes(tag.memory)
    assert tag.system == system
    with pytest.raises(BlockOutOfRange, match=f"{STICKER}.*{4 * blocks} bytes"):
        table.reader.read(STICKER, blocks, 1)


def test_blocks_beside_a_write_keep_what_they_hold(cards):
    """A card writes 16 bytes at once: the other twelve stay."""
    tag = cards.place(CARD)
    cards.reader.write(CARD, 0, bytes(range(64)))
    cards.reader.write(CARD, 5, b"book")

    assert bytes(tag.memory[:64]) == bytes(range(20)) + b"book" + bytes(range(24, 64))


def test_the_security_byte_is_the_sites_own(table):
    """A site may use other values than 07 and C2; any other one is no security."""
    reader = Rc522Reader(table.chip, table.clock, afi_in_stock=0xD7, afi_on_loan=0xDA)
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK)

    assert reader.get_security(STICKER) is Security.NONE
    reader.set_security(STICKER, Security.ON_LOAN)
    assert tag.memory[36] == 0xDA
    assert reader.get_security(STICKER) is Security.ON_LOAN


def test_a_locked_page_is_locked_for_good(table):
    """A tag that refuses again and again is not worth another try, and says so."""
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK)
    tag.locked_blocks.add(9)

    with pytest.raises(TagLocked, match=f"{STICKER}.*use another tag") as locked:
        table.reader.set_security(STICKER, Security.ON_LOAN)
    assert not locked.value.retry
    assert table.reader.get_security(STICKER) is Security.IN_STOCK


def test_one_refusal_may_be_a_damaged_acknowledgement():
    """Four bits without a checksum that say no are asked again before a tag is called locked."""
    table = Table(wire=Tampered)
    table.place(STICKER, CONTENT, Security.IN_STOCK)
    table.reader.inventory()
    damaged = []

    def tamper(number, sent, got):
        if fifo_bytes(sent) == 1 and not damaged:
            damaged.append(got)
            return bytes(2)
        return got

    table.wire.tamper = tamper
    table.reader.set_security(STICKER, Security.ON_LOAN)
    assert damaged == [bytes((0x00, 0x0A))]
    assert table.reader.get_security(STICKER) is Security.ON_LOAN


@pytest.mark.parametrize(
    ("codes", "error"), [((0x0, 0x5, 0x5), TagLost), ((0x0, 0x5, 0x4), TagLocked)]
)
def test_a_tag_is_locked_when_it_refused_twice(codes, error):
    """A "not allowed" among answers that were damaged may be damage too; two are a refusal."""
    table = Table(wire=Tampered)
    table.place(STICKER, CONTENT, Security.IN_STOCK).ignore_writes(3)
    table.reader.inventory()
    left = list(codes)
    table.wire.tamper = lambda number, sent, got: (
        bytes((0x00, left.pop(0))) if fifo_bytes(sent) == 1 else got
    )

    with pytest.raises(error, match=STICKER):
        table.reader.set_security(STICKER, Security.ON_LOAN)
    assert left == []


def test_content_behind_the_security_byte_is_read_too(table):
    """A long item id lies in an extension block behind our byte, which stays where it is."""
    content = new_content("A-VERY-LONG-ITEM-ID-0001", "DE-715")
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK)
    image = bytearray(encode(content, security_byte=True))
    image[36] = 0xC2
    tag.memory[: len(image)] = image

    assert table.reader.read_content(STICKER).pii == "A-VERY-LONG-ITEM-ID-0001"
    assert table.reader.get_security(STICKER) is Security.ON_LOAN
    table.reader.set_security(STICKER, Security.IN_STOCK)
    assert table.reader.read_content(STICKER).pii == "A-VERY-LONG-ITEM-ID-0001"


def test_a_foreign_byte_at_our_place_is_left_alone(table):
    """Where another program's extension block lies, there is no security to tell or to set."""
    content = new_content("A-VERY-LONG-ITEM-ID-0001", "DE-715")
    tag = table.place(STICKER)
    image = encode(content)  # as on a tag with an AFI: nothing left free at 36
    tag.memory[: len(image)] = image

    assert table.reader.read_content(STICKER) is not None
    assert table.reader.get_security(STICKER) is Security.NONE
    with pytest.raises(SecurityUnsupported, match="no room"):
        table.reader.set_security(STICKER, Security.ON_LOAN)
    assert bytes(tag.memory[: len(image)]) == image


def test_another_sites_card_is_not_ours_to_read(cards):
    """A card with its owner's keys has no content for us, and opens for no write."""
    tag = cards.place(CARD, CONTENT, Security.IN_STOCK)
    cards.place(OTHER_CARD, CONTENT, Security.IN_STOCK)
    cards.reader.inventory()
    tag.system[7] = bytes.fromhex("a0a1a2a3a4a5 ff078069 ffffffffffff")

    assert cards.reader.read_content(CARD) is None
    assert cards.reader.get_security(CARD) is Security.NONE
    with pytest.raises(TagLocked, match="sector 1 does not open"):
        cards.reader.write(CARD, 0, bytes(4))
    assert cards.reader.read_content(OTHER_CARD).pii == "30000000001"


def test_a_sites_own_key_opens_its_cards(cards):
    """Key A is configurable."""
    tag = cards.place(CARD, CONTENT, Security.IN_STOCK)
    cards.reader.inventory()
    tag.system[7] = bytes.fromhex("a0a1a2a3a4a5 ff078069 ffffffffffff")
    options = Rc522Options(mifare_key=bytes.fromhex("a0a1a2a3a4a5"))
    reader = Rc522Reader(cards.chip, cards.clock, options=options)

    reader.set_security(CARD, Security.ON_LOAN)
    assert reader.read_content(CARD).pii == "30000000001"
    with pytest.raises(ValueError, match="6 bytes"):
        Rc522Reader(cards.chip, cards.clock, options=Rc522Options(mifare_key=b"short"))


def test_the_cipher_is_off_after_every_question(cards):
    """A cipher left on makes every other tag mute."""
    cards.place(CARD, CONTENT, Security.IN_STOCK)
    questions = [
        lambda: cards.reader.read(CARD, 0, 40),
        lambda: cards.reader.set_security(CARD, Security.ON_LOAN),
        lambda: cards.reader.read(CARD, 0, 900),
    ]

    for question in questions:
        with contextlib.suppress(BlockOutOfRange):
            question()
        assert not cards.chip.register(STATUS_2) & CRYPTO_ON
        assert cards.reader.inventory().uids == (CARD,)


def test_a_password_is_respected(table):
    """A sticker that hides its pages behind a password has no content, and is not overwritten."""
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK)
    table.reader.inventory()
    tag.system[41] = bytes((0x04, 0x00, 0x00, 0x06))  # from page 6 on,
    tag.system[42] = bytes((0x80, 0x05, 0x00, 0x00))  # for reading too

    assert table.reader.read(STICKER, 0, 2) == bytes(tag.memory[:8])
    assert table.reader.read_content(STICKER) is None
    with pytest.raises(TagLocked):
        table.reader.read(STICKER, 0, 3)


@pytest.mark.parametrize("uid", ["e004010000000001", "88adbeef", "not hex", ""])
def test_what_is_no_uid_of_this_standard_is_not_in_the_field(table, uid):
    """A library tag's UID, an illegal one and no UID at all: the same named error."""
    with pytest.raises(TagLost):
        table.reader.read(uid, 0, 1)


def test_an_answer_damaged_on_the_bus_is_never_taken_for_good():
    """Every bit of every answer of a read, flipped one at a time: the same bytes come back."""
    table = Table(wire=Tampered)
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK)
    table.reader.inventory()
    lengths = []
    table.wire.tamper = lambda number, sent, got: lengths.append(fifo_bytes(sent)) or got
    table.reader.read(STICKER, 0, 4)
    lengths = [length for length in lengths if length]
    assert lengths == [2, 3, 3, 18]  # ATQA, SAK twice, four pages

    for answer, length in enumerate(lengths):
        for bit in range(8 * length):
            table.wire.tamper = Flip(answer, bit)
            assert table.reader.read(STICKER, 0, 4) == bytes(tag.memory[:16])
            assert table.wire.tamper.is_done


def test_a_damaged_acknowledgement_is_no_success(table):
    """A tag in a weak field keeps what it has or holds what was wanted, and the caller knows."""
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK)
    table.reader.inventory()
    table.chip.field.weaken(STICKER, 0.004)
    outcomes = set()
    for number in range(60):
        wanted = (Security.ON_LOAN, Security.IN_STOCK)[number % 2]
        try:
            table.reader.set_security(STICKER, wanted)
            outcomes.add("done")
            assert tag.security is wanted
        except (TagLost, WriteFailed):
            outcomes.add("told")

    assert outcomes == {"done", "told"}
    assert bytes(tag.memory[:34]) == encode(CONTENT)
