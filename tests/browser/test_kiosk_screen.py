"""The screen in a real browser: big enough, readable, for everybody, and silent afterwards."""

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import program_path
from tests.project import ROOT

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a browser saw of one visit, at 1280 × 800 and at 800 × 480."""
    command = [
        sys.executable, "-m", "tests.browser.look_at_kiosk",
        str(tmp_path_factory.mktemp("screen")), program_path("chromium"),
    ]  # fmt: skip
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    return json.loads(ran.stdout)


def test_the_screen_draws_without_a_complaint_and_asks_no_stranger(seen):
    """No script raises anything, and every request goes to the kiosk itself."""
    assert seen["complaints"] == []
    assert seen["strangers"] == []
    assert len(seen["screens"]) == 18


def test_every_button_is_large_enough_for_a_thumb(seen):
    """At least 44 pixels both ways (WCAG 2.2), on both sizes and with large letters."""
    assert [(name, found) for name, s in seen["screens"].items() for found in s["small"]] == []


def test_no_button_lies_outside_the_screen(seen):
    """What is to be pressed is there without scrolling."""
    assert [(name, found) for name, s in seen["screens"].items() for found in s["outside"]] == []
    assert not any(screen["scrolls"] for screen in seen["screens"].values())


def test_after_the_visit_the_page_holds_nothing_of_the_reader(seen):
    """Neither the farewell nor the first screen shows a name or a title."""
    for name, screen in seen["screens"].items():
        if name.startswith(("farewell", "after", "idle")):
            assert "Anna" not in screen["text"], name
            assert "Snow Goose" not in screen["text"], name


def test_the_reader_sees_name_title_and_date(seen):
    """A lent book shows its title, and until when."""
    text = seen["screens"]["lending-800"]["text"]

    assert "Hello, Anna B." in text
    assert "The Snow Goose" in text
    assert "Bring it back by" in text


def test_who_does_not_see_hears_it_in_sentences(seen):
    """A screen reader is given greeting, title and date apart, not run together."""
    said = re.sub(r"by, .*", "by, (day).", seen["screens"]["lending-800"]["spoken"])

    assert said == "Hello, Anna B. The Snow Goose, Bring it back by, (day)."
