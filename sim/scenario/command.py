"""`lendgate-sim play`: scenarios on the command line."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sim.errors import ScenarioInvalid, SimError
from sim.faults import SEED_MAX
from sim.scenario.forms import words_page
from sim.scenario.play import Player, Report
from sim.scenario.stage import Stage
from sim.scenario.text import Scenario, read_scenario

PLAYED, FAILED, BAD_FILE = 0, 1, 2

A_SCENARIO = click.Path(path_type=Path)


@click.command()
@click.argument("files", nargs=-1, type=A_SCENARIO)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, SEED_MAX),
    help="Of everything that is random in the house.",
)
@click.option("--verbose", is_flag=True, help="Print each step as it is played.")
@click.option("--wires", is_flag=True, help="Let the kiosks run the drivers of real devices.")
@click.option("--bench", metavar="URL", help="Play at a running demo, in real time.")
@click.option("--words", is_flag=True, help="Print everything a scenario can say, and stop.")
def play(files: tuple[Path, ...], words: bool, **options: Any) -> None:
    """Play scenario FILES, each in a library of its own, and say how it went.

    Without --bench the library is in this process, on a clock that jumps: minutes pass in a
    moment, and the same each time; with --wires its kiosks run the drivers of a 3M pad, an
    RC522, a serial scanner and a receipt printer, byte by byte. With --bench the hands are
    those of the bench at URL (see `lendgate-sim demo`), and its library is the one that is
    changed: what was broken is mended afterwards, what was lent stays lent.

    Exit code: 0 all went as written, 1 a step failed, 2 a file could not be read or names what
    is not there.
    """
    if words:
        click.echo(words_page(), nl=False)
        return
    if not files:
        raise click.UsageError("name at least one file; --words lists what one can say")
    wanted = Wanted(**options)
    if wanted.bench and wanted.wires:
        raise click.UsageError("--wires is for the library of this process; a demo has its own")
    handler = logging.StreamHandler() if wanted.verbose else logging.NullHandler()
    logging.getLogger().addHandler(handler)
    codes = [_play_file(file, wanted) for file in _found(files)]
    sys.exit(max(codes))


def _found(files: tuple[Path, ...]) -> list[Path]:
    """Return the files; of a folder, every scenario in it."""
    found: list[Path] = []
    for file in files:
        inside = sorted(file.glob("**/*.scenario")) if file.is_dir() else [file]
        if not inside:
            raise click.UsageError(f"{file}: no *.scenario in this folder")
        found += inside
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to play: the command's options."""

    seed: int
    verbose: bool
    wires: bool
    bench: str | None


def _play_file(file: Path, wanted: Wanted) -> int:
    try:
        scenario = read_scenario(file)
        failed = _play_at(scenario, wanted) if wanted.bench else _play(scenario, wanted)
    except ScenarioInvalid as error:
        click.echo(f"lendgate-sim: {error}", err=True)
        return BAD_FILE
    except SimError as error:
        click.echo(f"lendgate-sim: {file}: {error}", err=True)
        return FAILED
    return FAILED if failed else PLAYED


def _play(scenario: Scenario, wanted: Wanted) -> bool:
    from sim.demo_plan import KIOSKS
    from sim.house.house import House
    from sim.scenario.house import HouseStage

    wired = [plan.station for plan in KIOSKS] if wanted.wires else []
    with House(seed=wanted.seed, wired=wired) as house:
        how = f" (--seed {wanted.seed}{' --wires' if wired else ''})"
        return _perform(scenario, HouseStage(house), wanted.verbose, how)


def _play_at(scenario: Scenario, wanted: Wanted) -> bool:
    from sim.scenario.bench import BenchStage

    stage = BenchStage(str(wanted.bench))
    try:
        return _perform(scenario, stage, wanted.verbose, "")
    finally:
        stage.tidy()


def _perform(scenario: Scenario, stage: Stage, verbose: bool, how: str) -> bool:
    """Play it and say how it went; return whether it failed."""

    def tell(report: Report) -> None:
        if verbose or not report.ok:
            click.echo(report.text())

    player = Player(scenario, stage, listen=tell)
    ok = player.play()
    done = f"{len(player.reports)} of {len(scenario.steps)} steps"
    took = f"{stage.now_ms() / 1000:.1f} s"
    click.echo(f"{'✓' if ok else '✗'} {scenario.file}: {scenario.title} ({done}, {took}){how}")
    return not ok
