"""`lendgate-sim torture`: real programs, real sockets, and a storm."""

import sys
from pathlib import Path
from typing import Any

import click

from sim.errors import SimError
from sim.faults import SEED_MAX

FOLDER_DEFAULT = Path("build/torture")
FACTS_PER_FAULT = 300
FAULTS_MIN = 22


@click.command()
@click.option(
    "--facts",
    default=100_000,
    show_default=True,
    type=click.IntRange(500, 10_000_000),
    help="How many facts are written, over all storms together.",
)
@click.option(
    "--broker",
    "brokers",
    multiple=True,
    type=click.Choice(["amqtt", "mosquitto", "mosquitto-default"]),
    help="Of one storm; repeatable. Without it each of the three has one.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, SEED_MAX))
@click.option("--stations", default=8, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--rate",
    default=300,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Facts a second that all stations write together.",
)
@click.option(
    "--folder",
    default=FOLDER_DEFAULT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where journals, databases, logs and the results go; a folder a broker, emptied first.",
)
@click.option("--write-docs", is_flag=True, help="Put the result into docs/reliability.md.")
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
    from sim.measure import machine
    from sim.torture.brokers import BROKERS
    from sim.torture.report import findings, markdown, write_json
    from sim.torture.report import write_docs as write_page

    names = brokers or BROKERS
    folder.mkdir(parents=True, exist_ok=True)
    about = machine.describe(folder)
    click.echo(machine.in_words(about))
    try:
        docs = [_storm(name, facts // len(names), folder, rest) for name in names]
        write_json(folder / "torture.json", docs, about)
        click.echo(f"all numbers: {folder / 'torture.json'}")
        if write_docs:
            write_page(markdown(docs, machine.in_words(about)))
    except SimError as error:
        click.echo(f"lendgate-sim: {error}", err=True)
        sys.exit(1)
    for finding in findings(docs):
        click.echo(f"✗ {finding}", err=True)
    sys.exit(1 if findings(docs) else 0)


def _storm(broker: str, facts: int, folder: Path, options: dict[str, int]) -> dict[str, Any]:
    from sim.torture.faults import Storm
    from sim.torture.play import Player
    from sim.torture.report import sentence

    storm = Storm(
        seed=options["seed"],
        facts=facts,
        stations=options["stations"],
        facts_per_s=options["rate"],
        faults=max(FAULTS_MIN, facts // FACTS_PER_FAULT),
    )
    with click.progressbar(length=facts, label=broker) as bar:

        def tell(committed: int, _what: str) -> None:
            bar.update(committed - bar.pos)

        player = Player((folder / broker).resolve(), broker, storm, tell=tell)
        doc = player.play().doc()
        bar.update(facts - bar.pos)
    click.echo(sentence(doc))
    return doc
