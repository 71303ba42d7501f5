"""As much of pytest as the tests of portable code use, for MicroPython.

Functions have no attributes there, so a decorated test becomes a `Cases`.
"""

import re


class Cases:
    """A test and the rows of arguments it is run with; each decorator multiplies the rows."""

    def __init__(self, test):
        self.test = test
        self.rows = [{}]

    def multiply(self, names, values):
        """Run the test with each of these values, in every row there is."""
        added = []
        for value in values:
            row = value if len(names) > 1 else (value,)
            added.append(dict(zip(names, row)))  # noqa: B905
        rows = []
        for old in self.rows:
            for new in added:
                both = dict(old)
                both.update(new)
                rows.append(both)
        self.rows = rows


class _Mark:
    @staticmethod
    def parametrize(names, values, ids=None):
        if isinstance(names, str):
            names = tuple([name.strip() for name in names.split(",")])

        def decorate(test):
            cases = test if isinstance(test, Cases) else Cases(test)
            cases.multiply(names, list(values))
            return cases

        return decorate


mark = _Mark()


class Fixture:
    """A function that makes an argument of the tests that name it."""

    def __init__(self, make):
        self.make = make


def fixture(make):
    """Mark a function as the maker of an argument."""
    return Fixture(make)


def param(*values, id=None):
    """Return a row."""
    return values if len(values) > 1 else values[0]


class raises:
    """Expect an error, and a text in what it says."""

    def __init__(self, expected, match=None):
        self.expected = expected
        self.match = match
        self.value = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is not None, "nothing was raised"
        if not issubclass(kind, self.expected):
            return False
        self.value = error
        if self.match is not None:
            assert re.search(self.match, str(error)), f"{error}: does not say {self.match}"
        return True


def backwards(some):
    """Return `some[::-1]`."""
    turned = list(reversed(some))
    return "".join(turned) if isinstance(some, str) else type(some)(turned)


def hexdigest(hashed):
    """Return a digest in hex."""
    return hashed.digest().hex() if not hasattr(hashed, "hexdigest") else hashed.hexdigest()


def bit_length(number):
    """Return how many bits a number has."""
    count = 0
    while number:
        number, count = number >> 1, count + 1
    return count


def zfill(text, width):
    """Return a text with zeros before it."""
    return "0" * (width - len(text)) + text
