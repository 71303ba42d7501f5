"""The commands of `lendgate-gate` for gates on a microcontroller: set up, sign, update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from circulation.errors import ConfigInvalid
from circulation.keys import FROM_GATEWAY, example_keys
from firmware.mcu import board_esp32, board_pico_w
from firmware.mcu.config import ConfigInvalid as DeviceConfigInvalid
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.version import VERSION
from firmware.pi.errors import ProvisioningFailed, SigningFailed
from firmware.pi.provisioning import (
    BAUDRATE,
    SetupLine,
    look_broker_up,
    missing_secrets,
    provision,
    read_values,
    send_update,
)
from firmware.pi.signing import (
    Release,
    new_signing_key,
    read_public_key,
    read_signing_key,
    sign_update,
)
from hardware.clock import SystemClock
from hardware.serial_line import SerialLine

BOARDS = (board_pico_w.NAME, board_esp32.NAME)
A_FILE = click.Path(dir_okay=False, path_type=Path)
PORT = click.argument("port")


@click.command("provision")
@PORT
@click.option("--config", "file", type=A_FILE, help="A TOML file with more than the rest here.")
@click.option("--library", help="As on the gateway.")
@click.option("--site", help="The building: its kiosks are heard.")
@click.option("--station", help="This gate's name, unique in the library.")
@click.option("--broker", help="The broker's address, four numbers; :PORT if it is not 1883.")
@click.option("--wifi", help="The network's name; its password is asked for.")
@click.option("--update-key", multiple=True, help="A public key whose updates it takes; twice.")
@click.option("--no-wifi-test", is_flag=True, help="Save without having joined the Wi-Fi.")
@click.option("--no-start", is_flag=True, help="Leave the setup open, for `update`.")
def provision_device(port: str, file: Path | None, **given: Any) -> None:
    """Set up the microcontroller at PORT, which has no configuration yet, and start its gate.

    Secrets are in the file, or asked for; they are never taken from the command line.
    """
    try:
        keys = [read_public_key(text) for text in given["update_key"]]
        values = read_values(file, given)
        looked_up = look_broker_up(values)
        values.setdefault("set_up_at", SystemClock().wall_ms() // 1000)
        for name in missing_secrets(values):
            _keep(values, name, _ask(name))
        with _line(port) as line:
            setup, tries_wifi = SetupLine(line), not given["no_wifi_test"]
            said = provision(setup, values, keys, tries_wifi=tries_wifi)
            if not given["no_start"]:
                setup.ask("start")
    except (ConfigInvalid, DeviceConfigInvalid, ProvisioningFailed, SigningFailed) as error:
        raise click.ClickException(str(error)) from error
    for text in [*said, *[looked_up] * bool(looked_up)]:
        click.echo(f"  · {text}")
    station = f"{values['library']}/{values['station']}"
    click.echo(f"{station} is set up, and everything was read back.")
    click.echo(
        "Next: "
        + "restart it, then " * given["no_start"]
        + "watch its lamp (docs/firmware.md): one flash means that all is well."
    )
    click.echo(f"Then look at the gateway's page, Stations: {values['station']} must be green.")
    for point in example_keys({"site_key": bytes.fromhex(values["site_key"])}, FROM_GATEWAY):
        click.echo(f"  ! {point}")
    if not keys:
        click.echo("It has no key, so it takes no updates but over USB: see new-signing-key.")


@click.command("update")
@PORT
@click.argument("update_file", type=A_FILE)
def update_device(port: str, update_file: Path) -> None:
    """Bring a signed update into the device at PORT, while its setup is open."""
    try:
        with _line(port) as line:
            said = send_update(SetupLine(line), _content(update_file))
    except (ProvisioningFailed, SigningFailed) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{said}. It stays if the first sync is good; else the version before comes back.")


@click.command("new-signing-key")
@click.argument("key_file", type=A_FILE)
def new_key(key_file: Path) -> None:
    """Make a key to sign updates with; only its owner may read the file."""
    try:
        public = new_signing_key(key_file)
    except SigningFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{key_file}: keep it offline, and a copy of it.")
    click.echo(f"Its public key, for `lendgate-gate provision --update-key`: {public.hex()}")


@click.command("sign-update")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--key", "key_file", type=A_FILE, required=True, help="From new-signing-key.")
@click.option("--version", type=click.IntRange(min=1), default=VERSION, show_default=True)
@click.option(
    "--minimum", type=click.IntRange(min=0), required=True, help="Nothing older runs again."
)
@click.option("--base", type=click.IntRange(min=0), default=0, help="If packages are missing.")
@click.option(
    "--board",
    type=click.Choice(BOARDS),
    help="For this board alone; the gateway offers nothing that names none.",
)
@click.option("--trust", multiple=True, help="A public key that counts from then on; twice.")
@click.option("--out", type=A_FILE, default=None, help="lendgate-VERSION.lgu if left out.")
def sign_folder(folder: Path, key_file: Path, out: Path | None, **given: Any) -> None:
    """Sign the program in FOLDER, as `make firmware` leaves it, as an update for devices."""
    version, written = int(given["version"]), out or Path(f"lendgate-{given['version']}.lgu")
    try:
        private = read_signing_key(key_file)
        content = sign_update(
            folder,
            private,
            Release(
                version=version,
                minimum=int(given["minimum"]),
                base=int(given["base"]),
                board=given["board"] or "",
                trusted=[read_public_key(text) for text in given["trust"]],
            ),
        )
        written.write_bytes(content)
    except SigningFailed as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{written}: cannot be written: {error.strerror}") from error
    click.echo(f"{written}: version {version}, {len(content)} bytes")
    click.echo(f"Signed for devices that trust {public_key_of(private).hex()}")


COMMANDS = (provision_device, update_device, new_key, sign_folder)


@contextmanager
def _line(port: str) -> Iterator[SerialLine]:
    line = SerialLine(port, baudrate=BAUDRATE, clock=SystemClock())
    try:
        yield line
    finally:
        line.close()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SigningFailed(f"{file}: cannot be read: {error.strerror}") from error


def _ask(name: str) -> str:
    what = {"site_key": "The site's key, hexadecimal", "wifi.password": "The Wi-Fi's password"}
    return str(click.prompt(what[name], hide_input=True, default="", show_default=False))


def _keep(values: dict[str, Any], name: str, given: str) -> None:
    section, _, option = name.rpartition(".")
    (values[section] if section else values)[option] = given
