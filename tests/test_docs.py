"""The documents are tested like code: what they name exists, and what exists is named."""

import ast
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from circulation.config import Section
from firmware.pi.config import TEMPLATE as GATE_TEMPLATE
from firmware.pi.config import read_station_config
from firmware.pi.devices import read_devices as read_gate_devices
from gateway.app import read_settings
from hardware.known_drivers import INPUTS, OUTPUTS, PRINTERS, READERS, SCANNERS
from kiosk.config import TEMPLATE as KIOSK_TEMPLATE
from kiosk.config import read_kiosk_config
from kiosk.devices import read_devices as read_kiosk_devices
from sim.clock import VirtualClock

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "build", "node_modules"} & set(path.relative_to(ROOT).parts)
)
MAKEFILE = (ROOT / "Makefile").read_text()
README_LINES_MAX, FOLDER_README_LINES_MAX = 150, 30


def with_its_devices(read_config, read_devices):
    """Return the program's own reader, with the section that it reads before: its devices."""

    def read_all(section):
        read_devices(section.section("devices"), VirtualClock())
        return read_config(section)

    return read_all


CONFIGURATIONS = {
    "The kiosk": with_its_devices(read_kiosk_config, read_kiosk_devices),
    "The gate": with_its_devices(read_station_config, read_gate_devices),
    "The gateway": lambda section: read_settings(section, ROOT),
}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def targets():
    return re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, re.MULTILINE)


def definitions(path):
    """Return every name a file defines: `function`, `Class`, `Class.method`, `CONSTANT`."""
    tree, names = ast.parse(read(path)), set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            inner = (child for child in ast.walk(node) if child is not node)
            names |= {f"{node.name}.{child.name}" for child in inner if hasattr(child, "name")}
    return names


