"""What may be pressed on the screen: every action, its fields, their bounds.

Anything else gets a named error and reaches nobody.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BODY_BYTES_MAX = 2_048


class ActionInvalid(ValueError):
    """A request that is none of the kiosk's buttons."""


@dataclass(frozen=True, slots=True)
class Action:
    """One press: its name and its checked values."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)


_KEY = re.compile(r"[ -~]{1,80}")
_FIELDS: dict[str, dict[str, re.Pattern[str]]] = {
    "finish": {},
    "stay": {},
    "touch": {},
    "mode": {"mode": re.compile(r"return|lend")},
    "language": {"language": re.compile(r"[a-z]{2}")},
    "renew": {"item": _KEY},
    "return": {"item": _KEY},
    "pin": {"pin": re.compile(r"[0-9]{1,20}")},
    "number": {"number": re.compile(r"[ -~]{1,64}")},
}
NAMES = tuple(_FIELDS)


def read_action(name: str, body: bytes) -> Action:
    """Return the action that was asked for; raises ActionInvalid, saying what is wrong."""
    fields = _FIELDS.get(name)
    if fields is None:
        raise ActionInvalid(f"no action {name[:40]!r}; there are {', '.join(NAMES)}")
    given = _read_object(body)
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise ActionInvalid(f"{name}: no field {unknown[0][:40]!r}")
    return Action(name, {key: _value(name, key, given, fields[key]) for key in fields})


def _read_object(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise ActionInvalid(f"more than {BODY_BYTES_MAX} bytes")
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ActionInvalid("the body is not JSON") from error
    if not isinstance(given, dict):
        raise ActionInvalid("the body is not a JSON object")
    return given


def _value(name: str, key: str, given: dict[str, Any], pattern: re.Pattern[str]) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ActionInvalid(f"{name}: the field {key!r} must be text like {pattern.pattern}")
    return value
