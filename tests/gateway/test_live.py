"""Open pages hear of news at once, and share what they show."""

import asyncio
import time

import pytest

from gateway.web.live import QUIET_S, REST, Pictures, Pulse


class Painter:
    """Draws numbered pictures, each of which takes so long."""

    def __init__(self, takes_s=0.0):
        self.begun = []
        self._takes_s = takes_s

    def __call__(self):
        self.begun.append(time.monotonic())
        time.sleep(self._takes_s)
        return {"totals": str(len(self.begun))}


def test_a_page_hears_of_news_at_once():
    """Whoever waits is woken by the next beat, and never misses the last one."""

    async def play():
        pulse = Pulse()
        waiting = asyncio.create_task(pulse.after(0, timeout_s=10))
        await asyncio.sleep(0)
        pulse.beat()
        woken = await waiting
        pulse.beat()
        return woken, await pulse.after(1, timeout_s=10), await pulse.after(2, timeout_s=0.01)

    assert asyncio.run(play()) == (1, 2, 2)


def test_pages_that_look_together_share_a_picture():
    """Five open pages cost what one costs."""
    painter = Painter()

    async def play():
        pictures = Pictures(Pulse(), painter)
        return await asyncio.gather(*(pictures.newest() for _ in range(5)))

    seen = asyncio.run(play())
    assert [picture.parts for picture in seen] == [{"totals": "1"}] * 5
    assert len(painter.begun) == 1


def test_news_after_a_picture_make_a_new_one():
    """A page that was told of a change is never shown what was before it."""
    painter = Painter()

    async def play():
        pulse = Pulse()
        pictures = Pictures(pulse, painter)
        first = await pictures.newest()
        pulse.beat()
        return first, await pictures.newest()

    first, second = asyncio.run(play())
    assert (first.changes, second.changes) == (0, 1)
    assert second.parts == {"totals": "2"}


def test_a_change_while_a_picture_is_drawn_is_not_in_it():
    """It counts what had happened when the drawing began, so whoever has it asks once more."""
    pulse = Pulse()

    def draw():
        pulse.beat()
        return {}

    async def play():
        return await Pictures(pulse, draw).newest()

    assert asyncio.run(play()).changes == 0


def test_what_is_silent_is_looked_at_again():
    """A station turns silent without anybody saying so."""
    painter = Painter()

    async def play():
        pictures = Pictures(Pulse(), painter)
        await pictures.newest()
        await asyncio.sleep(QUIET_S * 1.1)
        return await pictures.newest()

    assert asyncio.run(play()).parts == {"totals": "2"}


@pytest.mark.parametrize(("takes_s", "rests_s"), [(0.0, QUIET_S), (0.1, REST * 0.1)])
def test_after_a_picture_others_have_the_core(takes_s, rests_s):
    """However fast facts arrive: at most four pictures a second, and a fifth of a core."""
    painter = Painter(takes_s)

    async def play():
        pulse = Pulse()
        pictures = Pictures(pulse, painter)
        for _ in range(3):
            pulse.beat()
            await pictures.newest()

    asyncio.run(play())
    pauses = [
        later - earlier for earlier, later in zip(painter.begun, painter.begun[1:], strict=False)
    ]
    assert len(pauses) == 2
    assert min(pauses) >= takes_s + rests_s


def test_a_failed_drawing_is_tried_again():
    """A page whose stream broke comes back, and finds no lock that nobody holds."""

    def draw():
        faults.append("x")
        if len(faults) == 1:
            raise OSError("the disk is away")
        return {"totals": "1"}

    faults: list[str] = []

    async def play():
        pictures = Pictures(Pulse(), draw)
        with pytest.raises(OSError, match="away"):
            await pictures.newest()
        return await pictures.newest()

    assert asyncio.run(play()).parts == {"totals": "1"}
