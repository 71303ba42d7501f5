"""A plug that is pulled somewhere in the building is red on the gateway's page soon after."""

import pytest

from gateway.board import Desk
from sim.demo_files import LIBRARY
from sim.faults import OFF, STUCK
from sim.house.house import House


@pytest.fixture(scope="module")
def building():
    """Two kiosks, two gates and their gateway, all well."""
    with House() as house:
        yield house


@pytest.fixture
def page(building):
    """The gateway's page."""
    return Desk(building.gateway.store, LIBRARY)


def ms_until(building, happens):
    """Return after how many milliseconds something is so."""
    began_ms = building.clock.now_ms()
    while not happens():
        assert building.clock.now_ms() - began_ms < 10_000
        building.run(250)
    return building.clock.now_ms() - began_ms


def test_nobody_is_said_to_be_missing_right_after_the_start(building, page):
    """A gate that has just started has not missed a kiosk for a minute."""
    building.run(2_000)

    assert [station.troubles for station in page.board().stations if station.troubles] == []


@pytest.mark.parametrize("fault", [OFF, STUCK])
@pytest.mark.parametrize(
    ("device", "subject"),
    [
        ("kiosk-1/pad", "pad"),
        ("kiosk-1/scanner", "scanner"),
        ("kiosk-2/card", "cards"),
        ("gate-1/lane-2/antenna", "lane-2"),
        ("gate-2/lane-1/antenna", "lane-1"),
    ],
)
def test_a_pulled_plug_is_on_the_page_within_five_seconds(building, page, device, subject, fault):
    """Its sentence stands at its station, and goes within five seconds after the plug is in."""
    station = device.partition("/")[0]
    building.devices[device].fail(fault)

    def is_told():
        return any(subject in text for text in page.station(station).troubles)

    assert ms_until(building, is_told) <= 5_000
    building.devices[device].mend()
    assert ms_until(building, lambda: not is_told()) <= 5_000
