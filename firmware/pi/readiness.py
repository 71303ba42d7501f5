"""What of a gate's configuration can be read, and must not stay: nothing here stops a gate.

`check` says it before anybody relies on the gate; `run` writes it into the log and goes on,
because a gate with one lamp less still guards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circulation.keys import FROM_GATEWAY, example_keys
from firmware.pi.config import StationConfig
from hardware.places import shared_places


def open_points(config: StationConfig, described: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing to change, with how; none when all is well.

    described: section [devices] as written. What a factory makes, only its author knows. Where
    no staff card is listed nothing is kept secret by `card_key`.
    """
    keys = {"site_key": config.site_key}
    if config.staff_cards:
        keys["card_key"] = config.card_key
    found = example_keys(keys, FROM_GATEWAY)
    return found if "factory" in described else found + shared_places(described)
