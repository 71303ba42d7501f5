"""The three brokers of the storms, each as a command that runs in the foreground.

amqtt               the demo's, as `lendgate-gateway broker` starts it
mosquitto           with the settings that `deploy/mosquitto.conf` gives a site
mosquitto-default   with none but its address: what somebody gets who installs it and no more
"""

import os
import re
import shutil
import sys
from pathlib import Path

from sim.errors import SimError
from sim.measure.broker import mosquitto_path

AMQTT, TUNED, DEFAULT = "amqtt", "mosquitto", "mosquitto-default"
BROKERS = (AMQTT, TUNED, DEFAULT)
SHIPPED = Path(__file__).parents[2] / "deploy" / "mosquitto.conf"


def broker_command(kind: str, folder: Path, port: int) -> tuple[str, list[str]]:
    """Return the program and its arguments; raises `SimError` if it is not installed."""
    if kind == AMQTT:
        return sys.executable, ["-m", "gateway", "broker", "--port", str(port)]
    program = mosquitto_path()
    if program is None:
        raise SimError("mosquitto is not installed; `make system` installs it")
    config = folder / f"{kind}.conf"
    settings = _tuned(folder, port) if kind == TUNED else _default(port)
    config.write_text(f"{settings}user {_user()}\n")
    return program, ["-c", str(config)]


def _default(port: int) -> str:
    return f"listener {port} 127.0.0.1\nallow_anonymous true\n"


def _tuned(folder: Path, port: int) -> str:
    """Return what is shipped, on our port; what it keeps goes into our folder."""
    kept = folder / "broker"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    shipped, changed = re.subn(
        r"^listener \d+", f"listener {port}", SHIPPED.read_text(), flags=re.MULTILINE
    )
    if changed != 1:
        raise SimError(f"{SHIPPED} has {changed} listeners; one was expected")
    return f"{shipped}\npersistence_location {kept}/\n"


def _user() -> str:
    """Return as whom Mosquitto runs: as root it would become somebody who cannot read here."""
    return "root" if os.geteuid() == 0 else "mosquitto"
