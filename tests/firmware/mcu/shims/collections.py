"""MicroPython's collections, and a Counter that counts."""

from ucollections import *  # noqa: F403


class Counter(dict):
    """How often each was counted."""

    def __init__(self, counted=()):
        super().__init__()
        for one in counted:
            self[one] += 1

    def __getitem__(self, key):
        return self.get(key, 0)
