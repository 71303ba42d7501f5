"""The simulator's program: `lendgate-sim`, or `python -m sim`."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from circulation.errors import ConfigInvalid
from circulation.lazy_commands import LazyGroup
from sim.errors import SimError

LIBRARY_DEFAULT = Path(__file__).parent.parent / "examples" / "demo"
FOLDER_DEFAULT = Path("build/demo")
CHECK_FOLDER_DEFAULT = Path("build/demo-check")
MEASURE_FOLDER_DEFAULT = Path("build/bench")
BENCH_PORT_DEFAULT = 18090

PORT = click.IntRange(0, 65_535)
A_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
A_FOLDER = click.Path(file_okay=False, path_type=Path)
_IN_MODULES = {
    "play": "sim.scenario.command:play",
    "show": "sim.recording.command:show",
    "replay": "sim.recording.command:replay",
    "record": "sim.recording.command:record",
    "soak": "sim.fleet.command:soak",
    "mutants": "sim.mutants.command:mutants",
    "torture": "sim.torture.command:torture",
    "honest": "sim.torture.command:honest",
}


@click.group(
    cls=LazyGroup,
    lazy=_IN_MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 95},
)
def main() -> None:
    """Lendgate on simulated hardware: a whole library, or one of its parts.

    Nothing here needs root, a network or any hardware, and nothing is written outside the
    folder you name.
    """


def _ports(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the demo's programs listen."""
    for option, default, what in reversed(
        (
            ("--broker-port", 18830, "the MQTT broker"),
            ("--gateway-port", 18080, "the gateway's page"),
            ("--kiosk-1-port", 18081, "the first kiosk's screen"),
            ("--kiosk-2-port", 18082, "the second kiosk's screen"),
            ("--bench-port", BENCH_PORT_DEFAULT, "the bench's page"),
        )
    ):
        text = f"Port of {what}; 0 takes a free one."
        command = click.option(option, default=default, show_default=True, type=PORT, help=text)(
            command
        )
    return command


