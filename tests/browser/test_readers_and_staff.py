"""A reader at the kiosk's screen, and staff who watch the gateway's page while it happens.

No page is loaded a second time here: what changes on it came by itself. Whatever a test does, no
script may complain and nothing may be asked of another machine.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from sim.http import HttpFailed, get_json, post_json
from tests.support.programs import wait_until

FRANKENSTEIN, PRIDE, MOBY_DICK = "30715000000197", "30715000000205", "30715000000213"
KINDRED, CAO = "30715000000304", "30715000000155"
AMARA, TOMAS = "20715000000041", "20715000000058"
OURS = ("http://127.0.0.1:", "data:", "blob:")
READY_MS = 30_000  # the lists of a kiosk that has just started are on their way


@pytest.fixture
def watched(context):
    """Open pages whose every complaint and every request is seen."""
    complaints: list[str] = []

    def open_page(address: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(OURS) else complaints.append(asked.url),
        )
        page.goto(address)
        return page

    yield open_page
    assert complaints == []


@pytest.fixture
def hand(demo):
    """Move things on the bench, and put them back in the end."""
    bench = demo.address("bench")

    def move(place: str, *keys: str) -> None:
        post_json(f"{bench}/api/move", {"place": place, "keys": list(keys)})

    def went_home() -> bool:
        """Nobody takes a book from the hand of somebody who is walking through a gate."""
        try:
            post_json(f"{bench}/api/home", {})
        except HttpFailed:
            return False
        return True

    yield move
    wait_until("everything is home", went_home)


@pytest.fixture
def screen(demo, watched):
    """The first kiosk's screen, free and with its lists."""
    free(demo)
    page = watched(demo.address("kiosk-1"))
    expect(page.get_by_text("cannot be checked yet")).to_have_count(0, timeout=READY_MS)
    expect_free(page)
    return page


def expect_free(page: Page) -> None:
    """Wait for the first screen, and until the kiosk has missed what was taken off its pad."""
    expect(page.locator("body")).to_have_attribute("data-state", "idle", timeout=READY_MS)
    expect(page.get_by_text("left on the pad")).to_have_count(0)


def free(demo):
    """Take away what the last visitor left on the first kiosk, and end that visit."""
    kiosk = demo.address("kiosk-1")

    def idle() -> bool:
        """An ended visit says farewell first; pressing again ends that, too."""
        try:
            post_json(f"{demo.address('bench')}/api/home", {})
            if get_json(f"{kiosk}/api/state")["state"] == "idle":
                return True
            post_json(f"{kiosk}/session/finish", {})
        except HttpFailed:
            return False
        return False

    wait_until("the kiosk is free", idle)


def tile(page: Page, title: str):
    """Return the tile of a book that has its tick."""
    return page.locator('.tile[data-state="done"]', has_text=title)


def test_a_reader_lends_and_returns_with_a_finger(screen, hand):
    """Card, book, tick, done; later the book, the button, the tick: nothing is typed."""
    hand("kiosk-1/card", AMARA)
    hand("kiosk-1/pad", FRANKENSTEIN)
    expect(tile(screen, "Frankenstein")).to_be_visible()
    hand("hand", FRANKENSTEIN)
    hand("cards", AMARA)
    screen.get_by_role("button", name="I am done").click()
    expect(screen.get_by_text("1 book borrowed")).to_be_visible()
    expect(screen.get_by_text("Hello, Amara")).to_have_count(0)
    expect_free(screen)

    hand("kiosk-1/pad", FRANKENSTEIN)
    expect(screen.get_by_role("heading", name="1 book is on the pad")).to_be_visible()
    screen.get_by_role("button", name="Return books").click()

    expect(tile(screen, "Frankenstein")).to_contain_text("Returned")
    screen.get_by_role("button", name="I am done").click()
    expect(screen.get_by_text("1 book returned")).to_be_visible()


def press_by_keys(page: Page, words: str) -> None:
    """Tab to the button with these words and press Enter, as without a pointer."""
    wanted = page.get_by_role("button", name=words)
    expect(wanted).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    for _ in range(30):
        page.keyboard.press("Tab")
        if wanted.evaluate("node => node === document.activeElement"):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"no way to {words!r} with the Tab key")


