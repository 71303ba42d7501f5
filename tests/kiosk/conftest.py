"""Kiosks for the tests of this folder."""

import pytest

from tests.kiosk.library import Kiosk


@pytest.fixture
def kiosk(tmp_path):
    """A kiosk with its lists, not connected to anything."""
    made = Kiosk(tmp_path).load()
    yield made.run(600)
    made.engine.lists.close()
    made.engine.store.close()
