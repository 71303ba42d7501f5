"""What docs/gateway.md says is what the gateway does."""

import re

import pytest

from gateway import board, sites, wording
from gateway.__main__ import main
from gateway.web import api, pages
from tests.project import ROOT

PAGE = (ROOT / "docs/gateway.md").read_text(encoding="utf-8")


def test_every_command_is_on_the_page():
    """No command is a secret, and none named there is gone."""
    table = PAGE.partition("## Commands")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z-]+)`", re.sub(r"^.*\|---\|---\|", "", table, flags=re.DOTALL))

    assert set(named) == set(main.list_commands(None))


def test_every_address_for_programs_is_on_the_page():
    """A program finds all requests there, and no other."""
    named = set(re.findall(r"`(?:GET|POST) (/api[\w/{}]+)", PAGE))

    assert named == {route.path for route in api.router.routes}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("part_totals.html", "Everything that was recorded has arrived."),
        ("part_totals.html", "still on the way"),
        ("part_totals.html", "a station out of sight may hold more"),
        ("part_totals.html", "a tag that could not be switched back"),
        ("part_stations.html", "To be seen to"),
        ("station_cards.html", "It is not sure of the time."),
        ("station_cards.html", "Two programs answer to this name."),
        ("station_cards.html", "set aside"),
        ("part_review.html", "That is how it is"),
        ("part_review.html", "Noted"),
        ("board.html", "For you to decide"),
    ],
)
def test_what_is_quoted_stands_on_the_pages(template, words):
    """Staff find the words that they see."""
    source, _, _ = pages.templates.env.loader.get_source(pages.templates.env, template)

    assert words in PAGE
    assert words in source


def test_how_a_station_is_called_and_when():
    """The words of the list of stations, and after how long they change."""
    words = wording.CONTACT

    assert f"{words['connected']} · {words['silent']} · {words['dead']}" in PAGE
    assert words["connected"] + wording.ILL in PAGE
    assert "two and a half minutes; not; not for a day" in PAGE
    assert (board.CONTACT_MS, board.DEAD_MS) == (150_000, 86_400_000)


def test_a_city_is_folded_as_the_page_says():
    """A library that grows finds its stations."""
    assert f"more than {sites.CARDS_MAX} stations in several buildings" in PAGE
    assert ("twelve at most" in PAGE, sites.NEEDING_MAX) == (True, 12)


def test_as_many_entries_are_shown_as_the_page_says():
    """Whoever has more knows that there are more."""
    assert "newest fifty" in PAGE
    assert board.REVIEWS_SHOWN == 50