def prose(text):
    """Return a document without its fenced code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def test_every_link_leads_somewhere():
    """A relative link names a file of the project, and an anchor a heading of its page."""
    broken = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text())):
            path, _, anchor = target.partition("#")
            page = document.parent / path if path else document
            if "://" not in target and not (page.exists() and has_anchor(page, anchor)):
                broken.append(f"{document.relative_to(ROOT)}: {target}")

    assert broken == []


def has_anchor(page, anchor):
    """Whether a page has a heading of that name, as forges make names of headings."""
    if not anchor:
        return True
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text()), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_the_readme_fits_on_two_screens():
    """The README says what to type, within 150 lines, and what a bare Debian lacks comes first."""
    readme = read("README.md")
    commands = re.findall(r"^```\w*\n(.+?)\n", readme, re.MULTILINE)

    assert readme.count("\n") < README_LINES_MAX
    assert commands[0].startswith("sudo apt install git make python3-venv")


def test_every_folder_says_what_it_is_for():
    """Each top-level folder has a short README: its purpose, its imports, where to start."""
    folders = sorted(path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
    folders = [path for path in folders if path.name not in ("build", "docs", "dist")]
    sizes = {
        path.name: len((path / "README.md").read_text().splitlines())
        for path in folders
        if (path / "README.md").exists()
    }

    assert set(sizes) >= {path.name for path in folders if not path.name.endswith(".egg-info")}
    assert {name: size for name, size in sizes.items() if size > FOLDER_README_LINES_MAX} == {}


def test_make_lists_every_target():
    """Each target that people type has one line that says what it does."""
    declared = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)

    assert set(declared) - {"system-for-tests"} == set(targets())


def test_documents_name_only_targets_that_exist():
    """Whoever types a make command from our pages gets what the page says."""
    named = {
        (str(document.relative_to(ROOT)), target)
        for document in DOCUMENTS
        for line in re.findall(r"`make ([a-z -]+)[`A-Z]", document.read_text())
        for target in line.split()
    }

    assert [(page, target) for page, target in named if target not in targets()] == []


def test_the_readme_names_the_targets_people_need():
    """Demo, tests and lint are found without reading the Makefile."""
    assert {"demo", "test", "lint"} <= set(re.findall(r"make ([a-z-]+)", read("README.md")))


def test_targets_start_programs_that_exist():
    """No target starts a module that is not there."""
    modules = re.findall(r"python -m ([\w.]+)", MAKEFILE)
    ours = [module for module in modules if module != "pip"]

    assert ours
    assert [module for module in ours if importlib.util.find_spec(module) is None] == []


def test_entry_points_exist():
    """Each program of pyproject.toml is a function that exists."""
    scripts = tomllib.loads(read("pyproject.toml"))["project"]["scripts"]
    missing = [
        name
        for name, target in scripts.items()
        if target.partition(":")[2]
        not in definitions(target.partition(":")[0].replace(".", "/") + ".py")
    ]

    assert missing == []


def test_the_walkthrough_names_what_exists():
    """Every `file.py:Name` on the way of a checkout is in the code, under that name."""
    named = re.findall(r"`([\w/]+\.py):([\w.]+)`", read("docs/walkthrough.md"))

    assert len(named) >= 20
    assert [f"{path}:{name}" for path, name in named if name not in definitions(path)] == []


def test_the_worst_day_is_proved():
    """Each misfortune of docs/worst-day.md names a test or a scenario, and that exists."""
    rows = re.findall(r"^\| (?!what happens).*\|$", read("docs/worst-day.md"), re.MULTILINE)
    proofs = [re.search(r"`(tests/[\w/.-]+?)(?:::(\w+))?` \|$", row) for row in rows]
    missing = [
        proof.group()
        for proof in proofs
        if proof
        if not (ROOT / proof[1]).exists() or (proof[2] and not defines_test(proof[1], proof[2]))
    ]

    assert len(rows) >= 20
    assert [row for row, proof in zip(rows, proofs, strict=True) if not proof] == []
    assert missing == []


def defines_test(path, name):
    """Whether the file holds that test, at its top or in a class."""
    return any(name == found.rpartition(".")[2] for found in definitions(path))


@pytest.mark.parametrize("template", [GATE_TEMPLATE, KIOSK_TEMPLATE], ids=["gate", "kiosk"])
def test_the_page_and_the_program_show_the_same_file(template):
    """What `lendgate-kiosk template` prints is what the page says."""
    assert template in read("docs/configuration.md")


class Asked(dict):
    """A table of a configuration file that remembers which of its options were asked for."""

    def __init__(self, values):
        super().__init__(
            (name, Asked(value) if isinstance(value, dict) else value)
            for name, value in values.items()
        )
        self.asked = set()

    def __contains__(self, option):
        self.asked.add(option)
        return super().__contains__(option)

    def missing(self):
        """Return the options that were asked for, here and below, and that nobody wrote."""
        tables = [value for value in self.values() if isinstance(value, Asked)]
        return sorted(self.asked - set(self)) + [
            name for table in tables for name in table.missing()
        ]


def example(heading):
    """Return the file to paste from a chapter of docs/configuration.md."""
    chapter = read("docs/configuration.md").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```toml\n(.*?)```", chapter, re.DOTALL)
    return text


def commented_sections(text):
    """Return the sections that stand there to be chosen from: name and text of each."""
    found = re.findall(r"^# \[(devices[.\w-]*)\]\n((?:# .+\n)+)", text, re.MULTILINE)
    return [
        (name, f"[{name}]\n" + re.sub("^# ", "", lines, flags=re.MULTILINE))
        for name, lines in found
    ]


def devices_of(heading):
    """Return an example with each of its commented sections chosen once, and the first others."""
    text = example(heading)
    sections = commented_sections(text)
    first = dict(reversed(sections))
    for name, lines in sections:
        chosen = first | {name: lines}
        yield name, text + "\n" + "\n".join(chosen.values())


CHOICES = [
    pytest.param(heading, text, id=f"{heading}-{number}-{name}")
    for heading in CONFIGURATIONS
    for number, (name, text) in enumerate(devices_of(heading))
]
CHOICES.append(pytest.param("The gateway", example("The gateway"), id="The gateway"))


@pytest.mark.parametrize(("heading", "text"), CHOICES)
def test_the_file_to_paste_shows_every_option(heading, text):
    """The program reads the example with each of its devices; no option lacks, none is strange."""
    options = Asked(tomllib.loads(text))
    section = Section(options, file=f"docs/configuration.md, {heading}")

    CONFIGURATIONS[heading](section)
    section.close()

    assert options.asked
    assert [name for name in options.missing() if f"\n# {name} = " not in text] == []


def test_every_driver_is_on_the_page():
    """Whoever has a device finds what to paste for it."""
    text = example("The kiosk") + example("The gate")
    shown = set(re.findall(r'^# driver = "(\w+)"', text, re.MULTILINE))

    assert shown == {*READERS, *SCANNERS, *PRINTERS, *OUTPUTS, *INPUTS}


DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_what_was_rejected(path):
    """A decision is one page: context, choice, rejected, consequences."""
    text = path.read_text()

    assert re.findall(r"^## (\w+)", text, re.MULTILINE) == [
        *("Context", "Choice", "Rejected", "Consequences")
    ]
    assert text.count("\n") < 60
    assert path.name in read("docs/decisions/README.md")
