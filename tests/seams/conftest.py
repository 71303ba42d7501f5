"""A house for every test of a seam."""

import pytest

from sim.clock import VirtualClock
from tests.seams.house import House


@pytest.fixture
def clock():
    """One clock for the gateway and its stations."""
    return VirtualClock()


@pytest.fixture
def house(tmp_path, clock):
    """A gateway and one kiosk, not connected yet."""
    built = House(tmp_path, clock)
    yield built
    built.close()


@pytest.fixture
def two_kiosks(tmp_path, clock):
    """A gateway and two kiosks of one site, not connected yet."""
    built = House(tmp_path, clock, kiosks=("kiosk-1", "kiosk-2"))
    yield built
    built.close()
