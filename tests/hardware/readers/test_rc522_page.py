"""docs/rc522.md: what it shows runs, and its numbers are true."""

import re
from pathlib import Path

from hardware.ports import MIFARE_CLASSIC
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.tags import SimTag
from tests.hardware.readers.rc522_table import Table

PAGE = (Path(__file__).parents[3] / "docs" / "rc522.md").read_text(encoding="utf-8")


def test_the_example_for_microcontrollers_runs():
    """Whoever pastes it has the tags in the field."""
    clock = VirtualClock()
    chip = SimMfrc522(clock)
    chip.field.put(SimTag("deadbeef", technology=MIFARE_CLASSIC))
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {"bus": chip, "now_ms": clock.now_ms, "sleep_ms": clock.sleep_ms}

    exec(example, names)
    assert names["tags"] == [(b"\xde\xad\xbe\xef", 0x08)]
    assert names["complete"]


def test_the_price_of_an_empty_field_is_the_one_it_says():
    """The page's number of transfers is the driver's."""
    table = Table()
    table.reader.inventory()

    assert f"| {table.transfers(table.reader.inventory)} transfers, the core sleeps |" in PAGE
