"""Writes a label's number onto a tag, at the kiosk's own pad: for new books, a few at a time.

The kiosk itself must not run meanwhile: a pad belongs to one program.
"""

from __future__ import annotations

from pathlib import Path

import click

from circulation.config import read_config
from circulation.errors import CirculationError, ConfigInvalid
from hardware.chips.tag_data import (
    FORMATS,
    TagContent,
    TagDataInvalid,
    encode,
    new_content,
    with_format,
)
from hardware.clock import SystemClock
from hardware.errors import HardwareError
from hardware.ports import Clock, Inventory, Security, TagReader
from hardware.tag_writing import write_content
from kiosk.devices import read_devices
from kiosk.errors import KioskError

LOOK_EVERY_MS = 200
WAIT_MS = 30_000


class TagNotWritten(KioskError):
    """The tag on the pad was left as it was; the message says why and what to do."""


def write_tag(
    reader: TagReader,
    clock: Clock,
    content: TagContent,
    *,
    replace: bool = False,
    wait_ms: int = WAIT_MS,
) -> str:
    """Write the content on the one tag that lies on the pad, secure it, and return its uid.

    Waits until exactly one tag lies there. `replace`: whether the tag may say another item now.
    Raises `TagNotWritten`, or what `write_content` raises.
    """
    encode(content)
    uid = _one_tag(reader, clock, clock.now_ms() + wait_ms)
    said = reader.read_content(uid)
    if said is not None and said.pii != content.pii and not replace:
        raise TagNotWritten(
            f"tag {uid} says item {said.pii or '(in an unread block)'} already; "
            "to write over it, say --replace"
        )
    write_content(reader, uid, content)
    reader.set_security(uid, Security.IN_STOCK)
    return uid


def _one_tag(reader: TagReader, clock: Clock, until_ms: int) -> str:
    while True:
        inventory = reader.inventory()
        if inventory.complete and len(inventory.tags) == 1:
            return inventory.uids[0]
        if clock.now_ms() >= until_ms:
            raise TagNotWritten(_not_one(inventory))
        clock.sleep_ms(LOOK_EVERY_MS)


def _not_one(inventory: Inventory) -> str:
    if not inventory.complete:
        return "the pad cannot tell the tags on it apart: leave one book alone on it"
    if not inventory.tags:
        return "no tag on the pad: lay the book on it, the tag over its middle"
    return f"{len(inventory.tags)} tags on the pad: leave one book alone on it"


@click.command("write-tag")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("barcode")
@click.option("--owner", required=True, help="The library's ISIL, like DE-715.")
@click.option("--part", default=1, show_default=True, help="Which part of the item this is.")
@click.option("--parts", default=1, show_default=True, help="How many parts the item has.")
@click.option(
    "--format", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True,
    help="How the tag is written; ask whoever else reads your tags.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="Write over a tag that says another item.")
def write_tag_command(file: Path, barcode: str, owner: str, **how: object) -> None:
    """Write a book's number onto the tag on the pad, and secure it; the kiosk must not run."""
    clock = SystemClock()
    content = new_content(barcode, owner, int(str(how["part"])), int(str(how["parts"])))
    try:
        devices = read_devices(read_config(file).section("devices"), clock, patience=None)
        if devices.reader is None:
            raise ConfigInvalid(f"{file}: section [devices.pad] is missing")
        try:
            uid = write_tag(
                devices.reader,
                clock,
                with_format(content, str(how["format"])),
                replace=bool(how["replace"]),
            )
        finally:
            devices.close()
    except (CirculationError, KioskError, HardwareError, TagDataInvalid, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"tag {uid}: item {barcode} of {owner}, in stock")
