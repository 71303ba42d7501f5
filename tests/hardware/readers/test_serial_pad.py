"""What both serial pads do with tags: list, read, write, switch, and say why not."""

import pytest

from hardware.chips import tag_data
from hardware.chips.tag_data import FORMAT_3M, FORMAT_ISO28560_2, FORMAT_ISO28560_3, encode
from hardware.errors import (
    BlockOutOfRange,
    SecurityUnsupported,
    TagLocked,
    TagLost,
    WriteFailed,
)
from hardware.ports import Security
from hardware.readers.serial_pad import PadOptions
from sim.tags import FRAM_2K, SimTag
from tests.hardware.readers.pads import (
    BOOK,
    CONTENT,
    MAKERS,
    NEIGHBOUR,
    OTHER_CONTENT,
    Table,
)

OTHER_MAKER = "e007000000000001"
"""Texas Instruments: a library tag without NXP's EAS bit."""


@pytest.fixture(params=sorted(MAKERS))
def table(request):
    return Table(request.param)


@pytest.fixture(params=sorted(MAKERS))
def maker(request):
    return request.param


def test_many_tags_are_all_listed(table):
    """A pile of sixty books: more than one answer holds, in the order of their uids."""
    uids = [f"e0040100000{number:05x}" for number in range(60)]
    for uid in reversed(uids):
        table.place(uid)
    inventory = table.reader.inventory()

    assert list(inventory.uids) == uids
    assert inventory.complete


def test_a_book_that_stays_is_listed_each_time(table):
    """Ten rounds list it ten times: no tag is left in the quiet state."""
    table.place()

    assert [table.reader.inventory().uids for _ in range(10)] == [(BOOK,)] * 10


def test_a_gate_may_let_the_pad_choose_by_afi():
    """One frame a round: only what is in stock is listed."""
    gate = Table("3m", options=PadOptions(only_afi=0x07))
    gate.place(BOOK, security=Security.IN_STOCK)
    gate.place(NEIGHBOUR, security=Security.ON_LOAN)
    gate.reader.inventory()
    asked = len(gate.asked())
    uids = gate.reader.inventory().uids

    assert uids == (BOOK,)
    assert gate.asked()[asked:] == ["inventory, AFI 07"]


def test_a_feig_reader_cannot_choose_by_afi():
    """Asked for it, the driver says so at once instead of listing everything."""
    with pytest.raises(ValueError, match="cannot choose by AFI"):
        Table("feig", options=PadOptions(only_afi=0x07))


@pytest.mark.parametrize("wrong", ["AFI", "", "none"])
def test_security_by_something_unknown_is_refused(wrong):
    """A misspelt option stops the program, not the gate."""
    with pytest.raises(ValueError, match="must be afi, eas or both"):
        PadOptions(security_by=wrong)


@pytest.mark.parametrize("form", [FORMAT_ISO28560_3, FORMAT_ISO28560_2, FORMAT_3M])
def test_content_is_read_in_every_format(table, form):
    """Which one it is comes from the tag's data, and from its DSFID."""
    tag = table.place(content=None)
    content = tag_data.with_format(CONTENT, form)
    image = encode(content)
    tag.memory[: len(image)] = image
    tag.dsfid = tag_data.dsfid_of(content)
    found = table.reader.read_content(BOOK)

    assert (found.pii, found.format) == ("30000000001", form)


def test_content_longer_than_the_basic_block_is_read_to_its_end(table):
    """An extension behind the basic block is worth another question."""
    title = tag_data.Element(17, "Die Wahlverwandtschaften")
    content = tag_data.with_elements(CONTENT, [title])
    tag = table.place(content=None)
    image = encode(content)
    tag.memory[: len(image)] = image
    tag.dsfid = tag_data.DSFID

    assert title in table.reader.read_content(BOOK).elements


def test_an_item_id_in_an_extension_is_found(table):
    """An id of more than 16 bytes lies behind the basic block."""
    content = tag_data.new_content("9780131103627-00001-A", "DE-715")
    tag = table.place(content=None)
    image = encode(content)
    tag.memory[: len(image)] = image

    assert table.reader.read_content(BOOK).pii == "9780131103627-00001-A"


