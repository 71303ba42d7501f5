"""What a mutant is, and how it gets into a process: while its module is imported.

The file on the disk stays as it is. A mutant says which text of a module becomes which other
text; the text must be there exactly once, so that a mutant ends with the code it was made for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from sim.errors import SimError

ROOT = Path(__file__).parent.parent.parent
HUNTING_SHAPE = "storm"
"""Of the plans that most mutants are found in: few books, little time, many faults."""


class Change(NamedTuple):
    """A text of a file, and what takes its place."""

    file: str
    old: str
    new: str

    @property
    def module(self) -> str:
        """Return the name by which the file is imported."""
        return self.file.removesuffix(".py").replace("/", ".")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug.

    name: in a table. what: the mistake, in words. file: of the production code, from the root.
    old, new: the text and what takes its place. stories: numbers of the stories it belongs to.
    shape: of the plans that find it. acts: of fate, that it takes to find it; seeds with many of
    them are played first. test: the test that finds it where no seed can, and masked: why none
    can. also: further texts, where a second line of defence hides the mistake unless it has it.
    """

    name: str
    what: str
    file: str
    old: str
    new: str
    stories: tuple[int, ...] = ()
    shape: str = HUNTING_SHAPE
    acts: tuple[str, ...] = ()
    test: str = ""
    masked: str = ""
    also: tuple[Change, ...] = ()

    @property
    def changes(self) -> dict[str, list[Change]]:
        """Return what is changed in each file."""
        found: dict[str, list[Change]] = {}
        for change in (Change(self.file, self.old, self.new), *self.also):
            found.setdefault(change.file, []).append(change)
        return found

    def source(self, file: str) -> str:
        """Return a file's text with the bug in it; raises `SimError` unless it fits once."""
        text = (ROOT / file).read_text(encoding="utf-8")
        for change in self.changes[file]:
            count = text.count(change.old)
            if count != 1:
                raise SimError(
                    f"mutant {self.name}: its text stands {count} times in {file}; "
                    "make it fit the code again"
                )
            text = text.replace(change.old, change.new)
        return text


class _Loader(SourceFileLoader):
    """Loads one module from the mutant's text, and leaves no compiled file behind."""

    def __init__(self, module: str, path: str, text: str) -> None:
        super().__init__(module, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds the mutant's modules before anybody else does."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname not in self._texts:
            return None
        found: Any = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin, self._texts[fullname])
        return spec_from_file_location(fullname, found.origin, loader=loader)


def plant(mutant: Mutant) -> None:
    """Let this process import the mutant in place of its modules.

    Raises `SimError` if one of them is there already: then it is too late.
    """
    texts = {}
    for file, changes in mutant.changes.items():
        module = changes[0].module
        if module in sys.modules:
            raise SimError(f"mutant {mutant.name}: {module} has been imported already")
        texts[module] = mutant.source(file)
    sys.meta_path.insert(0, _Finder(texts))
