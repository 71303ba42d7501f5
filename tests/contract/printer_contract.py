"""What every receipt printer does."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hardware.errors import PrinterError
from hardware.ports import Printer


@dataclass
class PrinterRig:
    """A printer, its paper and what came out: `empty()`, `refill()`, `slips()`."""

    printer: Printer
    empty: Callable[[], None]
    refill: Callable[[], None]
    slips: Callable[[], list[tuple[str, ...]]]


class PrinterContract:
    """Inherit, give the fixture `rig` a `PrinterRig`, and have all of these."""

    def test_a_slip_holds_its_lines(self, rig):
        """What was asked for is what is printed, also in scripts beyond Latin."""
        rig.printer.print_lines(["Momo", "zurück bis 3. Okt.", "毛毛"])

        assert rig.slips() == [("Momo", "zurück bis 3. Okt.", "毛毛")]

    def test_without_paper_it_says_so_and_recovers(self, rig):
        """An empty printer refuses by name, prints nothing, and works again after."""
        assert rig.printer.health().ok
        rig.empty()

        with pytest.raises(PrinterError, match="paper"):
            rig.printer.print_lines(["Momo"])
        assert not rig.printer.health().ok
        rig.refill()
        rig.printer.print_lines(["Krabat"])
        assert rig.slips() == [("Krabat",)]

    def test_closing_twice_is_harmless(self, rig):
        """A closed printer refuses by name."""
        rig.printer.close()
        rig.printer.close()

        with pytest.raises(PrinterError):
            rig.printer.print_lines(["Momo"])
        assert not rig.printer.health().ok
