"""ISO 28560-2: the standard's example, tags met in the field, strict writing, torn writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.chips import iso15962, iso28560_2, tag_data
from hardware.chips.tag_content import OID_SHELF_LOCATION, OID_TITLE
from hardware.chips.tag_data import Element, TagContent, TagDataInvalid, decode, encode

FORMAT = "iso28560-2"

# ISO 28560-2:2023, table D.10; GB/T 35660.2 prints the same. PII and owner are locked.
STANDARD = bytes.fromhex(
    "9100051c be991a14 0201d014 0204b346 07441cb6 e2e335d6 830207ac c09ebaa0 6f6b0000"
)

# Memories of tags that other programs wrote, from the tests of DigitalPlatform/dp2
# (UnitTestRFID) and OpenXingZhi/rfid-codec, and what those programs read in them.
ZHIYAN = bytes.fromhex(
    "C102071100B0C30C30CA00000203A80008830203D6593F0000250110370210405F080599A713063F"
)
ROBOT = bytes.fromhex("C10108653530D35C35E358000201A80302CCE96501126701BA00000000000000")
INVENTORY = bytes.fromhex("A101040014815F000203A80008830203D6593F00")
GANCHUANG = bytes.fromhex("9101040142214B000201B80300650110660100670100" + "00" * 90)
JINGYUAN = bytes.fromhex("11030AA8AE" + "00" * 34)


def book(pii="30001234567", owner="DE-715", *, part=1, parts=1, usage=1, elements=()):
    """Return content as ISO 28560-2 carries it."""
    return TagContent(pii, owner, part, parts, usage, FORMAT, (), tuple(elements))


def test_the_standards_example_is_read():
    """The standard's full example says what the standard says it does, without a flag."""
    content = decode(STANDARD)

    assert content == TagContent(
        "123456789012", "US-InU-Mu", 3, 12, 6, FORMAT, (), (Element(6, "QA268.L55"),)
    )


def test_the_standards_example_is_written():
    """What we write for the example's content is that example, byte for byte."""
    assert encode(decode(STANDARD)) == STANDARD


def test_the_example_with_a_title_is_read():
    """The example with one more element behind the owner, as dp2 lays it out, is read."""
    memory = bytes.fromhex(
        "9100051c be991a14 0202d002 140204b3 c6020744 1cb6e2e3"
        "35d60000 0307acc0 9ebaa06f 6b7f0204 74657374"
    )

    content = decode(memory, 0x06)

    assert (content.pii, content.owner) == ("123456789012", "US-InU-Mu")
    assert content.elements == (Element(6, "QA268.L55"), Element(17, "test"))


@pytest.mark.parametrize(
    ("memory", "pii", "owner", "usage"),
    [
        (ZHIYAN, "DPB000002", "ZYLS", 1),
        (ROBOT, "YST0450585", "YST", 1),
        (INVENTORY, "0014815", "ZYLS", 6),
        (GANCHUANG, "21111115", "", 1),
        (JINGYUAN, "698542", "", 6),
    ],
    ids=["zhiyan", "robot", "inventory", "ganchuang", "jingyuan"],
)
def test_tags_of_other_programs_are_read(memory, pii, owner, usage):
    """Tags written by other programs name their item and their owner."""
    content = decode(memory, 0x06)

    assert (content.pii, content.owner, content.usage) == (pii, owner, usage)


def test_the_tag_of_a_finnish_library_is_read():
    """A tag in use (Hypernova-Oy/lainuri, t/), whose padding is 80 and whose usage is packed."""
    memory = bytes.fromhex("91010460 91ce4380 0201a805 01106702 42410307 3240de05 ab075b00")

    content = decode(memory + bytes(84))

    assert (content.pii, content.owner, content.usage) == ("1620168259", "FI-Mamk-M", 1)
    assert content.elements == (Element(7, "BA"),)
    assert content.flags == ()


