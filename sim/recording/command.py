"""`lendgate-sim show`, `replay` and `record`: recordings on the command line."""

import sys
from pathlib import Path

import click

from hardware.clock import SystemClock
from hardware.errors import HardwareError
from hardware.ports import TagReader
from sim.errors import RecordingInvalid, ReplayDiffers
from sim.recording.drivers import DRIVERS, RecorderWires, replay_through
from sim.recording.file import read_recording
from sim.recording.recorder import CAUTION, Recorder
from sim.recording.words import event_words

SAME, OTHERWISE, BAD_FILE = 0, 1, 2
LOOK_EVERY_MS = 200
SECONDS_MAX = 3_600

A_RECORDING = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=A_RECORDING)
@click.option("--wire", help="Only this wire.")
def show(file: Path, wire: str | None) -> None:
    """Print a recording in words: when, which wire, what was asked and answered."""
    try:
        recording = read_recording(file)
    except RecordingInvalid as error:
        _refuse(error)
    wires = ", ".join(f"{name} ({end})" for name, end in recording.wires.items())
    click.echo(f"{file}: {recording.header.get('note') or 'no note'}; wires: {wires or 'unnamed'}")
    for event in recording.events:
        if wire in (None, event["wire"]):
            end = recording.wires.get(event["wire"], "")
            click.echo(f"{event['t_ms'] / 1000:9.3f} s  {event_words(event, end)}")


@click.command()
@click.argument("files", nargs=-1, required=True, type=A_RECORDING)
def replay(files: tuple[Path, ...]) -> None:
    """Ask today's driver everything again that was asked when FILES were recorded.

    The wire answers as it did then. Exit code: 0 all answers are the same, 1 the first that is
    not is told with both in words, 2 a file could not be read.
    """
    codes = []
    for file in files:
        try:
            count = replay_through(read_recording(file))
        except RecordingInvalid as error:
            click.echo(f"lendgate-sim: {error}", err=True)
            codes.append(BAD_FILE)
        except ReplayDiffers as error:
            click.echo(f"✗ {error}")
            codes.append(OTHERWISE)
        else:
            click.echo(f"✓ {file}: {count} answers, the same as when it was recorded")
            codes.append(SAME)
    sys.exit(max(codes))


@click.command()
@click.argument("file", type=A_RECORDING)
@click.option("--driver", required=True, type=click.Choice(sorted(DRIVERS)), help="The reader.")
@click.option("--port", default="", help="Its serial port: /dev/serial/by-id/…, or any URL.")
@click.option("--bus", default=0, show_default=True, type=click.IntRange(0, 9), help="SPI bus.")
@click.option(
    "--device", default=0, show_default=True, type=click.IntRange(0, 9), help="SPI chip select."
)
@click.option(
    "--seconds",
    default=10,
    show_default=True,
    type=click.IntRange(1, SECONDS_MAX),
    help="How long.",
)
@click.option("--note", default="", help="What lay there, on which board: for whoever reads it.")
def record(file: Path, driver: str, port: str, bus: int, device: int, **more: int | str) -> None:
    """Record a real reader into FILE: its wire, and what the driver makes of it.

    Lay tags on the reader and take them away while it runs. Nothing is written to them.
    """
    end, build = DRIVERS[driver]
    if end != "mfrc522" and not port:
        raise click.UsageError(f"{driver} is on a serial port: name it with --port")
    if file.exists():
        raise click.UsageError(f"{file} exists already: a recording never replaces a file")
    clock = SystemClock()
    wire = "spi0.0" if end == "mfrc522" else "pad"
    click.echo(f"recording into {file}; {CAUTION}")
    try:
        opened = Recorder(file, clock, driver=driver, note=str(more["note"]), wires={wire: end})
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be written ({error.strerror})") from error
    with opened as recorder:
        wires = RecorderWires(recorder, wire, bus=_bus(bus, device), opener=_open)
        reader = recorder.reader(build(wires, port))
        until_ms = clock.now_ms() + int(more["seconds"]) * 1_000
        seen: set[str] = set()
        while clock.now_ms() < until_ms:
            seen |= look(reader, seen)
            clock.sleep_ms(LOOK_EVERY_MS)
        reader.health()
        reader.close()
    click.echo(f"{len(seen)} tags seen; play it again with: lendgate-sim replay {file}")


def look(reader: TagReader, seen: set[str]) -> set[str]:
    """List what lies there; of each new tag read content and security. Returns the new ones."""
    try:
        new = set(reader.inventory().uids) - seen
    except HardwareError as error:
        click.echo(f"{error}", err=True)
        return set()
    for uid in sorted(new):
        click.echo(f"tag {uid}")
        for ask in (reader.read_content, reader.get_security):
            try:
                ask(uid)
            except HardwareError as error:
                click.echo(f"{error}", err=True)
    return new


def _bus(bus: int, device: int) -> object:
    from hardware.spi import SpiBus

    return SpiBus(bus, device)


def _open(*args: object, **settings: object) -> object:
    import serial

    return serial.serial_for_url(*args, **settings)


def _refuse(error: RecordingInvalid) -> None:
    click.echo(f"lendgate-sim: {error}", err=True)
    sys.exit(BAD_FILE)
