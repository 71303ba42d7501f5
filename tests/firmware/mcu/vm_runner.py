"""Runs one module of tests on MicroPython: functions test_* with plain asserts, and no pytest.

`micropython -m tests.firmware.mcu.vm_runner MODULE` prints a JSON line for each test: its name
with the number of its row, and what went wrong, "" when nothing did.
"""

import gc
import io
import json
import sys

import pytest

SEED = 20260101


def say(name, error):
    """Print how a test ended."""
    text = ""
    if error is not None:
        words = io.StringIO()
        sys.print_exception(error, words)
        text = words.getvalue()
    print(json.dumps([name, text]))  # noqa: T201


class Place:
    """Where a test stands: its module, and the class with its fixtures, if it is in one."""

    def __init__(self, module, owner):
        self.module = module
        self.owner = owner

    def parameters(self, name):
        """Return the names a test or a fixture asks for; a contract's are in its own module."""
        if self.owner is None:
            return self.module.PARAMETERS[name]
        for module in [self.module] + list(sys.modules.values()):  # noqa: RUF005
            for known, names in getattr(module, "PARAMETERS", {}).items():
                if "." in known and known.split(".")[1] == name:
                    return names
        raise KeyError(name)

    def arguments(self, names, row, made):
        """Return a test's arguments: from its row, else made by the fixtures around it."""
        found = {}
        for name in names:
            if name not in row and name not in made:
                made[name] = SEED if name == "seed" else self._make(name, made)
            found[name] = row[name] if name in row else made[name]
        return found

    def _make(self, name, made):
        in_class = getattr(self.owner, name, None)
        needed = self.arguments(self.parameters(name), {}, made)
        if in_class is not None:
            return in_class.make(self.owner, **needed)
        return getattr(self.module, name).make(**needed)


def run(module, name):
    """Run a test with each of its rows; a method of a class gets a new object of it."""
    owner_name, _, test_name = name.rpartition(".")
    owner = getattr(module, owner_name) if owner_name else module
    test = getattr(owner, test_name)
    is_cases = isinstance(test, pytest.Cases)
    for number, row in enumerate(test.rows if is_cases else [{}]):
        place = Place(module, owner() if owner_name else None)
        function, before, error = (test.test if is_cases else test), (), None
        if owner_name:
            before = (place.owner,)
        gc.collect()
        try:
            arguments = place.arguments(place.parameters(test_name), row, {})
            function(*before, **arguments)
        except Exception as raised:
            error = raised
        say(f"{name}[{number}]", error)


def names(module):
    """Return the tests of a module, and those its classes have from a contract."""
    found = list(module.TESTS)
    for name in module.CLASSES:
        inherited = [one for one in dir(getattr(module, name)) if one.startswith("test_")]
        found += [f"{name}.{one}" for one in inherited if f"{name}.{one}" not in found]
    return found


def main(name):
    """Run every test of a module, in the order of its file."""
    module = __import__(name, None, None, ["*"])
    for test in names(module):
        run(module, test)


if __name__ == "__main__":
    main(sys.argv[1])
