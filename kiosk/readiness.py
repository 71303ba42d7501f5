"""What of a kiosk's configuration can be read, and must not stay: nothing here stops a kiosk.

`check` says it before anybody uses the kiosk; `run` writes it into the log and goes on, because a
lamp on a wrong pin is no reason to lend nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circulation.keys import FROM_GATEWAY, example_keys
from hardware.places import shared_places
from kiosk.config import KioskConfig


def open_points(config: KioskConfig, described: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing to change, with how; none when all is well.

    described: section [devices] as written. What a factory makes, only its author knows.
    """
    keys = {"site_key": config.site_key, "card_key": config.card_key}
    found = example_keys(keys, FROM_GATEWAY)
    if "factory" in described:
        return found
    if "pad" not in described and "scanner" not in described:
        found.append(
            "devices: neither [devices.pad] nor [devices.scanner] is there, so no item can be lent"
            " or returned; describe the one you have (docs/hardware.md)"
        )
    return found + shared_places(described)
