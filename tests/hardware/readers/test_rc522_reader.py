"""The RC522 reader on an emulated chip: what it costs, what it notices, what it never does."""

import contextlib

import pytest

from hardware.chips.tag_data import encode, new_content
from hardware.errors import (
    BlockOutOfRange,
    DeviceGarbled,
    DeviceUnavailable,
    SecurityUnsupported,
    TagLocked,
    TagLost,
    WriteFailed,
)
from hardware.ports import ISO14443A, MIFARE_CLASSIC, NTAG, Security
from hardware.readers.rc522 import Rc522Options, Rc522Reader
from sim.tags import CLASSIC_1K, NTAG213, NTAG215, NTAG216
from tests.hardware.readers.rc522_table import CLASSIC_UIDS, NTAG_UIDS, Table

STICKER, OTHER_STICKER = NTAG_UIDS
CARD, OTHER_CARD = CLASSIC_UIDS
CONTENT = new_content("30000000001", "DE-715")
TX_CONTROL, STATUS_2, T_MODE = 0x14, 0x08, 0x2A
CRYPTO_ON, RF_ON = 0x08, 0x03


class Tampered:
    """A bus on which `tamper(number, sent, got)` may change what comes back."""

    def __init__(self, chip):
        self.tamper = lambda number, sent, got: got
        self.number = 0
        self._chip = chip

    def transfer(self, data):
        """See `Bus.transfer`."""
        self.number += 1
        return self.tamper(self.number, data, self._chip.transfer(data))


def fifo_bytes(sent):
    """Return how many bytes of the FIFO a transfer asks for."""
    return len(sent) - 1 if sent[0] == 0x80 | 0x09 << 1 else 0


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


def elapsed_ms(table, question):
    """Return how long a question takes, in virtual time."""
    before_ms = table.clock.now_ms()
    question()
    return table.clock.now_ms() - before_ms


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


def test_a_brown_out_is_noticed_and_mended(table):
    """A chip that lost its settings is set up again by the next question."""
    table.place(STICKER, CONTENT, Security.IN_STOCK)
    table.reader.inventory()
    table.chip.brown_out()
    assert table.chip.register(T_MODE) == 0

    assert table.reader.inventory().uids == (STICKER,)
    table.chip.brown_out()
    table.reader.set_security(STICKER, Security.ON_LOAN)
    table.chip.brown_out()
    assert table.reader.get_security(STICKER) is Security.ON_LOAN
    assert table.reader.health().ok


def test_a_brown_out_within_a_round_loses_no_tag():
    """Wherever in the round the supply dips, the round begins again with the chip set up."""
    table = Table(wire=Tampered)
    table.place(STICKER)
    table.place(CARD, technology=MIFARE_CLASSIC)
    table.reader.inventory()
    transfers = table.transfers(table.reader.inventory)

    for dip in range(1, transfers + 1):
        table.wire.tamper = lambda number, sent, got: got
        table.reader.health()
        table.reader.inventory()
        at = table.wire.number + dip

        def tamper(number, sent, got, at=at):
            if number == at:
                table.chip.brown_out()
            return got

        table.wire.tamper = tamper
        assert table.reader.inventory().uids == (STICKER, CARD), f"at transfer {dip}"


def test_a_brown_out_is_noticed_without_waiting(table):
    """The answer that does not come is not waited for: its exchange shows what happened."""
    table.reader.inventory()
    quiet_ms = elapsed_ms(table, table.reader.inventory)
    table.chip.brown_out()
    between_ms = elapsed_ms(table, table.reader.inventory)
    dips = Table(wire=Tampered)
    dips.reader.inventory()
    sent = iter(range(20))

    def tamper(number, sent_bytes, got):
        if sent_bytes[0] == 0x0D << 1 and next(sent) == 1:  # the request has just been sent
            dips.chip.brown_out()
        return got

    dips.wire.tamper = tamper
    within_ms = elapsed_ms(dips, dips.reader.inventory)
    assert within_ms - between_ms <= quiet_ms + 2


def test_another_chip_behind_the_plug_is_noticed():
    """A board that was exchanged is set up and named anew."""
    table = Table(wire=Tampered)
    table.reader.inventory()
    assert table.reader.notes == "pad: MFRC522 version 2.0"

    def tamper(number, sent, got):
        return bytes(0x91 if got[at] == 0x92 else got[at] for at in range(len(got)))

    table.wire.tamper = tamper
    assert table.reader.inventory().complete
    assert table.reader.notes == "pad: MFRC522 version 1.0"


def test_a_supply_that_keeps_dipping_is_named():
    """A chip that loses its settings again and again is said to lack power."""
    table = Table(wire=Tampered)

    def tamper(number, sent, got):
        if number % 8 == 0:
            table.chip.brown_out()
        return got

    table.wire.tamper = tamper
    with pytest.raises((DeviceUnavailable, DeviceGarbled), match="pad: "):
        table.reader.inventory()
    assert not table.reader.health().ok


