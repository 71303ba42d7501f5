"""The power fails at every single step of an update; both Pythons try a part of them."""

import pytest

from tests.firmware.mcu.both.test_update import sweep


@pytest.mark.parametrize("late", [False, True], ids=["bytes at once", "at the close"])
def test_a_power_cut_at_every_byte_leaves_a_device_that_starts(late):
    """With the old version or the new one, whatever the file system does with half a file."""
    cuts = sweep(late=late, stride=1)

    assert cuts > 1_600
