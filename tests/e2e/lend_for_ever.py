"""A kiosk in a process of its own that lends and returns until it is killed.

Each line it prints is a tick that was on its screen: what a reader has seen, and so must never
be lost. Run by tests/e2e/test_kiosk_crash.py.
"""

import sys
from pathlib import Path

from tests.kiosk.library import ANNAS_CARD, BENS_CARD, GOOSE, MOMO, TITLES, Kiosk


def main(folder, seed):
    kiosk = Kiosk(folder, seed=seed).load(version=seed).run(1_500)
    print("ready", flush=True)  # noqa: T201
    while True:
        for item_id, card in ((GOOSE, ANNAS_CARD), (MOMO, BENS_CARD)):
            kiosk.show_card(card)
            visit(kiosk, item_id, "checkout")
            kiosk.press("mode", mode="return")
            visit(kiosk, item_id, "checkin", "used_in_house")


def visit(kiosk, item_id, *wanted):
    kiosk.pad.place(kiosk.tag(item_id))
    for _ in range(20):
        kiosk.run(100)
        if kiosk.tiles.get(TITLES[item_id][0]) == "done":
            print(kiosk.facts(*wanted)[-1]["id"], flush=True)  # noqa: T201
            break
    kiosk.press("finish")
    kiosk.lift(item_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
