"""Scenarios at the bench: which can be played, one at a time, and what the page is told."""

import pytest

from sim.bench.playing import DONE, FAILED, Playing, is_playable
from sim.errors import WorldError
from sim.scenario.text import read_scenario

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path):
    """Three scenarios, two of which need a library in one process."""
    (tmp_path / "lend.scenario").write_text("# A reader borrows.\nplace Momo on kiosk-1/pad\n")
    (tmp_path / "cut.scenario").write_text("# The power fails.\ncut_power kiosk-1\n")
    (tmp_path / "slow.scenario").write_text("# A slow line.\nfault kiosk-1/link slow\n")
    return tmp_path


def test_only_what_a_running_demo_can_do_is_offered(folder):
    """A demo's programs are its own: what cuts their power or slows their lines is left out."""
    assert Playing(NOWHERE, folder).names() == ["lend"]


@pytest.mark.parametrize(
    ("steps", "can"),
    [
        ("unplug kiosk-1/pad\n", True),
        ("fault kiosk-1/pad slow\n", True),
        ("link kiosk-1 down\n", True),
        ("fault kiosk-1/disk off\n", False),
        ("pull Momo after 1 writes\n", False),
    ],
)
def test_a_step_is_judged_by_what_it_breaks(tmp_path, steps, can):
    """Plugs and devices are the bench's; disks and tags in mid-write are not."""
    path = tmp_path / "one.scenario"
    path.write_text(f"# One step.\n{steps}")

    assert is_playable(read_scenario(path)) is can


def test_a_scenario_that_cannot_be_played_says_why(folder):
    """Without a bench the show ends at once, and the page is told what to start."""
    playing = Playing(NOWHERE, folder)
    playing.start("lend")
    playing._thread.join(10)

    show = playing.show.to_doc()
    assert (show["name"], show["title"]) == ("lend", "A reader borrows")
    assert show["steps"] == ["place Momo on kiosk-1/pad"]
    assert (show["state"], show["played"]) == (FAILED, 0)
    assert "no bench answers" in show["said"]
    assert show["state"] != DONE


def test_a_name_that_is_none_is_refused(folder):
    """Neither a file elsewhere nor one that is not offered is played."""
    playing = Playing(NOWHERE, folder)

    for name in ("../lend", "cut", ""):
        with pytest.raises(WorldError, match="no such scenario"):
            playing.start(name)
    assert playing.show is None
    playing.stop()
