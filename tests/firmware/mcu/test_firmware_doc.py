"""docs/firmware.md says what is: commands, options, pins, lamp codes, tests."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from firmware.mcu import board_esp32, board_pico_w
from firmware.mcu.config import Config
from firmware.mcu.drivers import CODES
from firmware.mcu.provision import HELP
from firmware.mcu.update import TAKEN_BLOCKS, slot_bytes
from firmware.pi.__main__ import main
from firmware.pi.config import TEMPLATE
from gateway.__main__ import main as gateway

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/firmware.md").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(name):
    """Return the pins of each part of a drawing, by the part's id: the numbers before brackets."""
    tree = ElementTree.parse(ROOT / f"docs/images/wiring-{name}.svg")
    return {
        group.get("id"): [
            text.text.partition(" (")[0]
            for text in group.findall(f"{SVG}text")
            if text.get("class") == "pin"
        ]
        for group in tree.iter(f"{SVG}g")
    }


@pytest.mark.parametrize(
    ("board", "name", "prefix"),
    [(board_pico_w, "pico-w", "GP"), (board_esp32, "esp32", "IO")],
    ids=["pico-w", "esp32"],
)
def test_the_drawing_shows_the_pins_of_the_board(board, name, prefix):
    """Whoever wires by the picture wires what the program uses, part by part."""
    pins = {part: [pin] for part, (pin, _) in board.OUTPUTS.items()}
    pins |= {part: [pin] for part, pin in board.INPUTS.items()}
    pins |= {part: list(found[1:]) for part, found in (board.UARTS | board.SPIS).items()}
    expected = {
        part: [pin if isinstance(pin, str) else f"{prefix}{pin}" for pin in found]
        for part, found in pins.items()
    }

    shown = drawn(name)
    assert {part: shown.get(part) for part in expected} == expected
    assert set(shown) - set(expected) == {"supply", "ground"}


def test_the_drawing_of_a_pi_shows_the_pins_of_the_template():
    """The gate that one pastes is the gate that is drawn."""
    sections = re.findall(r"^# \[devices\.([\w.-]+)\]\n((?:# .+\n)+)", TEMPLATE, re.MULTILINE)
    expected = {
        name.rpartition(".")[2]: [f"GPIO {gpio}"]
        for name, text in sections
        for gpio in re.findall(r"^# gpio = (\d+)", text, re.MULTILINE)
    }

    shown = drawn("pi-gate")
    assert len(expected) == 6
    assert {part: shown.get(part) for part in expected} == expected
    assert {"GPIO 25", "GPIO 24"} <= set(shown["cards"])


# Places on a Pico's edge (Pico W data sheet, figure 2), for the numbers in brackets.
PICO_PLACES = {
    0: 1,
    1: 2,
    2: 4,
    3: 5,
    4: 6,
    5: 7,
    10: 14,
    11: 15,
    12: 16,
    13: 17,
    16: 21,
    17: 22,
    18: 24,
    20: 26,
    21: 27,
    22: 29,
}


def test_the_places_on_a_pico_are_right():
    """The number in brackets is where that pin comes out."""
    text = (ROOT / "docs/images/wiring-pico-w.svg").read_text()
    shown = {int(pin): int(place) for pin, place in re.findall(r"GP(\d+) \((\d+)\)", text)}

    assert shown == PICO_PLACES


def test_the_lamp_codes_are_those_of_the_program():
    """Each number of flashes means on the page what it means in the program."""
    rows = re.findall(r"^\| (\d) \| (.+) \|$", PAGE, re.MULTILINE)

    assert {int(flashes): meaning for flashes, meaning in rows} == CODES


def test_every_line_of_the_setup_is_on_the_page():
    """What `help` lists is in the table, and nothing else is."""
    table = PAGE.partition("| line | does |")[2].partition("\n\n")[0]
    shown = {
        word
        for cell in re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
        for word in re.findall(r"`(\w+)", cell)
    }
    listed = {word for line in HELP for word in re.findall(r"\w+", line[:21]) if word.islower()}

    assert shown == (listed | {"echo"}) - {"help", "on", "off", "lendgate"}


def test_the_configuration_on_the_page_is_one():
    """The file to paste is one that a device starts with."""
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    assert Config(tomllib.loads(text)).station == "gate-2"


def test_commands_and_options_exist():
    """Every `lendgate-gate …` of the page is a command, with the options written there."""
    joined = PAGE.replace("\\\n", " ")
    named = re.findall(
        r"(?:lendgate-gate )?(?<![-\w])(provision|update|new-signing-key|sign-update)"
        r"((?: [^`\n]*)?)[`\n]",
        joined,
    )
    assert {command for command, _ in named} == {
        *("provision", "update", "new-signing-key", "sign-update")
    }
    for command, rest in named:
        shown = CliRunner().invoke(main, [command, "--help"]).output
        for option in re.findall(r"--[\w-]+", rest):
            assert option in shown, (command, option)


def test_commands_of_the_gateway_exist():
    """What offers, shows and withdraws an update is typed as it stands there."""
    named = re.findall(r"`lendgate-gateway ([\w-]+)([^`]*)`", PAGE)

    assert {command for command, _ in named} == {"offer-update", "updates", "withdraw-update"}
    assert "--within" in CliRunner().invoke(gateway, ["offer-update", "--help"]).output
    for command, rest in named:
        shown = CliRunner().invoke(gateway, [command, "--help"])
        assert shown.exit_code == 0
        for option in re.findall(r"--[\w-]+", rest):
            assert option in shown.output, (command, option)


@pytest.mark.parametrize("column", [1, 2, 3], ids=["pico-w", "esp32", "pico-2-w"])
def test_the_table_of_the_flash_adds_up(column):
    """Each board's column is what the program reckons with."""
    rows = re.findall(r"^\| (.+) \|$", PAGE.partition("How much fits")[2], re.MULTILINE)
    cells = [row.split(" | ") for row in rows[:6]]
    size, left, slot = [int(cells[row][column].split()[0].replace(",", "")) for row in (1, 4, 5)]
    taken = [int(word) for word in re.findall(r"\d+", cells[2][1] + cells[3][1])]

    assert sum(taken) == TAKEN_BLOCKS * 4
    assert left == size - sum(taken)
    assert slot == slot_bytes(size * 1024)


def test_files_and_tests_on_the_page_exist():
    """A path that the page names leads somewhere."""
    paths = set(re.findall(r"`((?:tests|firmware|docs)/[\w/.-]+)`", PAGE))

    known = {path for path in paths if "NAME" not in path}
    assert len(known) > 12
    assert [path for path in sorted(known) if not (ROOT / path).exists()] == []
