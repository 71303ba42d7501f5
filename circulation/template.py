"""Filling a configuration's template with what somebody else knows already.

The gateway knows a station's names and keys (`lendgate-gateway station-file`); its devices only
whoever stands before it. So the one is filled in, and the other left to be chosen.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from circulation.errors import ConfigInvalid

_OPTION = re.compile(r"^(\w+) = (?:\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|[^\s#]+)( *)(.*)$")
_SECTION = re.compile(r"^\[([\w.-]+)\]")


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return the template with these values in their places, comments and order as they were.

    values: as TOML gives them; a table's options go into the section of its name. Raise
    ConfigInvalid for an option that the template does not have.
    """
    left = {("", name): value for name, value in values.items() if not isinstance(value, Mapping)}
    for section, options in values.items():
        if isinstance(options, Mapping):
            left |= {(section, name): value for name, value in options.items()}
    section, lines = "", []
    for line in template.splitlines():
        heading, option = _SECTION.match(line), _OPTION.match(line)
        section = heading[1] if heading else section
        if option and (section, option[1]) in left:
            value = json.dumps(left.pop((section, option[1])), ensure_ascii=False)
            lines.append(f"{option[1]} = {value}{option[2]}{option[3]}".rstrip())
        else:
            lines.append(line)
    if left:
        names = ", ".join(".".join(filter(None, place)) for place in sorted(left))
        raise ConfigInvalid(
            f"the template has no option {names}; a whole configuration is copied as it is"
        )
    return "\n".join(lines) + "\n"
