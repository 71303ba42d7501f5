"""In the place of hypothesis: its tests run on CPython alone, the rest of their file here too."""

import pytest


class _Any:
    """Takes whatever a strategy takes."""

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **named):
        return self


strategies = _Any()


def given(*args, **named):
    """Return a test without a row."""

    def decorate(test):
        cases = test if isinstance(test, pytest.Cases) else pytest.Cases(test)
        cases.rows = []
        return cases

    return decorate


settings = example = _Any()
