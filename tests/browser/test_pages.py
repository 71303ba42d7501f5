"""The pages of the demo, as a browser sees them."""

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect

from sim.demo_check import LENA, MOMO
from sim.demo_files import SITE
from sim.http import post_json

PAGES = ("bench", "gateway", "kiosk-1", "kiosk-2")
READY_MS = 30_000  # the lists of a kiosk that has just started are on their way


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_without_a_complaint(name, demo, page: Page):
    """Each page has a title and a heading or a greeting, and its scripts raise nothing."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(demo.address(name))
    expect(page.locator("body")).not_to_be_empty()

    assert page.title()
    assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_else(name, demo, page: Page):
    """Every script, style and picture comes from this machine: the cable may be pulled."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.goto(demo.address(name))
    expect(page.locator("body")).not_to_be_empty()

    ours = ("http://127.0.0.1:", "data:", "blob:")
    assert len(asked) > 1
    assert [url for url in asked if not url.startswith(ours)] == []


def test_a_reader_sees_the_tick_and_staff_find_the_loan(demo, page: Page, context):
    """A card and a book on the pad: the kiosk greets and ticks, and staff find who lent it."""
    page.goto(demo.address("kiosk-1"))
    expect(page.get_by_text("cannot be checked yet")).to_have_count(0, timeout=READY_MS)

    post_json(f"{demo.address('bench')}/api/move", {"place": "kiosk-1/card", "keys": [LENA]})
    expect(page.get_by_role("heading", name="Hello, Lena H.")).to_be_visible()
    post_json(f"{demo.address('bench')}/api/move", {"place": "kiosk-1/pad", "keys": [MOMO]})
    expect(page.locator('.tile[data-state="done"] .name')).to_have_text("Momo")

    staff = context.new_page()
    staff.goto(demo.address("gateway"))
    staff.get_by_placeholder("Find a book").fill(MOMO)
    staff.get_by_role("button", name="Find").click()
    expect(staff.get_by_role("main")).to_contain_text("on loan")


def test_a_buildings_page_follows_the_gateway_and_says_when_it_cannot(demo, page: Page):
    """It asks again by itself: live while answers come, a sentence while they do not."""
    page.goto(f"{demo.address('gateway')}/site?name={SITE}")
    cards = page.locator("li.station")
    expect(cards).to_have_count(4)
    page.evaluate("document.querySelector('li.station').remove()")

    expect(cards).to_have_count(4, timeout=READY_MS)
    expect(page.locator(".pulse")).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("This page has lost the gateway")).to_be_visible(timeout=READY_MS)
    page.context.set_offline(False)
    expect(page.get_by_text("This page has lost the gateway")).to_be_hidden(timeout=READY_MS)
