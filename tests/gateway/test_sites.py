"""A city's stations: buildings as tiles, and cards for the few that somebody should see to."""

import re

import pytest
import sqlalchemy as sa

from gateway.schema import REVIEW
from gateway.sites import CARDS_MAX, NEEDING_MAX, needs_a_look, overview
from gateway.stations import ensure_station
from gateway.web.app import create_app
from gateway.web.live import Pulse
from gateway.web.pages import render_part
from tests.gateway.conftest import LIBRARY, START_MS, Station
from tests.gateway.test_web import Browser

WELL = {
    "role": "kiosk",
    "site": "main",
    "list_state": "FRESH",
    "clock": "sure",
    "last_contact_at": START_MS,
    "first_contact_at": START_MS,
    "facts": 10,
    "hw": 10,
    "seq_last": 10,
}
DAYS_3_MS, HOUR_MS = 3 * 86_400_000, 3_600_000
SILENT = {"last_contact_at": START_MS - HOUR_MS}
DEAD = {"last_contact_at": START_MS - DAYS_3_MS}
BLIND = {"role": "gate", "list_state": "BLIND"}
ILL = {"telemetry": {"health": {"pad": "the pad does not answer"}}}
PARKED, TWIN = {"parked": 2}, {"twin_seen_at": START_MS}
WAITING = {"seq_last": 1_310, "waiting_since": START_MS - HOUR_MS}
EXPECTED = {"last_contact_at": None, "first_contact_at": None}


@pytest.fixture
def stand(store, clock):
    """Put stations up: `stand(name={what is special of it}, …)`."""
    clock.now_ms = START_MS

    def put(**stations):
        with store.write(LIBRARY) as write:
            for name, special in stations.items():
                ensure_station(write, name, **{**WELL, "name": f"The {name}", **special})

    return put


def city(count=CARDS_MAX + 1, site=lambda n: f"branch-{n % 3}"):
    """Return so many stations that are well, in three buildings."""
    return {f"k{n:03}": {"site": site(n)} for n in range(count)}


def cards(html):
    """Return the stations that are shown as cards, in their order."""
    return re.findall(r'class="station-name" id="at-([^"]+)"', html)


def tiles(html):
    """Return the text of each building's tile by its name."""
    found = re.findall(r'<li class="site[^>]*>(.*?)</li>', html, re.DOTALL)
    texts = [" ".join(re.sub("<[^>]*>", " ", tile).split()) for tile in found]
    names = [re.search(r"<a[^>]*>(.*?)</a>", tile).group(1) for tile in found]
    return {name: text.removeprefix(name).strip() for name, text in zip(names, texts, strict=True)}


@pytest.mark.parametrize(
    ("stations", "is_city"),
    [
        (city(CARDS_MAX), False),
        (city(CARDS_MAX + 1), True),
        (city(3 * CARDS_MAX, site=lambda n: "main"), False),
    ],
    ids=["few", "many", "many in one building"],
)
def test_cards_for_all_where_they_fit(board, stand, stations, is_city):
    """Who runs five rooms sees five rooms; only several buildings full of stations are folded."""
    stand(**stations)

    html = render_part("stations", board.board())

    assert (overview(board.stations()) is not None) == is_city
    assert len(cards(html)) == (0 if is_city else len(stations))
    assert len(tiles(html)) == (3 if is_city else 0)


def test_a_tile_counts_its_building(board, stand):
    """Each building says how many are connected, who is to be seen to, and what is on the way."""
    stand(**city(), x1={**SILENT, "site": "west"}, x2={**WAITING, "site": "west"})
    stand(y={**WAITING, "site": "east"}, z={"site": None})

    said = tiles(render_part("stations", board.board()))

    assert said == {
        "branch-0": "9 stations, all connected",
        "branch-1": "8 stations, all connected",
        "branch-2": "8 stations, all connected",
        "east": "1 station, connected 1,300 waiting, the oldest from 1 h ago",
        "west": "1 of 2 connected 1 to be seen to 1,300 waiting, the oldest from 1 h ago",
        "No building named": "1 station, connected",
    }


@pytest.mark.parametrize(
    "names",
    [
        ["Branch 2", "Branch 10", "branch 11", "Café", "Zoo", "No building named"],
        ["1", "2 Elm Road", "10", "A", "a1b2", "a1b10"],
        ["٣", "No building named"],
    ],
)
def test_buildings_stand_where_people_look(board, stand, names):
    """Numbers in names are numbers, and capitals are letters like others."""
    backwards = [None if name.startswith("No ") else name for name in reversed(names)]
    stand(**city(CARDS_MAX + 1, site=lambda n: backwards[n % len(backwards)]))

    assert list(tiles(render_part("stations", board.board()))) == names


@pytest.mark.parametrize(
    ("special", "needs"),
    [
        ({}, False),
        (WAITING, False),
        (EXPECTED, False),
        ({"clock": "unsure"}, False),
        ({"list_state": "STALE"}, False),
        (SILENT, True),
        (DEAD, True),
        (BLIND, True),
        (ILL, True),
        (PARKED, True),
        (TWIN, True),
    ],
)
def test_who_is_to_be_seen_to(board, stand, special, needs):
    """Facts on their way need nobody; silence, a broken device or a gate without a list do."""
    stand(one=special)

    assert [needs_a_look(view) for view in board.stations()] == [needs]


