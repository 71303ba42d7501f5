"""The power fails at every single step of an update; both Pythons try a part of them."""

import random

import pytest

from tests.firmware.mcu.both.test_update import sweep
from tests.firmware.mcu.both.test_update_following import sweep_downloads


@pytest.mark.parametrize("late", [False, True], ids=["bytes at once", "at the close"])
def test_a_power_cut_at_every_byte_leaves_a_device_that_starts(late):
    """With the old version or the new one, whatever the file system does with half a file."""
    cuts = sweep(late=late, stride=1)

    assert cuts > 1_600


@pytest.mark.parametrize("late", [False, True], ids=["bytes at once", "at the close"])
def test_a_power_cut_during_a_download_leaves_the_old_version_or_the_new(late, seed):
    """From the first byte in flash to the confirmed trial; then the offer is taken to its end."""
    cuts = random.Random(seed).sample(range(7_300), 120)

    assert sweep_downloads(cuts, late) == 120
