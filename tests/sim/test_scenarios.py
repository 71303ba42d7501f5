"""Every scenario we ship, played on the virtual house; and what the command line says of it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.errors import ScenarioInvalid
from sim.house.house import House
from sim.scenario.house import HouseStage
from sim.scenario.play import Player
from sim.scenario.text import parse_scenario, read_scenario

FOLDER = Path(__file__).parents[2] / "examples" / "scenarios"
FILES = sorted(FOLDER.glob("*.scenario"))


def run(*arguments):
    """Return the exit code and everything that was said."""
    result = CliRunner().invoke(main, ["play", *[str(part) for part in arguments]])
    return result.exit_code, result.output


def written(folder, text):
    file = folder / "mine.scenario"
    file.write_text(text)
    return file


@pytest.fixture
def stage():
    """A house with everything on."""
    with House() as house:
        yield HouseStage(house)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_scenario_goes_as_it_is_written(file, stage):
    """The examples are true."""
    player = Player(read_scenario(file), stage)

    assert player.play(), player.reports[-1].text()


@pytest.mark.parametrize(
    "name",
    "lend_and_leave offline_then_sync pad_unplugged scanner_unplugged printer_out_of_paper "
    "foreign_book misread_label two_lanes".split(),
)
def test_a_scenario_goes_the_same_on_the_drivers_of_real_devices(name):
    """Byte by byte: a 3M pad, an RC522, a serial scanner and a receipt printer."""
    with House(wired=("kiosk-1", "kiosk-2")) as house:
        player = Player(read_scenario(FOLDER / f"{name}.scenario"), HouseStage(house))

        assert player.play(), player.reports[-1].text()


def test_a_scenario_is_played_on_wires_from_the_command_line():
    """One option; it is said where the seed is."""
    code, said = run(FOLDER / "unlent_book_alarms.scenario", "--wires")

    assert code == 0
    assert "(--seed 0 --wires)" in said


def test_enough_scenarios_are_shipped():
    """The stories of the design's four people are all there, each with a sentence at its top."""
    titles = [read_scenario(file).title for file in FILES]

    assert len(FILES) >= 12
    assert len(set(titles)) == len(titles)
    assert all(len(title.split()) >= 5 for title in titles)


def test_playing_a_file_says_how_it_went():
    """Zero is the exit code of a scenario that went as written; the seed is said."""
    code, said = run(FOLDER / "unlent_book_alarms.scenario", "--seed", 9)

    assert code == 0
    assert "✓" in said
    assert "5 of 5 steps" in said
    assert "--seed 9" in said


def test_a_verbose_player_tells_each_step():
    """Every step with the moment it began."""
    code, said = run(FOLDER / "unlent_book_alarms.scenario", "--verbose")

    assert code == 0
    assert "0.00 s  walk out through gate-1 lane-2 with Dune" in said
    assert "1.00 s  expect alarm at gate-1" in said


def test_a_failed_step_is_told_with_what_was_seen(tmp_path):
    """One is the exit code; the step, its line, what was seen and the log around it are said."""
    file = written(
        tmp_path, "# A thief.\nwalk out through gate-1 with Dune\nexpect silence at gate-1\n"
    )
    code, said = run(file)

    assert code == 1
    assert f"{file}:3" in said
    assert "seen: the siren of gate-1 sounds" in said
    assert "gate-1: somebody walks out through lane-1 with Dune" in said
    assert "gate-1: siren on" in said


def test_a_bad_file_is_two_and_nothing_is_played(tmp_path):
    """What cannot be read is another matter than what went wrong."""
    code, said = run(written(tmp_path, "plaice Momo on kiosk-1/pad\n"))

    assert code == 2
    assert "mine.scenario:1: no verb 'plaice' (did you mean 'place'?)" in said


def test_the_worst_file_decides_the_code(tmp_path):
    """Several files are all played, and the code is that of the worst."""
    bad = written(tmp_path, "expect item Dune on_loan at gateway within 1 ms\n")
    code, said = run(FOLDER / "unlent_book_alarms.scenario", bad)

    assert code == 1
    assert said.count("✓") == 1


def test_a_folder_is_every_scenario_in_it(tmp_path):
    """A project keeps its scenarios in a folder and names that."""
    (tmp_path / "a.scenario").write_text("wait 1 s\n")
    (tmp_path / "b.scenario").write_text("wait 2 s\n")

    code, said = run(tmp_path)

    assert (code, said.count("✓")) == (0, 2)


