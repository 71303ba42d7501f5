"""`lendgate-sim soak`: many seeds, or one again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.errors import SimError
from sim.faults import SEED_MAX
from sim.fleet.acts import DEFAULT_SHAPE, SHAPES, Plan, from_json, to_json

if TYPE_CHECKING:
    from sim.fleet.soak import Ran, Totals

KEPT_IN = Path("build/soak")
HELD, BROKEN, BAD_FILE = 0, 1, 2
LINE_EVERY_SEEDS, LINE_EVERY_S = 100, 60
"""In a log, which has no bar: whichever comes first."""


@click.command()
@click.option("--seeds", default=200, show_default=True, type=click.IntRange(1, SEED_MAX))
@click.option(
    "--from", "first", default=0, show_default=True, type=click.IntRange(0), help="First seed."
)
@click.option(
    "--jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1, 256),
    help="Processes side by side; by default one a core.",
)
@click.option("--replay", type=click.IntRange(0, SEED_MAX), metavar="SEED", help="One seed again.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play a kept plan instead of a seed.",
)
@click.option(
    "--shape",
    default=DEFAULT_SHAPE,
    show_default=True,
    type=click.Choice(list(SHAPES)),
    help="Of the library; see below.",
)
@click.option("--whole", is_flag=True, help="With --replay: do not shorten the plan.")
@click.option(
    "--folder",
    default=KEPT_IN,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where numbers and plans are kept.",
)
@click.option(
    "--write-docs",
    is_flag=True,
    help="Put the numbers into docs/reliability.md, and keep them in docs/soaks.",
)
def soak(replay: int | None, plan_file: Path | None, **options: Any) -> None:
    """Play whole libraries through every fault there is, and check every promise.

    One seed is an hour of three kiosks and two gates, with about a dozen faults; then all is
    healed and must come to rest. The journals, the sync, the gates and the gateway are those
    of the product; clock, network, disk and broker are not.

    With --replay a seed that broke a promise is made short and told as a story.

    \b
    soak      3 kiosks, 2 gates, an hour       calm      the same without faults
    storm     few books, 20 minutes, four times as many faults
    branches  two sites, four kiosks
    day       10 kiosks, 4 gates, 3 sites, 24 hours

    Exit code: 0 every promise was kept, 1 one was broken, 2 a plan could not be read.
    """
    wanted = Wanted(**options)
    if plan_file is not None:
        sys.exit(_play_again(_read(plan_file), wanted, f"--plan {plan_file}"))
    if replay is not None:
        from sim.fleet.soak import Job, plan_of

        job = Job(replay, wanted.shape)
        sys.exit(_play_again(plan_of(job), wanted, f"--replay {replay} --shape {job.shape}"))
    try:
        sys.exit(_soak(wanted))
    except SimError as error:
        raise click.ClickException(str(error)) from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    seeds: int
    first: int
    jobs: int
    shape: str
    whole: bool
    folder: Path
    write_docs: bool


def _soak(wanted: Wanted) -> int:
    from sim.fleet import soak_page
    from sim.fleet.soak import Totals, jobs_of, run_seeds
    from sim.measure import machine

    wanted.folder.mkdir(parents=True, exist_ok=True)
    facts = machine.describe(wanted.folder)
    jobs = jobs_of(range(wanted.first, wanted.first + wanted.seeds), wanted.shape)
    totals, started = Totals(), time.monotonic()
    runs = run_seeds(jobs, min(wanted.jobs, len(jobs)))
    if sys.stdout.isatty():
        with click.progressbar(runs, length=len(jobs), label="seeds", show_eta=True) as bar:
            _add(totals, bar, before="\n")
    else:
        _add(totals, in_lines(runs, len(jobs)))
    seconds = time.monotonic() - started
    click.echo(soak_page.in_words(totals, seconds))
    folder = soak_page.SOAKS if wanted.write_docs else wanted.folder
    click.echo(f"\nall numbers: {soak_page.keep(folder, totals, facts, seconds)}")
    everything = soak_page.recorded(soak_page.SOAKS, wanted.folder)
    click.echo(f"recorded so far: {everything.seeds:,} seeds, {everything.facts:,} facts")
    if wanted.write_docs:
        documented = soak_page.recorded(soak_page.SOAKS)
        block = soak_page.markdown(totals, documented, machine.in_words(facts))
        soak_page.write_page(soak_page.PAGE, block)
        click.echo(f"written to {soak_page.PAGE}")
    return BROKEN if totals.failed_seeds or totals.too_doubtful else HELD


def _add(totals: Totals, runs: Iterable[Ran], *, before: str = "") -> None:
    """Add up the seeds as they end. before: put in front of a failure, to leave a bar's line."""
    for ran in runs:
        totals.add(ran)
        if ran.violations:
            click.echo(f"{before}seed {ran.job.seed}: {ran.violations[0].text}", err=True)


def in_lines(
    runs: Iterable[Ran], of: int, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Ran]:
    """Yield the seeds as they end, and say now and then in a line how far they are.

    of: how many there are. monotonic: seconds, since whenever.
    """
    started = told_at = monotonic()
    failed = 0
    for done, ran in enumerate(runs, start=1):
        yield ran
        failed += bool(ran.violations)
        now = monotonic()
        if done == of or (done % LINE_EVERY_SEEDS and now - told_at < LINE_EVERY_S):
            continue
        told_at, left_s = now, (now - started) * (of - done) / done
        click.echo(
            f"seeds: {done:,} of {of:,} in {(now - started) / 60:.0f} min,"
            f" about {left_s / 60:.0f} min more; {failed} failed",
            err=True,
        )


def _play_again(plan: Plan, wanted: Wanted, how: str) -> int:
    from sim.fleet.play import play
    from sim.fleet.shrink import shrink
    from sim.fleet.soak import judge
    from sim.fleet.story import tell

    violations = judge(plan)
    if not violations:
        click.echo(f"every promise was kept; digest {play(plan).digest}")
        return HELD
    for violation in violations:
        click.echo(f"{violation.rule}: {violation.text}")
    found = violations[0]
    if not wanted.whole:
        click.echo("\nmaking it short …", err=True)
        short = shrink(plan, found, judge)
        plan, found = short.plan, short.violation
        click.echo(f"{short.plays} plays; {len(plan.acts)} acts and {len(plan.rates)} rates left")
    wanted.folder.mkdir(parents=True, exist_ok=True)
    file = wanted.folder / f"plan-{plan.seed}-{found.rule}.json"
    file.write_text(to_json(plan), encoding="utf-8")
    if found.rule != "engine":
        click.echo(f"\n{tell(play(plan), found)}")
    click.echo(f"\nreplay with: lendgate-sim soak {how}")
    click.echo(f"this short plan: lendgate-sim soak --whole --plan {file}")
    return BROKEN


def _read(file: Path) -> Plan:
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        click.echo(f"lendgate-sim: {file} holds no plan: {error}", err=True)
        sys.exit(BAD_FILE)
