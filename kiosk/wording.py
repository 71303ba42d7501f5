"""The screen's words in every language the kiosk speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from circulation.reasons import Refused, say


@cache
def texts(language: str) -> Mapping[str, str]:
    """The screen's texts by their names."""
    file = resources.files("kiosk.web") / "texts" / f"{language}.json"
    words: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return words


def phrase(language: str, name: str, **values: object) -> str:
    """One text with its blanks filled; an unknown name is shown as it is."""
    words = texts(language).get(name, name)
    for key, value in values.items():
        words = words.replace(f"{{{key}}}", str(value))
    return words


def language_names(languages: Sequence[str]) -> dict[str, str]:
    """How each language calls itself."""
    return {language: texts(language)["language"] for language in languages}


def reason_lines(refused: Refused | None, language: str) -> list[dict[str, Any]]:
    """Every reason with what it means and the next step, for the screen."""
    lines = []
    for reason in refused.reasons if refused else ():
        said = say(reason, language, refused.details.get(reason) if refused else None)
        what = f"{said.what} {said.detail}" if said.detail else said.what
        lines.append({"code": reason.value, "what": what, "next": said.next_step})
    return lines