def test_without_a_file_it_says_what_is_missing():
    """A usage error, with the way to the words."""
    code, said = run()

    assert code == 2
    assert "--words" in said


def test_the_words_are_printed():
    """Everything a scenario can say is one option away."""
    code, said = run("--words")

    assert code == 0
    assert "expect alarm at GATE [within TIME] [naming TEXT]" in said
    assert "cut_power STATION" in said


def test_a_player_is_stepped_and_reports_each_step(stage):
    """A page plays one step at a time, and is told each; after a failure nothing is played."""
    scenario = parse_scenario("wait 1 s\nexpect tag Momo on_loan within 1 s\nwait 1 s\n")
    told = []
    player = Player(scenario, stage, listen=told.append)

    assert player.next.text == "wait 1 s"
    assert player.step().ok
    assert not player.step().ok
    assert player.failed
    assert player.next is None
    assert player.step() is None
    assert [(report.n, report.ok, report.began_ms) for report in told] == [
        (1, True, 0),
        (2, False, 1_000),
    ]
    assert told[1].said == "the tag of Momo says in_stock (looked for 1 s)"


def test_steps_can_be_timed(stage):
    """`at` counts from the start, `after` from the step before; too late is a failure."""
    text = "at 3 s scan Momo at kiosk-1\nafter 200 ms wait 1 s\nat 1 s wait 1 s\n"
    player = Player(parse_scenario(text), stage)
    player.play()

    assert [report.began_ms for report in player.reports] == [3_000, 3_200, 4_200]
    assert player.reports[-1].said == "too late by 3200 ms; the steps before took longer"


def test_a_fault_that_is_not_modelled_fails_the_step(stage):
    """A scenario cannot pass because a fault was ignored."""
    player = Player(parse_scenario("fault gate-1/siren garbage\n"), stage)

    assert not player.play()
    assert player.reports[0].said.endswith("unknown fault 'garbage'; it models off, stuck")


def test_a_hand_that_cannot_is_a_failed_step(stage):
    """Two people in one lane, power cut twice, a button without power: all are said."""
    for text, says in (
        ("meanwhile walk out through gate-1\nwalk out through gate-1\n", "somebody is in lane-1"),
        ("cut_power kiosk-1\ncut_power kiosk-1\n", "it has no power already"),
        ("cut_power kiosk-2\npress finish at kiosk-2\n", "it has no power; nobody can press"),
        ("press dance at kiosk-2\n", "no action 'dance'"),
        ("press finish at kiosk-2\n", "not possible now"),
        ("pull Dune after 1 writes\n", "it lies on no pad"),
    ):
        stage.run(2_000)
        player = Player(parse_scenario(text), stage)
        assert not player.play(), text
        assert says in player.reports[-1].said
        if "kiosk-2\np" in text and text.startswith("cut"):
            stage.restore_power("kiosk-2")


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            "place Mono on kiosk-1/pad",
            "'Mono': no book and no card is called so (did you mean 'Momo'?)",
        ),
        ("place Momo on kiosk-1/pat", "no such place (did you mean 'kiosk-1/pad'?)"),
        ("scan Momo at kiosk-9", "no such kiosk (did you mean 'kiosk-2'?)"),
        ("walk out through gate-1 lane-3", "no such lane of gate-1"),
        ("cut_power gateway", "no such station"),
        ("fault kiosk-1/pud off", "no such device (did you mean 'kiosk-1/pad'?)"),
        ("link kiosk-7 down", "no such network plug"),
    ],
)
def test_a_name_that_is_not_there_is_a_bad_file(stage, step, says):
    """Names are looked up before anything is played, and the nearest one is offered."""
    with pytest.raises(ScenarioInvalid) as refused:
        Player(parse_scenario(f"wait 1 s\n{step}\n", "mine"), stage)

    assert str(refused.value).startswith("mine:2: ")
    assert says in str(refused.value)
    assert stage.now_ms() == 0


def test_the_same_seed_plays_the_same(tmp_path):
    """A scenario with chance in it goes the same way every time."""
    text = (
        "fault kiosk-1/link intermittent share=0.4 seed=5\n"
        'show "Lena Hoffmann" at kiosk-1\nplace Momo on kiosk-1/pad\n'
        "expect tick for Momo at kiosk-1\nexpect item Momo on_loan at gateway within 60 s\n"
    )
    took = []
    for _ in range(2):
        with House(seed=3) as house:
            player = Player(parse_scenario(text), HouseStage(house))
            player.must_succeed()
            took.append([(report.began_ms, report.took_ms) for report in player.reports])

    assert took[0] == took[1]
