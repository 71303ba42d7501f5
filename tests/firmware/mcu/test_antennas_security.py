"""Where tags keep their security: both shells of a gate say the same of every tag."""

import itertools

import pytest

from firmware.mcu.antennas import SerialAntenna
from firmware.mcu.languages import SECURITY_BY, Language3m, LanguageFeig
from hardware.chips.tag_data import AFI_IN_STOCK, AFI_ON_LOAN, new_content
from hardware.readers.pad_port import SECURITY_BY as SECURITY_BY_OF_A_PI
from hardware.readers.serial_pad import PadOptions
from sim.clock import VirtualClock
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.tags import SimTag
from tests.firmware.mcu.bench import Uart
from tests.hardware.readers.pads import Table

OF_NXP, OF_ANOTHER = "e004010000000001", "e007010000000001"
AFIS = (AFI_IN_STOCK, AFI_ON_LOAN, 0x00, 0x99)
MAKERS = {
    "3m": (SimPad3M, Language3m, None),
    "feig": (SimPadFeig, LanguageFeig, 0),
}


def tag_with(uid, afi, eas):
    """Return a book whose AFI and EAS bit are these."""
    tag = SimTag(uid, content=new_content("30001", "DE1"))
    tag.afi, tag.eas = afi, eas
    return tag


def of_a_board(maker, security_by, tag):
    """Return what an antenna on a microcontroller's port says."""
    pad_type, language_type, parity = MAKERS[maker]
    pad, language = pad_type(VirtualClock(), paced=True), language_type()
    antenna = SerialAntenna("lane-1", Uart(pad, language.baudrate, parity), language, security_by)
    pad.place(tag)
    for _ in range(300):
        antenna.hear(pad.clock.now_ms())
        if antenna.reads:
            return antenna.reads[0].security
        antenna.ask(pad.clock.now_ms())
        pad.clock.advance(10)
    return None


def of_a_pi(maker, security_by, tag):
    """Return what a Pi's driver says."""
    table = Table(maker, options=PadOptions(security_by=security_by))
    table.pad.place(tag)
    table.reader.inventory()
    return table.reader.get_security(tag.uid).value


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("security_by", SECURITY_BY)
def test_both_shells_say_the_same_of_every_tag(maker, security_by):
    """Each AFI with the EAS bit set and clear, on tags of the one maker that has it and of
    others; where the two shall both tell and differ, there is no security."""
    for uid, afi, eas in itertools.product((OF_NXP, OF_ANOTHER), AFIS, (True, False)):
        told = of_a_board(maker, security_by, tag_with(uid, afi, eas))

        assert told == of_a_pi(maker, security_by, tag_with(uid, afi, eas)), (uid, afi, eas)


def test_what_may_be_chosen_is_the_same():
    """One word in both configurations."""
    assert SECURITY_BY == SECURITY_BY_OF_A_PI


@pytest.mark.parametrize(
    ("security_by", "expected"),
    [("afi", "on_loan"), ("eas", "in_stock"), ("both", "none")],
)
def test_a_bit_that_was_not_cleared_counts_where_it_is_listened_to(security_by, expected):
    """A lent book whose EAS bit is still set, at the three kinds of sites."""
    tag = tag_with(OF_NXP, AFI_ON_LOAN, True)

    assert of_a_board("3m", security_by, tag) == expected
