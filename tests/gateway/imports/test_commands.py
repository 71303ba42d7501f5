"""The import commands as a librarian types them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a library made by `init`."""
    path = tmp_path / "gateway.toml"
    result = CliRunner().invoke(main, ["init", "--config", str(path)])
    assert result.exit_code == 0, result.output
    return path


def command(config: Path, name: str, text: str, *options: str) -> Result:
    """Run an import of this text."""
    file = config.parent / "list.csv"
    file.write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, [name, str(file), "--config", str(config), *options])


def test_items_go_in_and_the_report_says_so(config: Path):
    """Counts on the screen, exit code 0, and nothing twice the second time."""
    first = command(config, "import-items", "barcode,title\n1001,Momo\n1002,Momo\n")
    again = command(config, "import-items", "barcode,title\n1001,Momo\n1002,Momo\n")

    assert first.exit_code == 0
    assert "created: 1 titles" in first.output
    assert "created: 2 items" in first.output
    assert "created: 0 items" in again.output


def test_a_refused_line_is_told_and_the_exit_code_says_it(config: Path):
    """Scripts notice; the rest went in; --report holds every line."""
    report = config.parent / "report.txt"

    result = command(
        config,
        "import-items",
        "barcode,title\n3.02E+13,Momo\n1002,Krabat\n",
        *("--report", str(report)),
    )

    assert result.exit_code == 1
    assert "refused · line 2: barcode: '3.02E+13'" in result.output
    assert "created: 1 items" in result.output
    assert "line 2" in report.read_text()


def test_a_long_list_of_problems_is_cut_on_the_screen(config: Path):
    """Forty lines are read by people, four thousand by nobody."""
    result = command(config, "import-items", "barcode,title\n" + ",Momo\n" * 50)

    assert "… and 10 more; --report FILE writes them all" in result.output


def test_readers_come_in_with_their_cards(config: Path):
    """The dry run counts, the real one writes."""
    text = "number,name,cards\nP-1,Ana Blum,04a1b2c3\n"
    dry = command(config, "import-patrons", text, "--dry-run")
    real = command(config, "import-patrons", text)

    assert "would create: 1 patrons" in dry.output
    assert "created: 1 patrons" in real.output


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("import-items", "Titel\nMomo\n", "has no column 'barcode'"),
        ("import-patrons", "", "is empty"),
        ("import-policy", "zone = ", "is no TOML file"),
        ("import-policy", 'zone = "Mars/Olympus"\nversions = []\n', "zone"),
    ],
)
def test_a_wrong_file_is_one_line_not_a_traceback(config: Path, name: str, text: str, says: str):
    """The message says what the file is and what to do."""
    result = command(config, name, text)

    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_the_example_rules_can_be_set(config: Path):
    """examples/policy.toml is accepted as it stands."""
    example = Path(__file__).parents[3] / "examples/policy.toml"

    result = command(config, "import-policy", example.read_text(encoding="utf-8"))

    assert result.exit_code == 0, result.output
    assert "version(s) of the rules are set" in result.output
