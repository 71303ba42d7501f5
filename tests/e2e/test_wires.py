"""Lending by the drivers of real devices: pad and scanner on serial lines, card spot on SPI.

The kiosk's program opens what its configuration names; only the far ends of the cables are
simulated. Everything else is the site of the main story.
"""

import pytest

from sim.pi.escpos import Raster
from tests.support.brokers import amqtt_broker
from tests.support.site import AMARA, EMIL, HOBBIT, IDA, KRABAT, LENA, MATILDA, MOMO, YUSUF, Site

KIOSK = "kiosk-2"
LOOKS = 40  # frames, of which each look takes two; far fewer than the pad remembers
WEST = "30715000000148"  # 西游记
NOTICED_S = 5
SLOW_MACHINE_S = 30  # on top of what is promised, for two cores that do other work


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gateway, a street gate, and a kiosk whose devices end in cables."""
    folder = tmp_path_factory.mktemp("site")
    with amqtt_broker() as broker, Site(folder, broker, wired=(KIOSK,)) as site:
        site.start("gateway")
        site.start(KIOSK, "gate-1")
        yield site


def health_of(site, device):
    """Return what a kiosk says of a device, as staff see it; nothing while it says nothing."""
    return str(site.screen(KIOSK).get("devices", {}).get(device, ""))


def is_ill(site, device):
    """Return whether a kiosk says that a device fails."""
    return health_of(site, device) not in ("", "ok")


def is_red_at_the_gateway(site, device):
    """Return whether the dashboard says that a device of the kiosk fails."""
    return any(device in text.lower() for text in site.station(KIOSK).get("troubles", []))


def test_two_books_are_lent_and_one_comes_back(site):
    """The card is read by the RC522, the books by the pad, whose frames switch their tags."""
    site.lend(KIOSK, LENA, MOMO, KRABAT)
    site.wait("the gateway lends it", lambda: site.state(MOMO), "on_loan")
    site.give_back(KIOSK, KRABAT)

    assert [site.tag(book) for book in (MOMO, KRABAT)] == ["on_loan", "in_stock"]
    site.wait("it is back", lambda: site.state(KRABAT), "to_be_shelved")
    frames = [frame.words for frame in site.world.wired_kiosks[KIOSK].pad.history]
    assert "write AFI: done" in frames
    site.walk_out("gate-1", MOMO)
    assert not site.rang("gate-1")


def test_the_slip_is_printed_in_the_readers_script(site):
    """A Chinese title is drawn, the rest is text; the slip is cut; without paper it is said."""
    printer = site.world.wired_kiosks[KIOSK].printer
    site.lend(KIOSK, LENA, WEST)
    site.wait("the slip", lambda: bool(printer.slips) and printer.slips[-1].is_cut)
    slip = printer.slips[-1]
    printer.run_out()
    site.wait("paper out", lambda: "paper" in health_of(site, "printer"))
    site.give_back(KIOSK, WEST)
    printer.refill()

    assert any(isinstance(line, Raster) for line in slip.lines)
    assert any("Bring it back by" in text for text in slip.texts)
    site.wait("paper again", lambda: health_of(site, "printer"), "ok")


def test_the_pads_plug_is_pulled_and_lending_goes_on_by_the_label(site):
    """Red within five seconds at the kiosk and at the gateway; lent by barcode; green again."""
    pad = site.world.wired_kiosks[KIOSK].pad
    within_s = NOTICED_S + SLOW_MACHINE_S
    pad.unplug()
    site.wait("the kiosk says so", lambda: is_ill(site, "pad"), within_s=within_s)
    site.wait("so does the gateway", lambda: is_red_at_the_gateway(site, "pad"), within_s=within_s)
    site.show_card(KIOSK, AMARA)
    site.world.scan(KIOSK, EMIL)
    site.wait("it is recorded", lambda: bool(site.tiles(KIOSK).get(EMIL, {}).get("due_on")))
    site.finish(KIOSK, AMARA)
    pad.plug_in()

    site.wait("the pad is well", lambda: health_of(site, "pad"), "ok", within_s=within_s)
    site.wait("at the gateway", lambda: is_red_at_the_gateway(site, "pad"), False)
    site.lend(KIOSK, IDA, HOBBIT)
    assert (site.tag(EMIL), site.tag(HOBBIT)) == ("in_stock", "on_loan")


def test_the_card_spots_cable_is_pulled_and_the_card_is_scanned(site):
    """Without the RC522 a reader shows the barcode of the card."""
    board = site.world.wired_kiosks[KIOSK].card_reader
    board.fail("off")
    within_s = NOTICED_S + SLOW_MACHINE_S
    site.wait("the kiosk says so", lambda: is_ill(site, "cards"), within_s=within_s)
    site.world.scan(KIOSK, YUSUF)
    site.wait("the reader is greeted", lambda: bool(site.screen(KIOSK).get("patron")))
    site.place(f"{KIOSK}/pad", MATILDA)
    site.wait("it ticks", lambda: site.tiles(KIOSK).get(MATILDA, {}).get("state"), "done")
    site.finish(KIOSK)
    board.mend()

    site.wait("the spot is well", lambda: health_of(site, "cards"), "ok")
    site.show_card(KIOSK, LENA)
    site.finish(KIOSK, LENA)
    assert site.tag(MATILDA) == "on_loan"


def test_killed_in_the_middle_the_kiosk_finds_its_devices_again(site):
    """A power cut of the program leaves cables and tags; started again, it takes books back.

    What lies on the pad while it starts was left there by somebody, so the book comes later.
    """
    site.show_card(KIOSK, IDA)
    site.kill9(KIOSK)
    site.place("cards", IDA)
    site.start(KIOSK)
    pad = site.world.wired_kiosks[KIOSK].pad
    pad.history.clear()
    site.wait("it has looked at its pad", lambda: len(pad.history) >= LOOKS)
    site.give_back(KIOSK, MATILDA)

    assert site.tag(MATILDA) == "in_stock"