@pytest.mark.parametrize("pull", [0x00, 0xFF])
def test_a_pulled_plug_shows_within_two_seconds(pull):
    """Health looks by itself, whichever way MISO floats, and is well again after plugging in."""
    table = Table(pull=pull)
    assert table.reader.health().ok
    table.chip.power(False)
    table.clock.advance(2_000)

    health = table.reader.health()
    assert not health.ok
    assert "check its plug" in health.detail
    table.chip.power(True)
    assert table.reader.health().ok
    assert table.reader.inventory().complete


def test_health_is_cheap(table):
    """Asked ten times a second it looks at the chip once a second, in one transfer."""
    table.reader.health()

    def ask_for_ten_seconds():
        for _ in range(100):
            table.clock.advance(100)
            assert table.reader.health().ok

    assert table.transfers(ask_for_ten_seconds) <= 10


def test_health_never_blocks(table):
    """Finding out that nothing is there takes less than 50 ms, and so does setting it up."""
    table.reader.health()
    for power in (False, True):
        table.chip.power(power)
        table.clock.advance(1_000)
        before_ms = table.clock.now_ms()

        assert table.reader.health().ok is power
        assert table.clock.now_ms() - before_ms < 50


@pytest.mark.parametrize(
    ("version", "note"),
    [
        (0x91, "pad: MFRC522 version 1.0"),
        (0x92, "pad: MFRC522 version 2.0"),
        (0x88, "pad: a clone (FM17522)"),
        (0x12, "pad: a counterfeit (0x12)"),
        (0xB2, "pad: a clone (FM17522, 0xb2)"),
        (0x37, "pad: an unknown chip (VersionReg 0x37)"),
    ],
)
def test_staff_learn_which_chip_it_is(version, note):
    """Clones are used and named; a chip nobody knows, too."""
    table = Table(version=version)
    assert table.reader.notes == ""

    assert table.reader.inventory().complete
    assert table.reader.notes == note


def test_a_bus_that_changes_bytes_is_garbled():
    """A wire that flips one bit of everything is no chip, and says what to check."""
    table = Table(wire=Tampered)
    table.wire.tamper = lambda number, sent, got: bytes(byte ^ 0x01 for byte in got)

    with pytest.raises(DeviceGarbled, match="does not keep what is written; check MOSI"):
        table.reader.inventory()
    assert not table.reader.health().ok


def test_a_bus_that_drops_bytes_is_garbled():
    """A short answer is never read as if it were whole."""
    table = Table(wire=Tampered)
    table.wire.tamper = lambda number, sent, got: got[:-1]

    with pytest.raises(DeviceGarbled, match="bytes from the bus"):
        table.reader.inventory()


def test_a_chip_that_hangs_is_given_up():
    """An interrupt that never comes ends the question within a tenth of a second."""
    table = Table(wire=Tampered)
    table.reader.inventory()

    def tamper(number, sent, got):
        is_status = len(sent) > 2 and sent[0] == 0x80 | 0x04 << 1
        return bytes((got[0], 0x00, *got[2:])) if is_status else got

    table.wire.tamper = tamper
    before_ms = table.clock.now_ms()
    with pytest.raises(DeviceUnavailable, match="neither answered nor gave up"):
        table.reader.inventory()
    assert table.clock.now_ms() - before_ms < 200


def test_the_irq_pin_saves_looks_at_the_bus():
    """With the pin wired a read asks the chip once, when it has something to say."""
    wired, bare = Table.with_irq(), Table()
    for table in (wired, bare):
        table.place(STICKER, CONTENT)
        table.reader.inventory()

    def read_all(table):
        return table.transfers(lambda: table.reader.read(STICKER, 0, 36))

    assert read_all(wired) < read_all(bare)


def test_an_irq_pin_that_never_moves_is_not_waited_for(table):
    """A loose wire costs a little time once, is told to staff, and nothing else."""
    options = Rc522Options(irq=lambda: False)
    reader = Rc522Reader(table.chip, table.clock, name="pad", options=options)
    table.place(STICKER)

    assert reader.inventory().uids == (STICKER,)
    assert "its IRQ pin never moves" in reader.notes
    before_ms = table.clock.now_ms()
    assert reader.inventory().uids == (STICKER,)
    assert table.clock.now_ms() - before_ms < 50


def test_a_closed_reader_radiates_no_more(table):
    """Closing switches the field off and lets go of the bus."""
    table.reader.inventory()
    assert table.chip.register(TX_CONTROL) & RF_ON
    table.reader.close()

    assert not table.chip.register(TX_CONTROL) & RF_ON
    with pytest.raises(DeviceUnavailable, match="closed"):
        table.reader.inventory()


def test_closing_an_unplugged_reader_is_quiet(table):
    """Nobody is there to be switched off."""
    table.reader.inventory()
    table.chip.power(False)
    table.reader.close()

    assert table.reader.health().detail == "pad: closed"


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