def _measuring(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that whatever measures has."""
    for option in (
        click.option("--write-docs", is_flag=True, help="Put it into docs/performance.md."),
        click.option(
            "--folder",
            default=MEASURE_FOLDER_DEFAULT,
            show_default=True,
            type=A_FOLDER,
            help="Where numbers and pictures go, and the disk that is measured.",
        ),
        click.option(
            "--quick", is_flag=True, help="Prove that it runs; the numbers mean nothing."
        ),
    ):
        command = option(command)
    return command


@main.command()
@_ports
@click.option(
    "--folder",
    default=FOLDER_DEFAULT,
    show_default=True,
    type=A_FOLDER,
    help="Where everything is kept; emptied at the start unless --keep.",
)
@click.option("--keep", is_flag=True, help="Go on with the library of the last demo.")
def demo(folder: Path, keep: bool, **ports: int) -> None:
    """Start a whole library: broker, gateway, two kiosks, two gates and the bench.

    Open the bench, lay a reader's card on a kiosk's card spot and books on its pad, then walk
    out through a gate. Pull a network plug and do it again. Ctrl-C stops all of it.
    """
    from sim.demo import Demo, ports_from

    stop = _stop_on_signal()

    def go() -> None:
        with Demo(folder, ports_from(ports), fresh=not keep, say=_say) as running:
            running.start(stop)
            running.wait(stop)

    _run(go)


@main.command("demo-check")
@click.option(
    "--folder",
    default=CHECK_FOLDER_DEFAULT,
    show_default=True,
    type=A_FOLDER,
    help="Where its library is kept; emptied at the start.",
)
def demo_check(folder: Path) -> None:
    """Play the demo by a script, without a browser, and stop at the first surprise.

    Lends two books, cuts a network plug, lends and returns, restores it, carries books through
    a gate. Uses free ports, so a running demo is not disturbed.
    """
    from sim.demo_check import check

    stop = _stop_on_signal()
    _run(lambda: check(folder, stop=stop, say=_say))


@main.command()
@click.option("--port", default=BENCH_PORT_DEFAULT, show_default=True, type=PORT)
@click.option(
    "--device-port",
    default=0,
    show_default=True,
    type=PORT,
    help="Where stations find their devices; 0 takes a free one, shown in /api/state.",
)
@click.option(
    "--library",
    default=LIBRARY_DEFAULT,
    show_default=True,
    type=A_FOLDER,
    help="Folder with items.csv and patrons.csv.",
)
@click.option("--plan", type=A_FILE, hidden=True, help="The demo's plan, as JSON.")
def bench(port: int, device_port: int, library: Path, plan: Path | None) -> None:
    """Start the bench alone: shelf, pads, gates and cards, for stations you start yourself.

    `lendgate-sim kiosk` and `lendgate-sim gate` take their devices from it.
    """
    from sim.bench.serve import BenchPlan, read_plan, run

    built = read_plan(plan) if plan else BenchPlan(library, port, device_port)
    _run(lambda: run(built, say=_say))


@main.command()
@click.argument("config", type=A_FILE)
@click.option("--device-port", required=True, type=PORT, help="The bench's device port.")
@click.option("--wires", is_flag=True, help="Run the drivers that CONFIG names, on wires.")
def kiosk(config: Path, device_port: int, wires: bool) -> None:
    """Run a kiosk from its CONFIG file, on devices of the bench."""
    from circulation.config import read_config
    from hardware.clock import SystemClock
    from kiosk.app import run

    if wires:
        from sim.wires import wired_kiosk as make
    else:
        from sim.stations import bench_kiosk as make

    clock, stop = SystemClock(), _stop_on_signal()
    _log_to_stderr()

    def go() -> None:
        section = read_config(config)
        with make(section, device_port, clock) as devices:
            run(section, devices, clock=clock, stop=stop, ready=lambda at: _say(f"screen: {at}"))

    _run(go)


@main.command()
@click.argument("config", type=A_FILE)
@click.option("--device-port", required=True, type=PORT, help="The bench's device port.")
@click.option("--lane", "lanes", multiple=True, default=("lane-1",), help="A lane; repeatable.")
@click.option("--firmware", is_flag=True, help="Run a microcontroller's firmware, on a board.")
@click.option(
    "--cable",
    "cables",
    multiple=True,
    metavar="LANE=URL",
    help="With --firmware: where a lane's antenna is plugged in; repeatable.",
)
def gate(
    config: Path,
    device_port: int,
    lanes: tuple[str, ...],
    firmware: bool,
    cables: tuple[str, ...],
) -> None:
    """Run a gate from its CONFIG file, on devices of the bench.

    With --firmware CONFIG is the JSON file of a microcontroller; the program runs on a real
    MicroPython where there is one, with a simulated board around it.
    """
    from hardware.clock import SystemClock

    clock, stop = SystemClock(), _stop_on_signal()
    _log_to_stderr()

    def go() -> None:
        if firmware:
            from sim.mcu.station import run_firmware

            run_firmware(config, cables, port=device_port, clock=clock, stop=stop, say=_say)
            return
        from circulation.config import read_config
        from firmware.pi.app import run
        from sim.stations import gate_devices

        section = read_config(config)
        devices = gate_devices(section.text("station"), lanes, device_port, clock)
        run(section, devices, clock=clock, stop=stop)

    _run(go)


@main.command()
@click.option("--only", "only", multiple=True, metavar="NAME", help="One benchmark; repeatable.")
@click.option(
    "--items",
    default=20_000,
    show_default=True,
    type=click.IntRange(200, 2_000_000),
    help="How many items the catalogue has, where that matters.",
)
@_measuring
def measure(
    only: tuple[str, ...], items: int, quick: bool, folder: Path, write_docs: bool
) -> None:
    """Measure what the design promises, each number beside its floor in the same run.

    \b
    kiosk    a label under the scanner, to the decision on the disk
    ingest   facts through memory into the gateway's tables, beside bare SQL
    broker   facts through Mosquitto and the whole gateway; the dashboard meanwhile
    outage   a day of a thousand stations at once, through the same; the dashboard meanwhile
    cold     a kiosk without a catalogue, to the first item found
    down     changes to a kiosk under load, and a list for hundreds of kiosks at once
    site     a loan, to the gates of the building, no gateway anywhere
    gate     tag and beam, to the siren; decisions a second; memory of the list
    list     the list for a microcontroller: building it, bytes, misses, reads of flash
    reader   a round on an RC522: empty, one card, six; beside the package mfrc522
    fold     facts a second into the state of an item
    demo     the demo, to ready; memory of its programs

    Everything together takes about eight minutes on two idle cores, half of it `outage`. On a
    busy machine look at the ratio: the floor is slowed just as much. `broker`, `outage` and
    `site` need Mosquitto.
    """
    from sim.measure.run import Wanted, page_of, run

    def go() -> None:
        page = page_of(only, quick=quick) if write_docs else None
        run(Wanted(folder, only, items, quick, page), _say)

    _run(go)


@main.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(["facts", "items", "stations"]),
    help="This alone; can be repeated.",
)
@click.option(
    "--largest",
    default=1_500_000,
    show_default=True,
    type=click.IntRange(1),
    help="No size beyond it.",
)
@click.option(
    "--items",
    default=10_000,
    show_default=True,
    type=click.IntRange(100, 2_000_000),
    help="Of the library that facts and stations are measured in.",
)
@_measuring
def growth(**options: Any) -> None:
    """Measure how costs grow, and draw each beside its floor.

    \b
    facts     ingest of a backlog of 1,000 to 1,000,000, beside bare SQL
    items     a cold kiosk, 10,000 to 1,500,000, beside copying and hashing the same bytes
    stations  20,000 facts of 10 to 1,000 stations, beside the bare broker (needs Mosquitto)

    All of it takes about a quarter of an hour on two idle cores, most of that at the largest.
    """
    from sim.measure.growth import Wanted, grow

    def go() -> None:
        for file in grow(Wanted(**options), _say):
            _say(str(file))

    _run(go)


@main.command(hidden=True)
@click.argument("config", type=A_FILE)
@click.option("--fill", "library", type=A_FOLDER, help="With items.csv and patrons.csv.")
def gateway(config: Path, library: Path | None) -> None:
    """Run a gateway from its CONFIG file, filled with a library first if one is named.

    In one process: to import a gateway's modules takes far longer than to fill it.
    """
    from gateway.__main__ import main as program

    if library is not None:
        from sim.fill import fill

        _run(lambda: _say(fill(config, library)))
    program(["run", "--config", str(config)], prog_name="lendgate-gateway")


def _run(work: Callable[[], Any]) -> None:
    """Do it; what is wrong becomes one sentence and exit code 1, never a traceback."""
    try:
        work()
    except (SimError, ConfigInvalid) as error:
        click.echo(f"lendgate-sim: {error}", err=True)
        sys.exit(1)


def _stop_on_signal() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")


def _say(line: str) -> None:
    click.echo(line)


if __name__ == "__main__":
    main(prog_name="lendgate-sim")
