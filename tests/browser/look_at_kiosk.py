"""Plays one visit in a real browser and prints what it saw, as JSON.

A program of its own: after the first page of a synchronous browser, nothing else in the same
thread can run an event loop. Run by tests/browser/test_kiosk_screen.py.
"""

import json
import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

from hardware.ports import NTAG
from kiosk.app import _presser
from kiosk.web.app import build_app
from kiosk.web.server import WebServer, take_port
from sim.clock import SystemClock
from sim.http import post_json
from sim.tags import SimTag
from tests.kiosk.library import ANNAS_CARD, GOOSE, MOMO, Kiosk

UNTIL_PRESSED = {"farewell_s": 20}  # no farewell is over before it was seen
READY_S_MAX = 60
SIZES = ((1280, 800), (800, 480))
MEASURE = """() => ({
  small: [...document.querySelectorAll('button')].filter((b) => b.offsetParent)
    .filter((b) => b.offsetHeight < 44 || b.offsetWidth < 44).map((b) => b.textContent),
  outside: [...document.querySelectorAll('button')].filter((b) => b.offsetParent)
    .filter((b) => { const r = b.getBoundingClientRect();
      return r.right > innerWidth + 1 || r.bottom > innerHeight + 1 || r.left < -1; })
    .filter((b) => !b.closest('.tiles, .loans')).map((b) => b.textContent),
  scrolls: document.documentElement.scrollWidth > innerWidth
    || document.documentElement.scrollHeight > innerHeight,
  text: document.body.innerText,
  spoken: document.getElementById("spoken").textContent,
})"""


class Running:
    """A kiosk on real time, its screen on a port of this machine."""

    def __init__(self, folder):
        self.stop = threading.Event()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(folder,))
        self.thread.start()
        if not self.ready.wait(READY_S_MAX):
            raise SystemExit("the kiosk does not start")

    def _run(self, folder):
        self.kiosk = Kiosk(
            folder, clock=SystemClock(), typed_numbers=True, session=UNTIL_PRESSED
        ).load()
        engine = self.kiosk.engine
        engine.show()
        app = build_app(self.kiosk.board, _presser(engine))
        self.server = WebServer(app, take_port("127.0.0.1", 0))
        self.server.start()
        self.ready.set()
        engine.run(self.stop)
        engine.lists.close()
        engine.store.close()

    def finish(self):
        """End the farewell, as the next reader's press does."""
        post_json(f"{self.server.address}session/finish", {})

    def close(self):
        self.stop.set()
        self.thread.join()
        self.kiosk.board.close()
        self.server.stop()


def play(page, running, seen):
    """One visit, with eyes on every screen of it."""
    kiosk = running.kiosk

    def measure(name):
        seen["screens"][f"{name}-{page.viewport_size['width']}"] = page.evaluate(MEASURE)

    page.wait_for_selector("text=Place your books here or show your card")
    measure("idle")
    page.click("text=No card? Type your number")
    measure("number")
    page.keyboard.press("Escape")
    kiosk.pad.place(kiosk.tag(GOOSE))
    page.wait_for_selector("text=1 book is on the pad")
    measure("offered")
    kiosk.cards.place(SimTag(ANNAS_CARD, technology=NTAG))
    page.wait_for_selector(".tile[data-state=done] .tick")
    kiosk.cards.lift(ANNAS_CARD)
    measure("lending")
    page.click("#easy")
    measure("easy")
    page.click("text=Deutsch")
    page.wait_for_selector("text=Bitte zurückbringen bis")
    measure("german")
    page.click("text=English")
    page.focus("text=I am done")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=All done. Thank you!")
    measure("farewell")
    running.finish()
    kiosk.pad.lift(kiosk.tag(GOOSE).uid)
    page.wait_for_selector("text=Place your books here or show your card")
    page.wait_for_selector("text=Borrow, renew and return")  # the left book is really away
    measure("after")
    page.click("text=Return books")
    kiosk.pad.place(kiosk.tag(GOOSE))
    kiosk.pad.place(kiosk.tag(MOMO))
    page.locator(".tile[data-state=done]").nth(1).wait_for()
    measure("returning")
    page.click("text=I am done")
    for item_id in (GOOSE, MOMO):
        kiosk.pad.lift(kiosk.tag(item_id).uid)
    page.wait_for_selector("text=2 books returned")
    running.finish()
    page.wait_for_selector("text=Borrow, renew and return")


def main(folder, chromium):
    seen = {"screens": {}, "complaints": [], "strangers": []}
    running = Running(folder)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            for width, height in SIZES:
                page = browser.new_page(viewport={"width": width, "height": height})
                page.on("pageerror", lambda error: seen["complaints"].append(str(error)))
                page.on(
                    "request",
                    lambda request: (
                        request.url.startswith(running.server.address)
                        or seen["strangers"].append(request.url)
                    ),
                )
                page.goto(running.server.address)
                play(page, running, seen)
                page.close()
            browser.close()
    finally:
        running.close()
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
