"""Kiosks for the tests of this folder.

Their files lie in memory where the machine has such a place: these tests are about what is
written and in which order. That it survives a power cut is tested on disks, in tests/e2e.
"""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.kiosk.library import Kiosk

MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path(tmp_path):
    """A folder of the test's own, in memory if possible; a disk syncs some 30 times a test."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="lendgate-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def kiosk(tmp_path):
    """A kiosk with its lists, not connected to anything."""
    made = Kiosk(tmp_path).load()
    yield made.run(600)
    made.engine.lists.close()
    made.engine.store.close()
