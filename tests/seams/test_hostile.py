"""What arrives from outside must never stop a station, nor pass for the word of one."""

import pytest

from circulation.wire.messages import SiteAlarm, encode, sealed
from circulation.wire.shapes import UIDS
from gateway.catalogue import upsert_items
from gateway.errors import CatalogueInvalid
from hardware.errors import DeviceUnavailable
from tests.firmware.pi.bench import Bench, book
from tests.kiosk.library import GOOSE, MOMO
from tests.kiosk.library import UIDS as TAGS
from tests.seams.house import KEY, LIBRARY


def alarm(mac_key):
    message = SiteAlarm(
        "gate-9", "a" * 16, "gate-9", "lane-1", "out", 4, TAGS[GOOSE][0], None, None, None, 3,
        None, "",
    )  # fmt: skip
    return encode(sealed(message, mac_key))


def test_an_alarm_without_the_sites_mac_rings_on_no_page(house):
    """Whoever may publish for the site could else fill the board with gates and alarms."""
    house.open()

    house.broker.publish("lg/1/school/site/main/alarm", alarm(bytes(16)), False)
    house.run(500)

    assert house.gateway.board.alarms() == []
    assert "gate-9" not in [one.station for one in house.gateway.board.stations()]


def test_an_alarm_with_the_mac_does(house):
    """The same, from a gate that knows the site's key."""
    house.open()

    house.broker.publish("lg/1/school/site/main/alarm", alarm(KEY), False)
    house.run(500)

    assert len(house.gateway.board.alarms()) == 1


@pytest.mark.parametrize("uid", ["e0" * 17, "e04"])
def test_no_uid_enters_the_catalogue_that_a_kiosk_could_not_tell_the_gates(house, uid):
    """One tag of an impossible length would keep every loan of its item from the gates."""
    assert UIDS([uid]) is not None

    with (
        pytest.raises(CatalogueInvalid, match="uid"),
        house.gateway.store.write(LIBRARY) as write,
    ):
        upsert_items(write, [{"barcode": "30000001", "uids": [uid]}])


def test_a_damaged_page_of_a_list_does_not_end_the_kiosk(house):
    """Returns go on by what can be read; the list is told to staff."""
    house.open()
    kiosk = house["kiosk-1"]
    base = kiosk.engine.lists.beliefs.catalogue
    file = base.execute("PRAGMA database_list").fetchone()[2]
    with open(file, "r+b") as image:
        image.seek(4096)
        image.write(b"\xff" * 65_536)

    kiosk.show_card()
    kiosk.place(GOOSE)
    kiosk.place(MOMO)

    assert kiosk.view["state"] is not None
    house.run(20_000)
    assert kiosk.engine.lists.beliefs.by_uid(TAGS[GOOSE][0]) is not None
    assert kiosk.engine.lists.trouble == {}


def test_a_beam_that_cannot_be_read_stops_neither_the_gate_nor_the_other():
    """It is told in health and tried again; the tag alone is still judged."""
    bench = Bench()
    sent = []
    loop = bench.loop(sent)

    def unplugged():
        raise DeviceUnavailable("beam: unplugged")

    bench.inner.edges = unplugged
    bench.button.edges = unplugged
    bench.antenna.place(book())
    bench.pass_beam(bench.outer)
    for _ in range(10):
        loop.turn()
        bench.clock.advance(20)

    assert any("unplugged" in text for text in loop.health().values())
