"""kill -9 at any moment: what was ticked is in the journal, and the journal is whole."""

import os
import random
import subprocess
import sys

from circulation.wire.chain import chain_hash
from circulation.wire.fact import decode_body
from kiosk.store import Store
from tests.project import ROOT

KILLS = 4
TICKS_MAX = 12


def run_until_killed(folder, seed, ticks):
    """Start a kiosk, kill it after that many ticks and a little, return what it ticked."""
    command = [sys.executable, "-m", "tests.e2e.lend_for_ever", str(folder), str(seed)]
    seen = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        while len(seen) < ticks:
            seen.append(process.stdout.readline().strip())
        process.kill()
        rest = process.stdout.read()
    # A last line without its end was cut off by the kill, as its screen would have been.
    seen += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    return [line.strip() for line in seen]


def test_nothing_that_was_ticked_is_lost_by_a_kill(tmp_path, seed):
    """Four kills at random moments over one database; every tick any screen showed is there."""
    chance = random.Random(seed)
    ticked = []
    for run in range(1, KILLS + 1):
        ticked += run_until_killed(tmp_path, run, chance.randrange(1, TICKS_MAX))

    store = Store.open(tmp_path / "kiosk-1.db", station="kiosk-1", epoch_id="0" * 16)
    rows = store.journal.rows(1, 100_000, 1 << 30)
    store.close()
    kept = [decode_body(row.body)["id"] for row in rows]
    assert set(ticked) <= set(kept)
    assert len(kept) == len(set(kept))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        assert row.hash == chain_hash(row.prev_hash, row.seq, row.body)