def test_the_example_of_the_encoding_rules_is_read():
    """ISO/IEC 15962, annex P, as lainuri's tests have it: padding 80, a zero in front, a text
    that is none; the item is named all the same, and both are flagged."""
    memory = bytes.fromhex(
        "910508002bdc545e14d64e8080808080 c70005042c726198 190401 32915f 7f0202541c 6e03a2b380"
    )

    content = decode(memory, 0x06)

    assert content.pii == "12345678912345678"
    assert content.elements == (
        *(Element(7, "AB12XY"), Element(9, "20091231")),
        *(Element(14, "\xa2\xb3\x80"), Element(17, "T\x1c")),
    )
    assert content.flags == (tag_data.FLAG_NUMBER_PADDED, tag_data.FLAG_ELEMENT_UNREADABLE)


def test_what_else_such_a_tag_says_is_kept():
    """Elements that we do not use are there under their OID in ISO 28560-1."""
    assert decode(ZHIYAN, 0x06).elements == (Element(7, "BA"), Element(23, "Lib01"))
    assert decode(ROBOT, 0x06).elements == (Element(5, "12"), Element(7, "\xba"))


def test_elements_without_an_index_are_flagged_as_a_guess():
    """Without DSFID, checksum and content parameter the format is no more than a guess."""
    assert decode(JINGYUAN, 0x06).flags == ()
    assert decode(JINGYUAN).flags == (tag_data.FLAG_FORMAT_GUESSED,)
    assert decode(GANCHUANG).flags == ()


def test_blocks_delivered_backwards_are_turned_round_and_flagged():
    """A reader that returns each block reversed still names the item, if the index vouches."""
    turned = b"".join(STANDARD[at : at + 4][::-1] for at in range(0, len(STANDARD), 4))

    content = decode(turned)

    assert content.pii == "123456789012"
    assert content.flags == (tag_data.FLAG_BLOCKS_REVERSED,)


@pytest.mark.parametrize(
    ("text", "scheme", "packed"),
    [
        ("123456789012", iso15962.INTEGER, "1cbe991a14"),
        ("1203", iso15962.INTEGER, "04b3"),
        ("999999", iso15962.INTEGER, "0f423f"),
        ("00", iso15962.NUMERIC, "00"),
        ("010", iso15962.NUMERIC, "010f"),
        ("12345678901234567890", iso15962.NUMERIC, "12345678901234567890"),
        ("ABC", iso15962.FIVE_BIT, "0886"),
        ("]^_", iso15962.FIVE_BIT, "efbe"),
        ("ABC123456", iso15962.SIX_BIT, "0420f1cb3d35da"),
        ("ABC1234", iso15962.SIX_BIT, "0420f1cb3d20"),
        ("QA268.L55", iso15962.SIX_BIT, "441cb6e2e335d6"),
        ("JPN", iso15962.FIVE_BIT, "541c"),
        ("test", iso15962.OCTETS, "74657374"),
        ("été", iso15962.OCTETS, "e974e9"),
        ("漢字", iso15962.UTF8, "e6bca2e5ad97"),
    ],
)
def test_texts_are_packed_as_the_standard_packs_them(text, scheme, packed):
    """The scheme chosen and its bytes are those of the standard's examples."""
    assert iso15962.choose(text) == scheme
    assert iso15962.compact(text, scheme).hex() == packed
    assert iso15962.expand(bytes.fromhex(packed), scheme) == text


def test_seven_bits_are_packed_as_published():
    """Eight digits in 7 bits each fill seven bytes; fifteen leave seven ones at the end."""
    assert iso15962.compact("12345678", iso15962.SEVEN_BIT).hex() == "62c99b46ad9bb8"
    longer = iso15962.compact("123456781234567", iso15962.SEVEN_BIT)
    assert longer.hex() == "62c99b46ad9bb862c99b46ad9bff"
    assert iso15962.expand(longer, iso15962.SEVEN_BIT) == "123456781234567"


@pytest.mark.parametrize(
    ("isil", "packed"),
    [
        ("US-InU-Mu", "acc09ebaa06f6b"),
        ("DE-Heu1", "21408e16bf1f"),
        ("CN-120104-C-YBL", "1b81e120104ad1d6644c"),
    ],
)
def test_owners_are_packed_as_the_standard_packs_them(isil, packed):
    """An ISIL is written in its three character sets, each change as in the examples."""
    assert iso15962.compact_isil(isil).hex() == packed
    assert iso15962.expand_isil(bytes.fromhex(packed)) == isil


