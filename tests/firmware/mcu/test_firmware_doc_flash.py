"""docs/firmware.md says what lies in a board's flash: files, sizes, and how long they last."""

import re
from pathlib import Path

from firmware.mcu.board_esp32 import ROOM_BYTES as ROOM_BYTES_ESP32
from firmware.mcu.board_pico_w import ROOM_BYTES
from firmware.mcu.journal import open_journal
from firmware.mcu.key_table import SHORT
from firmware.mcu.list_files import NAMES
from firmware.mcu.passages import open_passages
from gateway.fuse import shape_for
from sim.mcu.flash import FlashFiles
from sim.mcu.wear import wear

PAGE = (Path(__file__).parents[3] / "docs/firmware.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## What lies in its flash")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (`.+`) \| ([\d,]+)", SECTION, re.MULTILINE)


def number(text):
    """Return a number as it is written on the page."""
    return int(text.replace(",", ""))


def test_the_files_are_those_of_a_first_start():
    """Their names and their bytes, each ring in the files of its sectors."""
    files = FlashFiles()
    open_journal("journal", epoch_id="0" * 16, opener=files.open)
    open_passages("counts", station="g", gate="g", site="main", opener=files.open)
    made = {}
    for name, content in files.contents.items():
        stem = name.rpartition(".")[0]
        made[stem] = made.get(stem, 0) + len(content)

    told = {re.findall(r"[\w-]+", names)[0]: number(size) for names, size in ROWS}
    lists = {name.partition(".")[0] for name in NAMES}
    assert {name: size for name, size in told.items() if name not in lists} == made


def test_the_list_is_as_long_as_the_page_says():
    """200,000 keys, each of the two slots."""
    bits, segments = shape_for(200_000)

    assert 0 <= number(ROWS[0][1]) - ((segments + 2) << bits) <= 256
    assert f"{ROOM_BYTES // SHORT} tags on a Pico W" in SECTION
    assert f"{ROOM_BYTES_ESP32 // SHORT} on an ESP32" in SECTION


def test_the_flash_lasts_as_long_as_the_page_says():
    """Counted anew, erase by erase."""
    erases, blocks, years = re.findall(r"\d+", wear(20)[0])

    assert f"{number(erases):,} erases a month" in SECTION
    assert f"over {blocks} free blocks: {years} years" in SECTION
