"""The RC522 reader when power, plug, bus or pins fail, and what it says about its own health."""

import pytest

from hardware.chips.tag_data import new_content
from hardware.errors import DeviceGarbled, DeviceUnavailable
from hardware.ports import NTAG, Security
from hardware.readers.rc522 import Rc522Options, Rc522Reader
from tests.hardware.readers.rc522_table import CLASSIC_UIDS, NTAG_UIDS, Table, Tampered, elapsed_ms

STICKER, CARD = NTAG_UIDS[0], CLASSIC_UIDS[0]
CONTENT = new_content("30000000001", "DE-715")
TX_CONTROL, T_MODE = 0x14, 0x2A
RF_ON = 0x03


@pytest.fixture
def table():
    """Stickers are laid on it unless another technology is named."""
    return Table(NTAG)


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