@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_a_blank_tag_costs_no_more_than_its_first_blocks(table, fill):
    """Nothing but 00 or FF is no content, and nothing else is asked."""
    tag = table.place(content=None)
    tag.memory[:] = bytes([fill]) * len(tag.memory)
    table.reader.inventory()
    asked = len(table.asked())

    assert table.reader.read_content(BOOK) is None
    assert len(table.asked()) - asked == 2


def test_a_torn_basic_block_is_no_content(table):
    """A wrong checksum names no book."""
    tag = table.place()
    tag.memory[7] ^= 1

    assert table.reader.read_content(BOOK) is None


def test_a_small_tag_is_read_to_its_end(table):
    """Eight blocks hold the basic block of 32 bytes and nothing behind it."""
    tag = SimTag(BOOK, blocks=8)
    tag.memory[:] = encode(CONTENT, 32)
    table.pad.place(tag)

    assert table.reader.read_content(BOOK).pii == "30000000001"
    assert len(table.reader.read(BOOK, 0, 8)) == 32
    with pytest.raises(BlockOutOfRange, match="no block 8"):
        table.reader.read(BOOK, 7, 2)


@pytest.mark.parametrize(("first", "data"), [(28, b"BOOK"), (27, b"BOOK" * 2), (20, b"x" * 64)])
def test_a_write_that_does_not_fit_changes_nothing(table, first, data):
    """Not even the part that would have fitted is written."""
    tag = table.place()
    before = bytes(tag.memory)

    with pytest.raises(BlockOutOfRange, match=BOOK):
        table.reader.write(BOOK, first, data)
    assert bytes(tag.memory) == before


def test_a_tag_is_written_to_its_last_block(table):
    """Sixteen blocks to the end of memory, in as many frames as it takes, and read back."""
    tag = table.place()
    data = bytes(range(64))
    table.reader.write(BOOK, 12, data)

    assert bytes(tag.memory[48:]) == data
    assert table.reader.read(BOOK, 12, 16) == data


def test_a_whole_long_tag_is_read(table):
    """ICODE SLIX2 has 79 blocks: more than one answer holds."""
    tag = SimTag(BOOK, blocks=79)
    tag.memory[:] = bytes(number % 251 for number in range(316))
    table.pad.place(tag)

    assert table.reader.read(BOOK, 0, 79) == bytes(tag.memory)


@pytest.mark.parametrize(("first", "count"), [(0, 9), (1, 1), (3, 4), (498, 2)])
def test_a_tag_of_8_byte_blocks_is_used_in_blocks_of_4(first, count):
    """Fujitsu's tags: the reader turns, cuts and joins, so that nobody else has to."""
    table = Table("feig")
    tag = SimTag(BOOK, model=FRAM_2K)
    tag.memory[:] = bytes(number % 251 for number in range(len(tag.memory)))
    before = bytes(tag.memory)
    table.pad.place(tag)
    if first + count > 256:
        with pytest.raises(BlockOutOfRange):
            table.reader.read(BOOK, first, count)
        return
    span = slice(4 * first, 4 * (first + count))
    assert table.reader.read(BOOK, first, count) == before[span]

    table.reader.write(BOOK, first, b"\xa5" * (4 * count))
    assert bytes(tag.memory) == before[: span.start] + b"\xa5" * 4 * count + before[span.stop :]


def test_a_tag_of_8_byte_blocks_is_refused_by_name_where_it_cannot_be_read():
    """3M's frames have room for four bytes a block: an error, never wrong bytes."""
    table = Table("3m")
    table.pad.place(SimTag(BOOK, model=FRAM_2K))

    with pytest.raises(BlockOutOfRange, match=BOOK):
        table.reader.read(BOOK, 0, 1)
    with pytest.raises(BlockOutOfRange, match=BOOK):
        table.reader.write(BOOK, 0, bytes(4))