ISILS = st.text("ABCXYZabcxyz0189-:/", min_size=1, max_size=16)
TEXTS = st.text(
    st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8"),
    min_size=1,
    max_size=20,
)


@given(ISILS)
def test_every_owner_comes_back(isil):
    """Whatever characters an ISIL mixes, it is read as it was written."""
    assert iso15962.expand_isil(iso15962.compact_isil(isil)) == isil


@given(TEXTS)
def test_every_text_comes_back(text):
    """The scheme chosen for a text holds it."""
    scheme = iso15962.choose(text)

    assert iso15962.expand(iso15962.compact(text, scheme), scheme) == text


@given(
    pii=TEXTS,
    owner=ISILS,
    parts=st.tuples(st.integers(1, 999), st.integers(1, 999)).map(sorted),
    usage=st.integers(0, 15),
    others=st.dictionaries(st.sampled_from([6, 7, 9, 14, 15, 17, 22, 26, 127]), TEXTS),
)
def test_every_content_comes_back(pii, owner, parts, usage, others):
    """Whatever fits on a tag is read back as it was written, without a flag."""
    elements = [Element(oid, text) for oid, text in sorted(others.items())]
    content = book(pii, owner, part=parts[0], parts=parts[1], usage=usage, elements=elements)

    image = encode(content)

    assert len(image) % 4 == 0
    assert decode(image + bytes(4), 0x06) == content
    assert decode(image, 0x06) == content


def test_item_and_owner_fill_their_own_blocks():
    """What a library may lock shares no block with what it may not."""
    image = encode(book("98765", "DE-715", parts=2, elements=[Element(OID_TITLE, "xxxxx")]))

    assert image.hex(" ", -4) == (
        "91020301 81cd0000 0202e002 140115e5 01011000 83010421 41e71500 6f020578 78787878"
    )
    assert iso28560_2.used_length(image) == len(image)


@pytest.mark.parametrize(
    ("memory", "says"),
    [
        ("", "no elements"),
        ("00" * 36, "no elements"),
        ("0202b300", "first element is 2"),
        ("1100", "names no item"),
        ("1103012345 11020123", "there twice"),
        ("1103012345 2009", "element 0"),
        ("1103012345 667f41", "runs out"),
        ("1103012345 66ff7f41", "runs out"),
        ("1103012345 2602", "runs out"),
        ("1103012345 860503", "runs out"),
        ("1103012345 0201c0 030104 00", "promised and missing"),
        ("2101a1", "decimal number"),
        ("6102310a", "control characters"),
        ("7102c328", "not UTF-8"),
    ],
)
def test_what_is_no_whole_list_is_refused(memory, says):
    """A list that no encoder writes is an error that says what is wrong."""
    with pytest.raises(TagDataInvalid, match=says):
        iso28560_2.decode(bytes.fromhex(memory))


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (book(pii=""), "item id"),
        (book(owner="DE 715"), "character of an ISIL"),
        (book(owner="D" * 17), "1 to 16"),
        (book(part=2), "part 2 of 1"),
        (book(parts=1000), "part 1 of 1000"),
        (book(usage=16), "usage 16"),
        (book(elements=[Element(5, "x0")]), "hex digits"),
        (book(elements=[Element(3, "DE-1")]), "element 3"),
        (book(elements=[Element(128, "a")]), "element 128"),
        (book(elements=[Element(6, "\n")]), "control"),
        (book(elements=[Element(6, "é" * 501)]), "element 6"),
    ],
)
def test_what_does_not_fit_is_named(content, names):
    """A field that does not fit is refused by name, never cut off."""
    with pytest.raises(TagDataInvalid, match=names):
        encode(content)


