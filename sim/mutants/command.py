"""`lendgate-sim mutants`: planting bugs, to see that they are found."""

import os
import sys

import click

from sim.errors import SimError
from sim.mutants.catalogue import MUTANTS
from sim.mutants.hunt import BUDGET, Found, hunt, keep_seeds, table
from sim.mutants.mutant import Mutant
from sim.mutants.page import write_page


@click.command()
@click.option("--only", multiple=True, metavar="NAME", help="These alone; can be repeated.")
@click.option(
    "--budget",
    default=BUDGET,
    show_default=True,
    type=click.IntRange(1),
    help="So many seeds are played against each.",
)
@click.option(
    "--jobs",
    default=os.cpu_count() or 1,
    type=click.IntRange(1, 256),
    help="Processes side by side; by default one a core.",
)
@click.option("--keep", is_flag=True, help="Remember which seed found which, for the next hunt.")
@click.option("--write-docs", is_flag=True, help="Put what found which into docs/reliability.md.")
@click.option("--list", "names_only", is_flag=True, help="Print the mutants and stop.")
def mutants(
    *,
    only: tuple[str, ...],
    budget: int,
    jobs: int,
    keep: bool,
    write_docs: bool,
    names_only: bool,
) -> None:
    """Plant bugs in production code, one at a time, and see which seed finds each.

    The files stay as they are: a process imports one module with one mistake in it, and plays
    seeds of `lendgate-sim soak` until a promise is broken. What two threads only can do wrong is
    left to a test, which must fail.

    Exit code: 0 all were found, 1 one survived.
    """
    chosen = [_named(name) for name in only] or list(MUTANTS.values())
    if names_only:
        for one in chosen:
            click.echo(f"{one.name}: {one.what} ({one.file})")
        return
    try:
        found = _hunt(chosen, budget, jobs, keep=keep)
    except SimError as error:
        raise click.ClickException(str(error)) from error
    survived = [one.mutant.name for one in found if one.survived]
    click.echo()
    table(found, click.echo)
    click.echo()
    if survived:
        click.echo(f"{len(survived)} of {len(found)} survived: {', '.join(survived)}", err=True)
        click.echo(
            "Make a fault likelier, a check stricter, or the mutant more of a bug.", err=True
        )
        sys.exit(1)
    if write_docs:
        write_page()
    click.echo(f"all {len(found)} were found")


def _named(name: str) -> Mutant:
    if name not in MUTANTS:
        raise click.BadParameter(f"{name!r}: no such mutant; --list names them")
    return MUTANTS[name]


def _hunt(chosen: list[Mutant], budget: int, jobs: int, *, keep: bool) -> list[Found]:
    """Hunt, and say each end as it comes; what was found is kept even if the rest is not."""
    done: dict[str, Found] = {}
    for one in hunt(chosen, budget=budget, jobs=jobs):
        done[one.mutant.name] = one
        click.echo(f"{len(done):3} of {len(chosen)}  {one.mutant.name}: {one.by} {one.rule}")
        if keep:
            keep_seeds([one])
    return [done[mutant.name] for mutant in chosen]
