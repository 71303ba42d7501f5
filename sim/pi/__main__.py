"""Run any Python program on a simulated Raspberry Pi: `python -m sim.pi PROGRAM ARGUMENTS…`.

The program may import `spidev`, `RPi.GPIO`, `lgpio`, or a driver that stands on them: it finds the
board's instead of the vendors', with an RC522 and the tags that were named. Nothing in the program
is changed.
"""

import runpy
import sys
from pathlib import Path
from typing import Any

import click

from hardware.ports import ISO15693
from sim.clock import SystemClock, VirtualClock
from sim.errors import SimError
from sim.mfrc522.chip import SimMfrc522
from sim.mfrc522.trace import describe, describe_air
from sim.pi.board import LINES, SimPi
from sim.tags import TAG_MODELS, SimTag, TagModel

MODELS: dict[str, TagModel] = {
    model.name.lower().replace(" ", "-"): model
    for model in TAG_MODELS
    if model.technology != ISO15693
}
EXAMPLE = "ntag213:04a1b2c3d4e580"


def _tags(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[SimTag]:
    """Return the tags that were named; a wrong one is named with what there is."""
    return [_tag(value) for value in values]


def _tag(value: str) -> SimTag:
    word, colon, uid = value.partition(":")
    model = MODELS.get(word.lower())
    if not colon or model is None:
        raise click.BadParameter(
            f"{value!r}: write MODEL:UID like {EXAMPLE}; models: {', '.join(MODELS)}"
        )
    try:
        return SimTag(uid.lower(), model=model)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    # What stands behind PROGRAM is the program's own, also -h.
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False}
)
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="MODEL:UID",
    callback=_tags,
    help=f"A tag on the antenna, like {EXAMPLE}; repeatable.",
)
@click.option(
    "--irq", type=click.IntRange(0, LINES - 1), help="GPIO that the IRQ pin is wired to."
)
@click.option(
    "--collpos",
    type=click.Choice(["frame", "uid"]),
    default="frame",
    show_default=True,
    help="How the chip counts CollPos; the data sheets leave it open.",
)
@click.option("--virtual", is_flag=True, help="Time moves with the bus, not with the machine.")
@click.option("--trace", is_flag=True, help="Tell what was on the bus and in the air at the end.")
def main(
    program: Path,
    *,
    arguments: tuple[str, ...],
    tags: list[SimTag],
    virtual: bool,
    trace: bool,
    **wiring: Any,
) -> None:
    """Run PROGRAM on a simulated Pi with an RC522 on SPI 0.0 and RST on GPIO 25.

    \b
    python -m sim.pi --tag ntag213:04a1b2c3d4e580 --trace my_driver.py
    """
    clock = VirtualClock() if virtual else SystemClock()
    pi, chip = SimPi(clock), SimMfrc522(clock, collpos=wiring["collpos"])
    pi.wire_mfrc522(chip, irq_gpio=wiring["irq"])
    for tag in tags:
        chip.field.put(tag)
    sys.argv = [str(program), *arguments]
    sys.path.insert(0, str(program.parent))
    try:
        with pi.installed():
            runpy.run_path(str(program), run_name="__main__")
    except SimError as error:
        raise click.ClickException(str(error)) from error
    finally:
        if trace:
            _tell(chip)


def _tell(chip: SimMfrc522) -> None:
    bus = [(one.at_ns, describe(one)) for one in chip.history]
    air = [(one.at_ns, f"air: {describe_air(one)}") for one in chip.field.air]
    click.echo(f"-- {chip.transfers} transfers on the bus, the last of them:", err=True)
    started_ns = bus[0][0] if bus else 0
    for at_ns, text in sorted([*bus, *air]):
        click.echo(f"{(at_ns - started_ns) / 1e6:10.3f} ms  {text}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m sim.pi")
