"""A gate that dies is quiet at once, and the gateway's page misses it before anybody calls."""

import pytest

from firmware.pi.app import KEEPALIVE_S
from gateway.board import Desk
from sim.demo_files import LIBRARY
from sim.house.house import House

STEP_MS = 1_000


@pytest.fixture
def building():
    """Two kiosks, two gates and their gateway, all well."""
    with House() as house:
        house.run(3_000)
        yield house


def state(building, station):
    """Return what the gateway's page says of a station."""
    return Desk(building.gateway.store, LIBRARY).station(station).state


@pytest.mark.parametrize("station", ["gate-1", "gate-2"])
def test_a_gate_without_power_is_missed_within_two_keepalives(building, station):
    """Its siren is off in the same moment; the page says that it is not there within 120 s, and
    that it is back as soon as it is."""
    gate = building.gates[station]
    gate.hardware.siren.on()
    assert state(building, station) == "connected"
    began_ms = building.clock.now_ms()
    building.cut_power(station)

    assert not gate.hardware.siren.state
    while state(building, station) == "connected":
        assert building.clock.now_ms() - began_ms <= 2 * KEEPALIVE_S * 1_000
        building.run(STEP_MS)
    assert state(building, station) == "silent"

    building.restore_power(station)
    building.run(5_000)
    assert state(building, station) == "connected"