@pytest.mark.parametrize(
    "uid", ["04a1b2c3d4e580", "deadbeef", "E004010000000001", "no uid at all"]
)
def test_a_uid_of_another_kind_is_not_in_this_field(table, uid):
    """A card's uid asked of a book pad is a tag that is not there."""
    with pytest.raises(TagLost):
        table.reader.get_security(uid)


def test_a_site_may_choose_its_afis(maker):
    """3M's older values, set and told; the standard's values then say nothing."""
    table = Table(maker, afis={"afi_in_stock": 0xD7, "afi_on_loan": 0xDA})
    tag = table.place(security=Security.IN_STOCK)
    assert table.reader.get_security(BOOK) is Security.NONE
    table.reader.set_security(BOOK, Security.ON_LOAN)

    assert tag.afi == 0xDA
    assert table.reader.get_security(BOOK) is Security.ON_LOAN


def test_an_afi_of_somebody_else_is_no_security(table):
    """A bank's tag tells a library's gate nothing."""
    table.place().afi = 0x90

    assert table.reader.get_security(BOOK) is Security.NONE


@pytest.mark.parametrize("ignored", [1, 2])
def test_a_weak_field_is_tried_again(table, ignored):
    """A write that did nothing, or two, cost the reader nothing but some milliseconds."""
    tag = table.place()
    tag.ignore_writes(ignored)
    table.reader.set_security(BOOK, Security.ON_LOAN)
    assert tag.security is Security.ON_LOAN

    tag.ignore_writes(ignored)
    table.reader.write(BOOK, 0, b"BOOK")
    assert bytes(tag.memory[:4]) == b"BOOK"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_what_a_weak_field_is_said_to_have_done_is_done(table, share):
    """Two hundred switches in a field that misses every third question: no false success."""
    tag = table.place()
    done = 0
    for number in range(200):
        wanted = Security.ON_LOAN if number % 2 else Security.IN_STOCK
        table.pad.weaken(share, seed=number)
        try:
            table.reader.set_security(BOOK, wanted)
            done += 1
        except (TagLost, WriteFailed):
            continue
        finally:
            table.pad.weaken(0)
        assert tag.security is wanted

    assert done > 0


def test_a_locked_afi_says_so_for_good(table):
    """Somebody locked the AFI: no number of tries will help, and the message says what will."""
    table.place().afi_locked = True

    with pytest.raises(TagLocked, match="use another tag") as locked:
        table.reader.set_security(BOOK, Security.ON_LOAN)
    assert locked.value.retry is False


def test_a_locked_block_is_named(table):
    """Of nine blocks the fourth is locked: it is named, and the others' bytes do not matter."""
    table.place(content=None).locked_blocks.add(3)

    with pytest.raises(TagLocked, match=BOOK):
        table.reader.write(BOOK, 0, encode(CONTENT) + bytes(2))


def test_a_locked_block_that_holds_the_bytes_already_is_no_obstacle(table):
    """Only blocks that differ need to be written, so a locked one may stay as it is."""
    tag = table.place()
    tag.locked_blocks.update((0, 1))
    data = bytes(tag.memory[:8]) + b"BOOK"
    table.reader.write(BOOK, 0, data)

    assert bytes(tag.memory[:12]) == data


@pytest.mark.parametrize("after", range(10))
def test_a_tag_pulled_at_any_block_names_the_old_book_the_new_one_or_none(table, after):
    """A hand faster than the nine blocks of a book's data: never a half-written name."""
    tag = table.place(content=OTHER_CONTENT)
    table.pad.pull(BOOK, after_writes=after)

    with pytest.raises(TagLost, match="place it again"):
        table.reader.write(BOOK, 0, encode(CONTENT) + bytes(2))
    table.pad.place(tag)
    found = table.reader.read_content(BOOK)
    assert found is None or found.pii in (CONTENT.pii, OTHER_CONTENT.pii)
    if after == 9:
        assert found.pii == CONTENT.pii
    table.reader.write(BOOK, 0, encode(CONTENT) + bytes(2))
    assert table.reader.read_content(BOOK).pii == CONTENT.pii


