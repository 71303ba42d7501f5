"""How the gate is: what the loop shows once a second, and where it can be read."""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Face:
    """The gate's own view of itself, for status, telemetry and `lendgate-gate status`."""

    list_state: str
    overlay: int
    reader_errors: int
    health: dict[str, str]


def write_face(path: Path, shown: dict[str, Any]) -> None:
    """Put the station's state where `lendgate-gate status` reads it; a full disk is no matter."""
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(shown), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        _log.debug("cannot show the state: %s", error)


def read_temperature(path: Path = TEMPERATURE) -> int | None:
    """Return the processor's temperature in thousandths of a degree, None if it has none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def feel_machine(folder: Path) -> tuple[int | None, int | None]:
    """Return the free bytes beside a folder and the temperature in thousandths of a degree.

    None stands for what nobody measures.
    """
    try:
        disk_free: int | None = shutil.disk_usage(folder).free
    except OSError:
        disk_free = None
    return disk_free, read_temperature()
