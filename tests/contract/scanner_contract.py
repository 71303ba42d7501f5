"""What every barcode scanner does."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hardware.ports import Scanner


@dataclass
class ScannerRig:
    """A scanner and the hand in front of it: `scan(code)`, `unplug()` and `plug_in()`."""

    scanner: Scanner
    scan: Callable[[str], None]
    unplug: Callable[[], None]
    plug_in: Callable[[], None]


class ScannerContract:
    """Inherit, give the fixture `rig` a `ScannerRig`, and have all of these."""

    def test_codes_come_once_and_in_order(self, rig):
        """Each scan is delivered once, oldest first."""
        rig.scan("30000000001")
        rig.scan("30000000002")

        assert rig.scanner.poll() == ["30000000001", "30000000002"]
        assert rig.scanner.poll() == []

    @pytest.mark.parametrize("code", ["", "x" * 65, "12\x0334", "12\n"])
    def test_what_no_label_holds_is_dropped(self, rig, code):
        """Empty, endless or unprintable codes never reach the program."""
        rig.scan(code)

        assert rig.scanner.poll() == []

    def test_the_longest_code_is_delivered(self, rig):
        """A code of 64 characters is still a code."""
        rig.scan("9" * 64)

        assert rig.scanner.poll() == ["9" * 64]

    def test_an_unplugged_scanner_is_quiet_and_unhealthy(self, rig):
        """Without its cable a scanner delivers nothing, says so, and works again after."""
        assert rig.scanner.health().ok
        rig.unplug()
        rig.scan("30000000001")

        assert rig.scanner.poll() == []
        assert not rig.scanner.health().ok
        assert rig.scanner.health().detail
        rig.plug_in()
        rig.scan("30000000002")
        assert rig.scanner.poll() == ["30000000002"]

    def test_closing_twice_is_harmless(self, rig):
        """A closed scanner delivers nothing, however often it was closed."""
        rig.scan("30000000001")
        rig.scanner.close()
        rig.scanner.close()

        assert rig.scanner.poll() == []
        assert not rig.scanner.health().ok