def test_the_worst_come_first(board, stand):
    """A gate that guards nothing is before a kiosk that was unplugged an hour ago."""
    stand(**city(), silent=SILENT, parked=PARKED, ill=ILL, twin=TWIN, dead=DEAD, blind=BLIND)
    stand(unheard={"last_contact_at": START_MS - 2 * HOUR_MS})

    shown = cards(render_part("stations", board.board()))

    assert shown == ["blind", "dead", "twin", "ill", "parked", "unheard", "silent"]


def test_a_city_without_power_is_counted(board, stand):
    """When all are silent the page stays short and says how many more there are."""
    stand(**{name: {**one, **SILENT} for name, one in city(1_040).items()})

    html = render_part("stations", board.board())

    assert len(cards(html)) == NEEDING_MAX
    assert f"And {1_040 - NEEDING_MAX:,} more" in html
    assert "347 to be seen to" in tiles(html)["branch-0"]


def test_a_city_that_is_well_shows_buildings_alone(board, stand):
    """No heading stands over nothing."""
    stand(**city())

    html = render_part("stations", board.board())

    assert "To be seen to" not in html
    assert "more; their buildings" not in html


def test_the_page_of_a_large_city_is_small(board, stand):
    """An open page gets it four times a second: tiles, not a thousand cards."""
    stand(**city(1_000, site=lambda n: f"branch-{n // 5}"))

    html = render_part("stations", board.board())

    assert len(tiles(html)) == 200
    assert len(html) < 80_000


def test_what_the_desk_wrote_has_a_tile(board, stand, ingest, books):
    """Staff's own facts are found in a city too, and are no building's."""
    stand(**city())
    stand(desk={"role": "desk", "site": None})

    html = render_part("stations", board.board())

    assert tiles(html)["The desk"] == "what staff decide here"
    assert "No building named" not in tiles(html)
    assert 'href="/station/desk"' in html


@pytest.fixture
def client(board):
    """A browser."""
    return Browser(create_app(board, None, Pulse(), None))


def test_a_building_has_a_page(client, stand):
    """A tile leads to the building's stations as cards, those to be seen to first."""
    stand(a={"site": "west"}, b={**SILENT, "site": "west"}, c={"site": "east"})
    stand(desk={"role": "desk", "site": "west"})

    page = client.get("/site", params={"name": "west"})

    assert page.status_code == 200
    assert cards(page.text) == ["b", "a"]
    assert "1 of 2 connected · 1 to be seen to" in page.text


@pytest.mark.parametrize("name", ["a b&c=d", "Übersee/2", "<b>x</b>", "'\"", "%41", "a#b"])
def test_a_tile_leads_to_its_building_whatever_its_name(client, stand, name):
    """A name with signs in it is neither cut nor obeyed."""
    stand(**city(), odd={"site": name})
    link = re.search(r'href="(/site\?name=[^"]*)">(?!branch)', client.get("/").text).group(1)

    page = client.get(link.replace("&amp;", "&"))

    assert cards(page.text) == ["odd"]
    assert "<b>x" not in page.text
    again = re.search(r'hx-get="([^"]*)"', page.text).group(1)
    assert cards(client.get(again.replace("&amp;", "&")).text) == ["odd"]


def test_stations_that_named_no_building_have_a_page(client, stand):
    """They are somewhere, and somebody has to find them."""
    stand(lost={"site": None}, here={})

    assert cards(client.get("/site").text) == ["lost"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere", "No station stands in “nowhere”."), ("", "Every station named a building.")],
)
def test_a_building_without_stations_is_said(client, stand, name, said):
    """An address of last year ends at a sentence."""
    stand(here={})

    page = client.get("/site", params={"name": name})

    assert page.status_code == 404
    assert said in page.text


def test_entries_that_wait_are_named_at_the_top(board, ingest, books, readers):
    """Below two hundred buildings nobody would find them."""
    for name, reader in (("kiosk-1", readers[0]), ("kiosk-2", readers[1])):
        before = render_part("totals", board.board())
        kiosk = Station(name)
        kiosk.write("checkout", item=books["1001"], patron=reader, due_at=START_MS, reach=3)
        ingest.take([kiosk.batch()])

    assert "wait" not in re.sub("<dl.*?</dl>", "", before, flags=re.DOTALL)
    assert '<a href="#review">1 entry waits for you.</a>' in render_part("totals", board.board())


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 entry waits"), (49, "49 entries wait"), (50, "50 or more"), (70, "50 or more")],
)
def test_more_entries_than_are_shown_are_not_counted(store, board, count, said):
    """The page knows of the newest fifty, and does not claim that there are no more."""
    one = {"library_id": LIBRARY, "rule": "forked", "created_at": START_MS, "version": 1}
    with store.transaction() as connection:
        for n in range(count):
            connection.execute(sa.insert(REVIEW).values({**one, "key": f"e{n}", "facts": []}))

    assert said in render_part("totals", board.board())
