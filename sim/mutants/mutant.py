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
from typing import Any

from sim.errors import SimError

ROOT = Path(__file__).parent.parent.parent
HUNTING_SHAPE = "storm"
"""Of the plans that most mutants are found in: few books, little time, many faults."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug.

    name: in a table. what: the mistake, in words. file: of the production code, from the root.
    old, new: the text and what takes its place. stories: numbers of the stories it belongs to.
    shape: of the plans that find it. acts: of fate, that it takes to find it; seeds with many of
    them are played first. test: the test that finds it where no seed can, since the simulation
    has one thread only.
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

    @property
    def module(self) -> str:
        """Return the name by which the module is imported."""
        return self.file.removesuffix(".py").replace("/", ".")

    def source(self) -> str:
        """Return the module's text with the bug in it; raises `SimError` unless it fits once."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        count = text.count(self.old)
        if count != 1:
            raise SimError(
                f"mutant {self.name}: its text stands {count} times in {self.file}; "
                "make it fit the code again"
            )
        return text.replace(self.old, self.new)


class _Loader(SourceFileLoader):
    """Loads one module from the mutant's text, and leaves no compiled file behind."""

    def __init__(self, mutant: Mutant, path: str) -> None:
        super().__init__(mutant.module, path)
        self._text = mutant.source()

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds one module before anybody else does."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        found: Any = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        loader = _Loader(self._mutant, found.origin)
        return spec_from_file_location(fullname, found.origin, loader=loader)


def plant(mutant: Mutant) -> None:
    """Let this process import the mutant in place of its module.

    Raises `SimError` if the module is there already: then it is too late.
    """
    if mutant.module in sys.modules:
        raise SimError(f"mutant {mutant.name}: {mutant.module} has been imported already")
    mutant.source()
    sys.meta_path.insert(0, _Finder(mutant))
