"""The bench as a person uses it: by mouse, by clicks, by keys, and on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from sim.http import get_json, post_json

EMIL, MATILDA, HEIDI = "30715000000031", "30715000000064", "30715000000171"


def thing(page: Page, key: str):
    """Return a book or card on the page."""
    return page.locator(f'.thing[data-key="{key}"]')


def zone(page: Page, place: str):
    """Return a place on the page."""
    return page.locator(f'.zone[data-place="{place}"]')


def in_place(page: Page, place: str, key: str):
    """Return a thing if it lies in that place."""
    return page.locator(f'.zone[data-place="{place}"] .thing[data-key="{key}"]')


@pytest.fixture
def bench(demo, page: Page):
    """The bench's page, with everything back in its place and every plug in."""
    address = demo.address("bench")
    post_json(f"{address}/api/home", {})
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(address)
    expect(thing(page, EMIL)).to_be_visible()
    yield page
    post_json(f"{address}/api/home", {})


def test_everything_fits_on_a_laptop(bench):
    """At 1280 by 800 nothing has to be scrolled."""
    size = bench.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )

    assert size == [1280, 800]


def test_a_book_is_dragged_to_a_place(bench):
    """A mouse carries a book from the shelf to the street."""
    book, street = thing(bench, EMIL).bounding_box(), zone(bench, "outside").bounding_box()
    bench.mouse.move(book["x"] + 8, book["y"] + 30)
    bench.mouse.down()
    bench.mouse.move(street["x"] + 40, street["y"] + 90, steps=6)
    bench.mouse.up()

    expect(in_place(bench, "outside", EMIL)).to_be_visible()
    expect(bench.locator(".ghost")).to_have_count(0)


def test_a_drag_that_ends_nowhere_changes_nothing(bench):
    """Dropping a book on no place leaves it on the shelf, and nothing stays picked."""
    book = thing(bench, EMIL).bounding_box()
    bench.mouse.move(book["x"] + 8, book["y"] + 30)
    bench.mouse.down()
    bench.mouse.move(640, 20, steps=6)
    bench.mouse.up()

    expect(in_place(bench, "shelf", EMIL)).to_be_visible()
    expect(bench.locator('.thing[aria-pressed="true"]')).to_have_count(0)


def test_two_clicks_move_several_books(bench):
    """Click the books, then the place: all of them go there."""
    thing(bench, EMIL).click()
    thing(bench, HEIDI).click()
    expect(bench.get_by_text("Picked: Emil und die Detektive and Heidi")).to_be_visible()
    zone(bench, "hand").locator(".drop").click()

    expect(in_place(bench, "hand", EMIL)).to_be_visible()
    expect(in_place(bench, "hand", HEIDI)).to_be_visible()


def test_keys_do_all_of_it(bench):
    """Arrows move along the shelf, Enter picks, a letter puts, Escape lets go."""
    bench.locator('.shelf .thing[tabindex="0"]').focus()
    for _ in range(2):
        bench.keyboard.press("ArrowRight")
    bench.keyboard.press("Enter")
    expect(thing(bench, EMIL)).to_have_attribute("aria-pressed", "true")
    bench.keyboard.press("Escape")
    expect(thing(bench, EMIL)).to_have_attribute("aria-pressed", "false")

    bench.keyboard.press("Enter")
    bench.keyboard.press("h")

    expect(in_place(bench, "hand", EMIL)).to_be_visible()


def test_one_tab_stop_serves_a_whole_shelf(bench):
    """Forty books are one stop for the Tab key, not forty."""
    assert bench.locator('.shelf .thing[tabindex="0"]').count() == 1


def test_walking_out_with_an_unlent_book_is_an_alarm_one_can_see(bench):
    """The siren is drawn and written, not only coloured, and the guard's button ends it."""
    thing(bench, MATILDA).click()
    bench.locator('.gate[data-id="gate-1"] .walk.out').first.click()

    expect(bench.locator('.gate[data-id="gate-1"].alarm')).to_be_visible()
    expect(bench.locator('.gate[data-id="gate-1"] .siren')).to_have_text("ALARM")
    expect(in_place(bench, "outside", MATILDA)).to_be_visible()
    bench.get_by_role("button", name="Guard’s button").first.click()
    expect(bench.locator('.gate[data-id="gate-1"] .siren')).to_have_text("quiet")


def test_a_plug_is_pulled_on_the_page(bench, demo):
    """The plug's state is in words, and the kiosk's own screen notices."""
    plug = bench.get_by_label("Network plug of Stairs kiosk")
    plug.select_option("cut")
    expect(plug).to_have_attribute("data-state", "cut")
    expect(
        bench.frame_locator('.kiosk[data-id="kiosk-2"] iframe').get_by_text("offline")
    ).to_be_visible()

    plug.select_option("up")

    expect(plug).to_have_attribute("data-state", "up")
    states = {
        one["id"]: one["state"] for one in get_json(f"{demo.address('bench')}/api/state")["plugs"]
    }
    assert states["kiosk-2"] == "up"


def test_a_kiosks_screen_is_enlarged(bench):
    """A click on the small screen opens it in its real size; Escape closes it."""
    bench.get_by_role("button", name="Enlarge the screen of Door kiosk").click()
    dialog = bench.get_by_role("dialog", name="Kiosk screen")
    expect(dialog).to_be_visible()
    expect(dialog.frame_locator("iframe").get_by_text("Door kiosk")).to_be_visible()

    bench.keyboard.press("Escape")

    expect(dialog).not_to_be_visible()


