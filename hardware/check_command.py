"""`hardware-check`, of every program that has devices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from hardware.check import Item
from hardware.check_terminal import check_at_terminal
from hardware.clock import SystemClock
from hardware.ports import Clock


def check_command(
    config: str, open_devices: Callable[[Path, Clock], Sequence[Item]]
) -> click.Command:
    """Return the command. config: the file that is read unless another is named.

    open_devices: opens what a file names, with `check_terminal.PATIENCE`; it may raise click's
    errors.
    """

    @click.command("hardware-check")
    @click.option(
        "--config",
        "file",
        default=config,
        show_default=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help="The configuration whose devices are checked; stop the running program first.",
    )
    @click.option(
        "--yes", "is_alone", is_flag=True, help="Ask nobody; check what can be seen alone."
    )
    def check(file: Path, is_alone: bool) -> None:
        """Go through every device: what works, and what to wire differently.

        Exits with 1 if something does not work.
        """
        clock = SystemClock()
        is_fine = check_at_terminal(open_devices(file, clock), clock, is_alone=is_alone)
        sys.exit(0 if is_fine else 1)

    return check
