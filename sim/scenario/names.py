"""Finding things by what people call them."""

import difflib
from collections.abc import Mapping

from sim.errors import WorldError


def find_thing(name: str, titles: Mapping[str, str]) -> str:
    """Return the label of the thing with this label, or this title or name.

    `titles` maps labels to titles. Upper and lower case are one. Raises `WorldError` for none and
    for several.
    """
    if name in titles:
        return name
    wanted = name.casefold()
    found = [key for key, title in titles.items() if title.casefold() == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise WorldError(f"{name!r}: {len(found)} things are called so; give the label's number")
    near = difflib.get_close_matches(name, [*titles.values(), *titles], n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise WorldError(f"{name!r}: no book and no card is called so{hint}")


def known(name: str, names: list[str] | tuple[str, ...], what: str) -> str:
    """Return the name; raises `WorldError` with the nearest one if it is not among the names."""
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise WorldError(f"{name!r}: no such {what}{hint}; there are {', '.join(names)}")