@pytest.mark.parametrize(
    ("set_element", "part", "parts", "flags"),
    [
        ("", 1, 1, ()),
        ("140204b3", 3, 12, ()),
        ("24020102", 1, 2, ("parts_swapped",)),
        ("2402123f", 1, 1, ("set_unreadable",)),
        ("24020000", 1, 1, ("set_unreadable",)),
        ("7404c2b2c2b2", 1, 1, ("set_unreadable",)),  # two digits set high, which int() refuses
    ],
)
def test_sets_say_how_many_and_which(set_element, part, parts, flags):
    """The first half of the digits is how many, the second which; other texts are flagged."""
    content = iso28560_2.decode(bytes.fromhex("1103012345" + set_element))

    assert (content.part, content.parts, content.flags) == (part, parts, flags)


def test_a_memory_read_too_short_is_flagged():
    """Where the bytes end before the list does, what was read is used, and that is said."""
    assert decode(INVENTORY).flags == (tag_data.FLAG_LIST_CUT,)


@pytest.mark.parametrize("length", [127, 128, 300])
def test_long_texts_come_back(length):
    """From 128 bytes on the length takes two bytes, as ISO/IEC 15962 has it."""
    content = book(elements=[Element(OID_TITLE, "é" * length)])
    image = encode(content)

    assert decode(image, 0x06) == content
    assert bytes.fromhex({127: "6f027f", 128: "6f028100", 300: "6f02822c"}[length]) in image


def test_an_element_the_index_forgets_is_flagged():
    """A content parameter that lists too little is named, one that promises too much an error."""
    content = iso28560_2.decode(bytes.fromhex("1103012345 020180 0301a0 660141"))

    assert content.flags == (tag_data.FLAG_INDEX_INCOMPLETE,)
    assert content.elements == (Element(OID_SHELF_LOCATION, "A"),)


def test_dirty_padding_is_flagged():
    """Padding bytes that are not zero are named: part of an older content shows through."""
    assert iso28560_2.decode(bytes.fromhex("9102030123450055")).flags == ("padding_dirty",)


def test_a_null_precursor_is_skipped():
    """A precursor 80 stands for nothing, between elements and in front of them."""
    content = iso28560_2.decode(bytes.fromhex("80 1103012345 8080 660141 00"))

    assert (content.pii, content.elements) == ("74565", (Element(6, "A"),))


OLD = encode(book(parts=2, elements=[Element(6, "QA268.L55")])) + bytes(8)
NEW = encode(book("40009876543", "DE-1", elements=[Element(17, "Der Fänger im Roggen")]))


def test_a_write_torn_between_blocks_names_the_old_or_the_new_item():
    """Blocks written from the first on: the item stands in the first two, and both must be whole.

    A tear inside the item id itself is what this format cannot tell: see `tag_writing`.
    """
    image = NEW + bytes(len(OLD) - len(NEW)) if len(NEW) < len(OLD) else NEW
    named = []
    for block in range(2, len(image) // 4 + 1):
        torn = image[: 4 * block] + OLD[4 * block :]
        try:
            named.append(decode(torn, 0x06).pii)
        except TagDataInvalid:
            named.append("")

    assert set(named) <= {"40009876543", "30001234567", ""}
    assert "" in named
    assert named[-1] == "40009876543"


def test_a_number_as_long_as_a_tag_is_no_item():
    """A tag of 2,000 bytes (Fujitsu's) can hold more digits than anybody's number has."""
    memory = bytes.fromhex("118e7f") + bytes([0x99]) * 1_919

    with pytest.raises(TagDataInvalid, match="integer of 1919 bytes"):
        decode(memory, 0x06)


def test_zeros_in_front_of_a_number_are_no_number():
    """However many a program wrote; they are flagged."""
    content = decode(bytes.fromhex("1114") + bytes(19) + b"*", 0x06)

    assert (content.pii, content.flags) == ("42", (tag_data.FLAG_NUMBER_PADDED,))


@given(st.binary(max_size=120))
def test_no_bytes_break_the_reader(memory):
    """Whatever lies on a tag is content, or a named error."""
    for dsfid in (None, 0x06, 0x3E):
        try:
            content = decode(memory, dsfid)
        except TagDataInvalid:
            continue
        assert content.pii or "pii_elsewhere" in content.flags
