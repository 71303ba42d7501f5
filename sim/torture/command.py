"""`lendgate-sim torture` and `lendgate-sim honest`: real programs, real sockets, real deaths."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from sim.errors import SimError
from sim.faults import SEED_MAX

FOLDER_DEFAULT = Path("build/torture")
BROKERS = ("amqtt", "mosquitto", "mosquitto-default")
FACTS_PER_FAULT = 450  # three seconds at the usual rate: much gets through, and little whole
FAULTS_MIN = 22


Doc = dict[str, Any]


def _on_brokers(brokers: Sequence[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what adds the options of both commands. brokers: those that are used by default."""
    options = (
        click.option(
            "--write-docs",
            is_flag=True,
            help="Put its numbers into docs/reliability.md.",
        ),
        click.option(
            "--folder",
            default=FOLDER_DEFAULT,
            show_default=True,
            type=click.Path(file_okay=False, path_type=Path),
            help="Where journals, databases, logs and results go; emptied part by part.",
        ),
        click.option("--seed", default=1, show_default=True, type=click.IntRange(0, SEED_MAX)),
        click.option(
            "--broker",
            "brokers",
            multiple=True,
            default=tuple(brokers),
            show_default=True,
            type=click.Choice(BROKERS),
            help="One broker after another; repeatable.",
        ),
    )

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        for option in options:
            command = option(command)
        return command

    return with_options


@click.command()
@click.option(
    "--facts",
    default=100_000,
    show_default=True,
    type=click.IntRange(500, 10_000_000),
    help="How many facts are written, over all storms together.",
)
@_on_brokers(BROKERS)
@click.option("--stations", default=8, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--rate",
    default=150,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Facts a second that all stations write together.",
)
def torture(
    facts: int, brokers: tuple[str, ...], folder: Path, write_docs: bool, **rest: int
) -> None:
    """Kill, cut and stall real programs while they write, and compare the books afterwards.

    A broker, the gateway's program, stations with their journals on the disk and a cable for
    each are processes; connections are lost, refused, stalled, slowed and left half open, and
    everything is killed with SIGKILL and started again, as the seed says. Then all is mended,
    and when nothing waits any more every fact must be at the gateway, once, in its order, with
    its hash.

    Needs Mosquitto for two of the brokers. Exit code: 0 all is there, 1 something is missing.
    """
    from sim.torture.report import STORMS, sentence

    def play(broker: str) -> Doc:
        doc = _storm(broker, facts // len(brokers), folder, rest)
        click.echo(sentence(doc))
        return doc

    _report(brokers, play, folder / STORMS, write_docs=write_docs)


@click.command()
@click.option(
    "--loans",
    default=1_000,
    show_default=True,
    type=click.IntRange(5, 100_000),
    help="How many books are lent, on each broker.",
)
@_on_brokers(["mosquitto"])
def honest(
    loans: int, brokers: tuple[str, ...], seed: int, folder: Path, write_docs: bool
) -> None:
    """Let honest readers borrow and leave while broker, gateway and gate are killed.

    A kiosk and a gate, the whole programs on simulated hardware, and a broker and a gateway:
    three of the four are killed with SIGKILL again and again, as the seed says. No honest reader
    may hear the siren, every thief past a living gate must, and every loan must be at the
    gateway once. A thousand loans take a quarter of an hour.

    Exit code: 0 all was so, 1 something was not.
    """
    from sim.torture.report import DAYS, day_sentence

    def play(broker: str) -> Doc:
        doc = _day(broker, loans, folder, seed)
        click.echo(day_sentence(doc))
        return doc

    _report(brokers, play, folder / DAYS, write_docs=write_docs)


def _report(
    brokers: Sequence[str], play: Callable[[str], Doc], result: Path, *, write_docs: bool
) -> None:
    """Play on each broker, keep and show what came of it, and end with the exit code."""
    from sim.measure import machine
    from sim.torture.report import findings, keep, markdown
    from sim.torture.report import write_docs as write_page

    result.parent.mkdir(parents=True, exist_ok=True)
    about = machine.in_words(machine.describe(result.parent))
    click.echo(about)
    try:
        docs = [play(broker) for broker in brokers]
        keep(result, docs, about)
        click.echo(f"all numbers: {result}")
        if write_docs:
            write_page(markdown(result.parent))
    except SimError as error:
        click.echo(f"lendgate-sim: {error}", err=True)
        sys.exit(1)
    for finding in findings(docs):
        click.echo(f"✗ {finding}", err=True)
    sys.exit(1 if findings(docs) else 0)


def _storm(broker: str, facts: int, folder: Path, options: dict[str, int]) -> Doc:
    from sim.torture.faults import Storm
    from sim.torture.play import Player

    storm = Storm(
        seed=options["seed"],
        facts=facts,
        stations=options["stations"],
        facts_per_s=options["rate"],
        faults=max(FAULTS_MIN, facts // FACTS_PER_FAULT),
    )
    with click.progressbar(length=facts, label=broker) as bar:
        player = Player(
            (folder / broker).resolve(), broker, storm,
            tell=lambda committed, _what: bar.update(committed - bar.pos),
        )  # fmt: skip
        return player.play().doc()


def _day(broker: str, loans: int, folder: Path, seed: int) -> Doc:
    from sim.torture.honest import Readers

    with click.progressbar(length=loans, label=broker) as bar:
        readers = Readers(
            (folder / f"honest-{broker}").resolve(), broker, loans=loans, seed=seed,
            tell=lambda lent: bar.update(lent - bar.pos),
        )  # fmt: skip
        return readers.play().doc()
