"""NTAG213, 215 and 216 by their data sheet."""

import pytest

from hardware.ports import NTAG
from sim.tags import NTAG213, NTAG215, NTAG216, SimTag
from tests.sim.mfrc522.host import CONTROL, Host

UID = "04a1b2c3d4e580"
NAK_ARGUMENT, NAK_CRC, NAK_AUTH_LIMIT = b"\x00", b"\x01", b"\x04"
ACK = b"\x0a"


class Sticker(Host):
    """A host with one selected tag in its field."""

    def __init__(self, model=NTAG213):
        super().__init__()
        self.start_radio()
        self.tag = SimTag(UID, model=model)
        self.field.put(self.tag)
        self.select(UID)

    def pages(self, first):
        return self.ask(0x30, first)[:-2].hex(" ", 4)

    def put(self, page, data):
        return self.ask(0xA2, page, *bytes.fromhex(data))

    def again(self):
        """Select once more: a NAK sends the tag back."""
        self.restart_field()
        self.select(UID)
        return self

    def is_nibble(self):
        return self.read(CONTROL) & 0x07 == 4


@pytest.fixture
def sticker():
    return Sticker()


@pytest.mark.parametrize(
    ("model", "size", "container"),
    [(NTAG213, "0f", "e1101200"), (NTAG215, "11", "e1103e00"), (NTAG216, "13", "e1106d00")],
)
def test_each_size_says_its_version_and_capacity(model, size, container):
    """GET_VERSION as in table 28, the capability container as in 8.5.6, the uid with its BCCs."""
    sticker = Sticker(model)

    assert sticker.ask(0x60)[:-2].hex() == f"000404020100{size}03"
    assert sticker.pages(0) == f"04a1b29f c3d4e580 72480000 {container}"


@pytest.mark.parametrize(("model", "last"), [(NTAG213, 0x2C), (NTAG215, 0x86), (NTAG216, 0xE6)])
def test_reading_rolls_over_at_the_last_page(model, last):
    """READ gives four pages whatever; beyond the end it starts again at page 0."""
    sticker = Sticker(model)

    assert sticker.pages(last) == "00000000 04a1b29f c3d4e580 72480000"
    assert sticker.pages(last - 3) == "040000ff 00050000 00000000 00000000"
    assert sticker.ask(0x30, last + 1) == NAK_ARGUMENT
    assert sticker.is_nibble()


def test_fast_read_takes_any_range(sticker):
    """FAST_READ 3A: first to last page in one frame; the other way round is a NAK."""
    sticker.tag.memory[0:8] = b"abcdefgh"

    assert sticker.ask(0x3A, 0x04, 0x05)[:-2] == b"abcdefgh"
    assert len(sticker.ask(0x3A, 0x04, 0x11)) == 58
    assert sticker.ask(0x3A, 0x05, 0x04) == NAK_ARGUMENT
    assert sticker.again().ask(0x3A, 0x00, 0x2D) == NAK_ARGUMENT


def test_a_fast_read_too_long_for_the_fifo_overflows(sticker):
    """72 bytes into a FIFO of 64: BufferOvfl, unless the host reads along."""
    assert len(sticker.ask(0x3A, 0x04, 0x15)) == 64
    assert sticker.read(0x06) & 0x10


def test_a_page_is_written_and_acknowledged(sticker):
    """WRITE A2: four bits of ACK after the EEPROM took it, and user page 4 is byte 0."""
    before_ms = sticker.clock.now_ms()

    assert sticker.put(0x04, "01020304") == ACK
    assert sticker.is_nibble()
    assert sticker.clock.now_ms() - before_ms >= 4
    assert sticker.tag.memory[:4] == b"\x01\x02\x03\x04"
    assert sticker.pages(4) == "01020304 00000000 00000000 00000000"


def test_compatibility_write_takes_sixteen_bytes_and_keeps_four(sticker):
    """A0, then 16 bytes: only the first four are written."""
    assert sticker.ask(0xA0, 0x05) == ACK
    assert sticker.ask(*range(1, 17)) == ACK
    assert sticker.tag.memory[4:12] == b"\x01\x02\x03\x04\x00\x00\x00\x00"


@pytest.mark.parametrize("page", [0x00, 0x01, 0x2D, 0xFF])
def test_pages_that_are_not_for_writing_are_refused(page):
    """The serial number, and what is not there."""
    sticker = Sticker()

    assert sticker.put(page, "ffffffff") == NAK_ARGUMENT
    assert sticker.again().pages(0)[:17] == "04a1b29f c3d4e580"


def test_the_capability_container_only_gains_bits(sticker):
    """Page 3 is one-time programmable."""
    sticker.put(0x03, "0002000f")

    assert sticker.pages(3)[:8] == "e112120f"
    sticker.put(0x03, "00000000")
    assert sticker.pages(3)[:8] == "e112120f"


def test_static_lock_bits_lock_pages_for_good(sticker):
    """Bytes 2 and 3 of page 2: locked pages refuse, lock bits cannot be taken back."""
    sticker.put(0x02, "ffff1000")  # page 4
    sticker.put(0x02, "00000001")  # page 8
    assert sticker.pages(2)[:8] == "72481001"

    assert sticker.put(0x04, "01020304") == NAK_ARGUMENT
    assert sticker.again().put(0x08, "01020304") == NAK_ARGUMENT
    assert sticker.again().put(0x05, "01020304") == ACK
    sticker.put(0x02, "00000000")
    assert sticker.pages(2)[:8] == "72481001"


