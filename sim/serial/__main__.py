"""A simulated serial device to try a driver on: `python -m sim.serial pad_3m --pty FOLDER`.

Any program can open it, in any language: at the link under FOLDER as a serial port, or at a
loopback port. Every frame is printed in bytes and in words, and what is typed is done by the hand
at the device; `help` lists it.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from sim.serial.console import KINDS, Console, new_device
from sim.serial.device import Frame, SimSerialDevice
from sim.serial.pty import PtyCable
from sim.serial.pump import Pump
from sim.serial.tcp import TcpCable


def show(frame: Frame) -> None:
    """Print a frame as it happens."""
    click.echo(str(frame))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.option(
    "--pty",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Put the port's link into this folder.",
)
@click.option(
    "--tcp", "port", type=click.IntRange(0, 65_535), help="Listen on loopback; 0 takes a free one."
)
def main(kind: str, folder: Path | None, port: int | None) -> None:
    """Simulate a serial device of that KIND until `quit` or the end of what is typed."""
    if (folder is None) == (port is None):
        raise click.UsageError("say where it is found: --pty FOLDER or --tcp PORT")
    device = new_device(kind)
    device.watchers.append(show)
    with ExitStack() as stack:
        try:
            cable, where = _cable(device, folder, port)
            stack.enter_context(cable)
        except OSError as error:
            at = folder if folder is not None else f"port {port}"
            raise click.ClickException(f"{at}: {error.strerror}; choose another") from error
        click.echo(f"{kind} at {where}, {device.settings}; help lists what you can type")
        console = Console(device)
        for line in sys.stdin:
            click.echo(console.obey(line))
            if console.ended:
                break


def _cable(device: SimSerialDevice, folder: Path | None, port: int | None) -> tuple[Pump, str]:
    """Return the cable, and where its other end is."""
    if folder is not None:
        at_folder = PtyCable(device, folder)
        return at_folder, str(at_folder.path)
    at_port = TcpCable(device, port=port or 0)
    return at_port, at_port.url


if __name__ == "__main__":
    main()