def test_a_reader_lends_and_returns_by_keys_alone(screen, hand):
    """Every button of a visit is reached with Tab and pressed with Enter."""
    hand("kiosk-1/card", TOMAS)
    hand("kiosk-1/pad", PRIDE)
    expect(tile(screen, "Pride and Prejudice")).to_be_visible()
    hand("hand", PRIDE)
    hand("cards", TOMAS)
    press_by_keys(screen, "I am done")
    expect_free(screen)

    press_by_keys(screen, "Return books")
    hand("kiosk-1/pad", PRIDE)

    expect(tile(screen, "Pride and Prejudice")).to_contain_text("Returned")
    press_by_keys(screen, "I am done")
    expect(screen.get_by_text("1 book returned")).to_be_visible()


def test_staff_see_a_fact_arrive_without_touching_the_page(demo, watched, hand):
    """The count of applied facts goes up, and a kiosk that was cut off is seen to come back."""
    page = watched(demo.address("gateway"))
    page.evaluate("window.mine = 'this very page'")
    applied = page.locator("dl.numbers div", has_text="applied").locator("dd")
    before = int(applied.inner_text().replace(",", ""))
    bench = demo.address("bench")
    post_json(f"{bench}/api/plug", {"plug": "kiosk-2", "state": "cut"})
    hand("kiosk-2/card", AMARA)
    hand("kiosk-2/pad", MOBY_DICK)
    lent_offline(demo, "Moby-Dick")
    post_json(f"{bench}/api/plug", {"plug": "kiosk-2", "state": "up"})

    expect(page.locator(".diary")).to_contain_text(
        re.compile(r"Stairs kiosk|kiosk-2 came back with \d+ waiting"), timeout=60_000
    )
    expect(applied).not_to_have_text(f"{before:,}")
    assert int(applied.inner_text().replace(",", "")) > before
    assert page.evaluate("window.mine") == "this very page"


def lent_offline(demo, title):
    """Wait until the second kiosk shows the tick."""

    def ticked():
        items = get_json(f"{demo.address('kiosk-2')}/api/state")["items"]
        return [item["state"] for item in items if item["title"] == title]

    wait_until("the tick", ticked, ["done"])


def test_staff_see_an_alarm_with_its_title_without_touching_the_page(demo, watched, hand):
    """A book nobody lent goes out: gate and title appear on the page that was open."""
    page = watched(demo.address("gateway"))
    gate = page.locator(".station", has_text="Main exit")
    expect(gate.locator(".alarm", has_text="Kindred")).to_have_count(0)

    walk = {"gate": "gate-1", "lane": "lane-1", "direction": "out", "keys": [KINDRED]}
    post_json(f"{demo.address('bench')}/api/walk", walk)

    expect(gate.locator(".alarm", has_text="Kindred")).to_be_visible()
    expect(page.locator(".diary")).to_contain_text("Kindred")
    post_json(f"{demo.address('bench')}/api/press", {"gate": "gate-1"})


def test_a_book_dragged_onto_the_pad_is_lent_on_the_screen_beside_it(demo, watched, hand):
    """A card and a book are dragged to a kiosk: its screen ticks, and the gate stays still."""
    page = watched(demo.address("bench"))
    page.set_viewport_size({"width": 1280, "height": 800})
    for key, place in ((TOMAS, "kiosk-1/card"), (CAO, "kiosk-1/pad")):
        drag(page, key, place)
    kiosk = page.frame_locator('.kiosk[data-id="kiosk-1"] iframe')
    expect(kiosk.locator('.tile[data-state="done"]')).to_contain_text("草房子")

    walk = {"gate": "gate-2", "lane": "lane-1", "direction": "out", "keys": [CAO]}
    post_json(f"{demo.address('bench')}/api/walk", walk)

    expect(page.locator(f'.zone[data-place="outside"] .thing[data-key="{CAO}"]')).to_be_visible()
    expect(page.locator('.gate[data-id="gate-2"] .siren')).to_have_text("quiet")


def drag(page: Page, key: str, place: str) -> None:
    """Carry a thing to a place with the mouse."""
    thing = page.locator(f'.thing[data-key="{key}"]')
    thing.scroll_into_view_if_needed()
    start = thing.bounding_box()
    end = page.locator(f'.zone[data-place="{place}"]').bounding_box()
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=8)
    page.mouse.up()