def test_block_locking_bits_freeze_lock_bits(sticker):
    """BL9-4 keeps the lock bits of pages 4 to 9 as they are; those above still lock."""
    sticker.put(0x02, "00001200")  # BL9-4, and page 4 is locked
    sticker.put(0x02, "0000e003")  # pages 5, 6, 7, 8 and 9: too late
    sticker.put(0x02, "00000004")  # page 10

    assert sticker.pages(2)[:8] == "72481204"


@pytest.mark.parametrize(
    ("model", "lock_page", "locked", "free"),
    [(NTAG213, 0x28, 0x11, 0x12), (NTAG215, 0x82, 0x1F, 0x20), (NTAG216, 0xE2, 0x1F, 0x20)],
)
def test_dynamic_lock_bits_lock_the_upper_pages(model, lock_page, locked, free):
    """One bit for 2 pages of an NTAG213, for 16 of the bigger ones (8.5.3)."""
    sticker = Sticker(model)
    sticker.put(lock_page, "01000000")

    assert sticker.put(locked, "01020304") == NAK_ARGUMENT
    assert sticker.again().put(0x10, "01020304") == NAK_ARGUMENT
    assert sticker.again().put(free, "01020304") == ACK


def test_a_hand_may_lock_a_page_too(sticker):
    """`locked_blocks` of the tag counts user blocks, whatever reads it."""
    sticker.tag.locked_blocks.add(2)

    assert sticker.put(0x06, "01020304") == NAK_ARGUMENT


def test_a_password_guards_from_auth0_on(sticker):
    """Writing needs PWD_AUTH from page AUTH0; with PROT reading does too."""
    sticker.put(0x2B, "11223344")  # PWD
    sticker.put(0x2C, "aabb0000")  # PACK
    sticker.put(0x2A, "80050000")  # PROT
    sticker.put(0x29, "04000006")  # AUTH0 = page 6
    sticker.again()

    assert sticker.pages(4) == "00000000 00000000 04a1b29f c3d4e580"
    assert sticker.ask(0x30, 0x06) == NAK_ARGUMENT
    assert sticker.again().put(0x06, "01020304") == NAK_ARGUMENT
    assert sticker.again().ask(0x1B, 0x11, 0x22, 0x33, 0x44)[:-2] == b"\xaa\xbb"
    assert sticker.put(0x06, "01020304") == ACK
    assert sticker.pages(0x29)[-17:] == "00000000 00000000"  # neither PWD nor PACK is shown


def test_wrong_passwords_run_out(sticker):
    """AUTHLIM: after that many the right one is refused as well, also after a power loss."""
    sticker.put(0x2A, "02050000")

    assert sticker.ask(0x1B, 0, 0, 0, 0) == NAK_ARGUMENT
    assert sticker.again().ask(0x1B, 0, 0, 0, 0) == NAK_ARGUMENT
    assert sticker.again().ask(0x1B, 0xFF, 0xFF, 0xFF, 0xFF) == NAK_AUTH_LIMIT


def test_the_counter_counts_the_first_read_after_power(sticker):
    """NFC_CNT_EN: once a session, however often it is read."""
    assert sticker.ask(0x39, 0x02) == NAK_ARGUMENT
    sticker.again().put(0x2A, "10050000")
    for _ in range(3):
        sticker.again().pages(4)
        sticker.pages(4)

    assert sticker.ask(0x39, 0x02)[:-2].hex() == "030000"


def test_the_signature_has_its_length(sticker):
    """READ_SIG: 32 bytes; what they say only NXP can sign."""
    assert len(sticker.ask(0x3C, 0x00)) == 34
    assert sticker.ask(0x3C, 0x01) == NAK_ARGUMENT


@pytest.mark.parametrize(
    "frame", [b"\x30\x04\x00\x00", b"\x30", b"\xa2\x04\x01\x02\x03\x04\x00\x00"]
)
def test_a_broken_frame_gets_a_nak_and_changes_nothing(sticker, frame):
    """CRC error 1; the tag is then back where only a wake-up reaches it."""
    assert sticker.exchange(frame) == NAK_CRC
    assert sticker.ask(0x30, 0x04) == b""
    assert sticker.tag.memory == bytes(144)


def test_an_unknown_command_gets_a_nak(sticker):
    """MIFARE authentication among them: a sticker has no keys."""
    assert sticker.ask(0x60, 0x04) == NAK_ARGUMENT
    assert not sticker.again().authenticate(0x60, 0x04, b"\xff" * 6, bytes.fromhex(UID)[-4:])
    assert sticker.read(0x06) & 0x01


def test_what_a_sticker_holds_outlives_the_field(sticker):
    """Locks and pages are the tag's own: another antenna finds them."""
    sticker.put(0x02, "00001000")
    sticker.put(0x05, "01020304")
    other = Host().start_radio()
    other.field.put(sticker.tag)
    other.select(UID)

    assert other.ask(0x30, 0x02)[:-2].hex(" ", 4) == "72481000 e1101200 00000000 01020304"


def test_its_history_tells_what_it_went_through(sticker):
    """Placed, read, written; the security byte in the words of a gate."""
    sticker.pages(4)
    sticker.put(0x04, "01020304")
    sticker.put(0x0D, "07000000")
    sticker.put(0x0D, "c2000000")
    sticker.field.take(UID)

    assert list(sticker.tag.history) == [
        *("placed", "read", "written", "secured", "released", "lifted"),
    ]
    assert sticker.tag.technology == NTAG