def test_one_book_leaving_does_not_touch_its_neighbour(table):
    """The write goes to the uid it was meant for, and to nothing else on the pad."""
    book, neighbour = table.place(), table.place(NEIGHBOUR)
    table.pad.pull(BOOK, after_writes=0)
    with pytest.raises(TagLost):
        table.reader.set_security(BOOK, Security.ON_LOAN)

    assert book.security is Security.IN_STOCK
    assert neighbour.security is Security.IN_STOCK
    table.reader.set_security(NEIGHBOUR, Security.ON_LOAN)
    assert neighbour.security is Security.ON_LOAN


class TestByEas:
    """Security by NXP's EAS bit, alone or together with the AFI."""

    @pytest.fixture(params=["eas", "both"])
    def by(self, request):
        return request.param

    @pytest.fixture
    def table(self, maker, by):
        return Table(maker, options=PadOptions(security_by=by))

    @pytest.mark.parametrize("security", [Security.ON_LOAN, Security.IN_STOCK])
    def test_the_bit_is_set_and_read_back(self, table, security):
        """In stock alarms, on loan is silent."""
        tag = table.place(security=Security.ON_LOAN)
        table.reader.set_security(BOOK, Security.IN_STOCK)
        assert tag.eas
        table.reader.set_security(BOOK, security)

        assert tag.eas is (security is Security.IN_STOCK)
        assert table.reader.get_security(BOOK) is security

    def test_the_afi_is_left_alone_or_switched_too(self, table, by):
        """Alone the bit leaves the AFI as it was; together both are switched."""
        tag = table.place(security=Security.IN_STOCK)
        table.reader.set_security(BOOK, Security.ON_LOAN)

        assert tag.afi == (0x07 if by == "eas" else 0xC2)

    def test_a_tag_that_says_both_is_switched_anew(self, maker):
        """A switch that was broken off half-way is no security, so that it is done again."""
        table = Table(maker, options=PadOptions(security_by="both"))
        tag = table.place(security=Security.ON_LOAN)
        tag.eas = True
        assert table.reader.get_security(BOOK) is Security.NONE
        table.reader.set_security(BOOK, Security.ON_LOAN)

        assert (tag.afi, tag.eas) == (0xC2, False)

    def test_a_tag_of_another_maker_has_no_bit(self, table, by):
        """Alone there is no place for the security; together the AFI has to do."""
        tag = table.place(OTHER_MAKER)
        if by == "eas":
            assert table.reader.get_security(OTHER_MAKER) is Security.NONE
            with pytest.raises(SecurityUnsupported, match="EAS"):
                table.reader.set_security(OTHER_MAKER, Security.ON_LOAN)
        else:
            table.reader.set_security(OTHER_MAKER, Security.ON_LOAN)
            assert tag.afi == 0xC2
            assert table.reader.get_security(OTHER_MAKER) is Security.ON_LOAN

    def test_silence_is_not_taken_for_a_clear_bit(self, table):
        """A field that misses every tenth question hides hardly ever that a tag alarms."""
        table.place(security=Security.IN_STOCK).eas = True
        told = []
        for seed in range(200):
            table.pad.weaken(0.1, seed=seed)
            try:
                told.append(table.reader.get_security(BOOK))
            except TagLost:
                continue

        missed = told.count(Security.ON_LOAN)
        assert told.count(Security.IN_STOCK) > 180
        assert missed <= (3 if table.maker == "feig" else 0)

    def test_a_tag_that_left_is_lost(self, table):
        """An empty field raises no alarm, and is no book on loan."""
        table.place()
        table.pad.lift(BOOK)

        with pytest.raises(TagLost):
            table.reader.get_security(BOOK)


def test_the_version_is_asked_of_the_pad():
    """What a technician wants to know first."""
    assert Table("3m").reader.version == "10.5.0.2"
    assert Table("feig").reader.version == "3.3 type 53"