def test_what_cannot_be_done_is_said(bench):
    """A refusal of the server is shown in its own words, and nothing moved."""
    bench.route("**/api/walk", lambda route: route.continue_(post_data='{"gate": "gate-9"}'))
    thing(bench, EMIL).click()
    bench.locator(".walk.out").first.click()

    expect(bench.locator("#hint")).to_have_text("lane: must be a text")
    expect(in_place(bench, "shelf", EMIL)).to_be_visible()


def test_a_phone_needs_no_sideways_scrolling(bench):
    """On a phone the page is one column; tapping a book and a place moves it."""
    bench.set_viewport_size({"width": 390, "height": 844})
    assert bench.evaluate("document.documentElement.scrollWidth") == 390

    thing(bench, EMIL).click()
    zone(bench, "hand").locator(".drop").click()

    expect(in_place(bench, "hand", EMIL)).to_be_visible()


def test_a_phones_buttons_are_large_enough(bench):
    """What a thumb presses is at least 40 pixels high."""
    bench.set_viewport_size({"width": 390, "height": 844})

    buttons = bench.locator(".walk:visible, .guard:visible, #home:visible, .plug select:visible")
    heights = [button.bounding_box()["height"] for button in buttons.all()]

    assert heights
    assert min(heights) >= 40


def test_the_inside_of_a_tag_is_shown(bench):
    """One picked thing can be looked into, by button and by key; Escape closes it."""
    thing(bench, EMIL).click()
    bench.get_by_role("button", name="Look at its tag").click()
    inside = bench.locator("#inside")
    expect(inside.get_by_text("in stock: a gate may sound")).to_be_visible()
    expect(inside.locator(".facts").get_by_text(EMIL)).to_be_visible()
    bench.keyboard.press("Escape")
    expect(inside).not_to_be_visible()

    thing(bench, EMIL).focus()
    bench.keyboard.press("i")

    expect(inside.get_by_text("version and usage")).to_be_visible()
    bench.keyboard.press("Escape")


def test_a_device_is_made_to_fail_and_mended(bench):
    """The pad's plug is pulled at the bench: its exchanges say so, and so does the kiosk."""
    bench.get_by_role("button", name="Look inside Door kiosk").click()
    inside = bench.locator("#inside")
    pad = inside.locator('.device[data-device="kiosk-1/pad"]')
    expect(pad.get_by_text("inventory → empty").first).to_be_visible()
    inside.get_by_label("Fault of kiosk-1/pad").select_option("off")

    expect(pad.get_by_text("no answer").first).to_be_visible()
    expect(zone(bench, "kiosk-1/pad")).to_have_attribute("data-ill", "off")
    screen = bench.frame_locator('.kiosk[data-id="kiosk-1"] iframe')
    expect(screen.locator("body")).to_contain_text("scan", ignore_case=True)
    inside.get_by_label("Fault of kiosk-1/pad").select_option("")
    expect(pad.get_by_text("inventory → empty").first).to_be_visible()
    inside.get_by_role("button", name="Close").click()
    expect(inside).not_to_be_visible()


def test_pins_are_drawn(bench):
    """What a gate's lamps and beams did is a line in time, and a word."""
    bench.locator('.gate[data-id="gate-2"] .walk.in').click()
    bench.get_by_role("button", name="Look inside Yard exit").click()
    beam = bench.locator('.device[data-device="gate-2/lane-1/beam_inner"]')

    expect(beam.locator("svg")).to_have_attribute(
        "aria-label", "gate-2/lane-1/beam_inner over the last 15 seconds; now free"
    )
    expect(beam.locator("path")).to_have_attribute("d", re.compile(r"V5.*V25"))
    bench.keyboard.press("Escape")


def test_a_trolley_goes_through_the_gate_and_stays_full(bench):
    """All on the trolley is picked with one press and pushed in; a siren stays quiet."""
    for key in (EMIL, HEIDI):
        thing(bench, key).click()
    bench.keyboard.press("t")
    expect(in_place(bench, "trolley", EMIL)).to_be_visible()

    bench.get_by_role("button", name="Pick all on the trolley").click()
    bench.locator('.gate[data-id="gate-2"] .walk.in').click()

    expect(bench.locator('.gate[data-id="gate-2"] .carried')).to_have_count(2)
    expect(in_place(bench, "trolley", HEIDI)).to_be_visible()
    expect(bench.locator('.gate[data-id="gate-2"] .siren')).to_have_text("quiet")


def test_a_scenario_is_played_before_ones_eyes(bench):
    """Chosen from a list, its steps are ticked one by one, and its end is in words."""
    bench.get_by_label("Play a scenario").select_option("unlent_book_alarms")
    show = bench.locator("#show")
    expect(show.locator("li.now, li.done").first).to_be_visible()

    expect(show.get_by_role("status")).to_have_text("It went as it is written.", timeout=60_000)
    assert show.locator("li.done").count() == show.locator("li").count() > 2
    show.get_by_role("button", name="Close").click()
    expect(show).not_to_be_visible()
    bench.reload()
    expect(thing(bench, EMIL)).to_be_visible()
    expect(show).not_to_be_visible()
