"""The demo played by a script: each step says what it expects, and the first surprise ends it.

Only HTTP is used, as a person with three browser tabs would: moves at the bench, the kiosks'
screens, the gateway's page. Every wait has a limit.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sim.demo import Demo, ports_from
from sim.errors import DemoFailed
from sim.http import HttpFailed, get_json, post_json

WITHIN_S = 90.0
"""A link that was cut waits up to 30 s before it tries again, see `circulation.link`."""
SILENCE_S = 2.0
LOOK_EVERY_S = 0.05

MOMO, KRABAT = "30715000000015", "30715000000023"
EMIL, PIPPI = "30715000000031", "30715000000049"
HEIDI, DUNE, SOLARIS = "30715000000171", "30715000000262", "30715000000288"
LENA, YUSUF, AMARA = "20715000000017", "20715000000025", "20715000000041"
PORT_OPTIONS = ("broker_port", "gateway_port", "kiosk_1_port", "kiosk_2_port", "bench_port")

Say = Callable[[str], None]


class Surprise(DemoFailed):
    """Something was not as it should be; the message says what was expected and what was seen."""


class Player:
    """A person with three browser tabs: the bench, the kiosks and the gateway."""

    def __init__(self, demo: Demo, *, say: Say, stop: threading.Event) -> None:
        self._demo = demo
        self._say = say
        self._stop = stop
        self._started_at = time.monotonic()

    def done(self, what: str) -> None:
        """Say that a step went as it should."""
        self._say(f"✓ {time.monotonic() - self._started_at:5.1f} s  {what}")

    def hand(self, action: str, **body: Any) -> None:
        """Do something at the bench."""
        post_json(f"{self._demo.address('bench')}/api/{action}", body)

    def move(self, place: str, *keys: str) -> None:
        """Put things somewhere."""
        self.hand("move", place=place, keys=list(keys))

    def press(self, kiosk: str, action: str, **body: Any) -> None:
        """Press a button on a kiosk's screen."""
        post_json(f"{self._demo.address(kiosk)}/session/{action}", body)

    def screen(self, kiosk: str) -> dict[str, Any]:
        """Return what a kiosk shows."""
        view: dict[str, Any] = get_json(f"{self._demo.address(kiosk)}/api/state")
        return view

    def tiles(self, kiosk: str) -> dict[str, str]:
        """Return the state of each item on a kiosk's screen, by title."""
        return {tile["title"]: tile["state"] for tile in self.screen(kiosk)["items"]}

    def tag(self, key: str) -> str:
        """Return what a book's tag tells a gate."""
        books = get_json(f"{self._demo.address('bench')}/api/state")["books"]
        return str(next(book["tag"] for book in books if book["key"] == key))

    def gate(self, gate: str) -> dict[str, Any]:
        """Return a gate as it is at the bench."""
        gates = get_json(f"{self._demo.address('bench')}/api/state")["gates"]
        found: dict[str, Any] = next(one for one in gates if one["id"] == gate)
        return found

    def item(self, key: str) -> str:
        """Return an item's state at the gateway."""
        return str(self._gateway(f"items/{key}")["state"])

    def alarms(self) -> list[str]:
        """Return the titles of the alarms at the gateway, newest first."""
        return [str(alarm["title"]) for alarm in self._gateway("alarms")]

    def applied(self, station: str) -> int:
        """Return how many of a station's facts the gateway has applied."""
        found = [one for one in self._gateway("stations") if one["station"] == station]
        return int(found[0]["hw"]) if found else 0

    def expect(
        self, what: str, probe: Callable[[], Any], wanted: Any, *, within_s: float = WITHIN_S
    ) -> None:
        """Wait until a probe gives what is wanted; raises `Surprise` when it does not in time."""
        deadline = time.monotonic() + within_s
        while (seen := _probed(probe)) != wanted:
            if time.monotonic() > deadline:
                raise Surprise(
                    f"{what}\n    expected: {wanted!r}\n    seen:     {seen!r}"
                    f"\n    (waited {within_s:.0f} s)"
                )
            if self._stop.wait(LOOK_EVERY_S):
                raise DemoFailed("stopped")

    def stay(self, what: str, probe: Callable[[], Any], wanted: Any, *, for_s: float) -> None:
        """Watch that a probe gives the same all the time; raises `Surprise` when it changes."""
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            seen = _probed(probe)
            if seen != wanted:
                raise Surprise(
                    f"{what}\n    expected: {wanted!r} all the time\n    seen: {seen!r}"
                )
            if self._stop.wait(LOOK_EVERY_S):
                raise DemoFailed("stopped")

    def _gateway(self, path: str) -> Any:
        return get_json(f"{self._demo.address('gateway')}/api/{path}")


def check(folder: Path, *, stop: threading.Event, say: Say) -> None:
    """Start a fresh demo on free ports, play it, and stop it; raises `Surprise`."""
    ports = ports_from(dict.fromkeys(PORT_OPTIONS, 0))
    with Demo(folder, ports, fresh=True, say=say) as demo:
        demo.start(stop)
        player = Player(demo, say=say, stop=stop)
        for step in STEPS:
            step(player)
        player.done("everything as it should be")


def lend_two(player: Player) -> None:
    """A reader borrows two books, and the gateway hears of both."""
    player.move("kiosk-1/card", LENA)
    player.expect("the kiosk greets Lena", lambda: player.screen("kiosk-1")["patron"], "Lena H.")
    player.move("kiosk-1/pad", MOMO, KRABAT)
    ticks = {"Momo": "done", "Krabat": "done"}
    player.expect("both books get their tick", lambda: player.tiles("kiosk-1"), ticks)
    for key in (MOMO, KRABAT):
        player.expect("its tag says on loan", partial(player.tag, key), "on_loan")
        player.expect("the gateway lends it", partial(player.item, key), "on_loan")
    player.done("Lena borrows Momo and Krabat: ticks, tags on loan, facts at the gateway")
    _leave(player, "kiosk-1", LENA, MOMO, KRABAT)


def cut_the_network(player: Player) -> None:
    """The kiosk's network goes, and the kiosk says so."""
    _drained(player, "kiosk-1")
    player.hand("plug", plug="kiosk-1", state="cut")
    player.expect("the kiosk is offline", lambda: player.screen("kiosk-1")["online"], False)
    player.done("network plug of kiosk-1 pulled: the kiosk says that it is offline")


def lend_and_return_offline(player: Player) -> None:
    """Without a network the kiosk lends, takes back, and keeps what happened."""
    player.move("kiosk-1/card", YUSUF)
    player.expect("the kiosk greets Yusuf", lambda: player.screen("kiosk-1")["patron"], "Yusuf D.")
    player.move("kiosk-1/pad", EMIL, PIPPI)
    ticks = {"Emil und die Detektive": "done", "Pippi Långstrump": "done"}
    player.expect("both get their tick offline", lambda: player.tiles("kiosk-1"), ticks)
    player.expect("its tag says on loan", lambda: player.tag(EMIL), "on_loan")
    _leave(player, "kiosk-1", YUSUF, EMIL, PIPPI)
    _return(player, "kiosk-1", KRABAT, "Krabat")
    waiting = player.screen("kiosk-1")["waiting"]
    if waiting < 3:
        raise Surprise(f"facts wait on the kiosk\n    expected: at least 3\n    seen: {waiting}")
    states = [player.item(key) for key in (EMIL, PIPPI, KRABAT)]
    if states != ["available", "available", "on_loan"]:
        raise Surprise(f"the gateway knows nothing of this yet\n    seen: {states}")
    player.done(f"offline: two books lent, Krabat returned, {waiting} facts wait on the kiosk")


def restore_the_network(player: Player) -> None:
    """The plug goes back in, and everything arrives once."""
    player.hand("plug", plug="kiosk-1", state="up")
    player.expect("the kiosk is online", lambda: player.screen("kiosk-1")["online"], True)
    _drained(player, "kiosk-1")
    for key in (EMIL, PIPPI):
        player.expect("the gateway lends it", partial(player.item, key), "on_loan")
    player.expect("Krabat is back", lambda: player.item(KRABAT), "to_be_shelved")
    player.done("network back: nothing waits on the kiosk, the gateway has every fact")


def lend_while_the_gateway_is_away(player: Player) -> None:
    """With the gateway's line cut, kiosks tell the gates of their site by themselves."""
    player.hand("plug", plug="gateway", state="cut")
    player.move("kiosk-2/card", AMARA)
    player.expect("the kiosk greets Amara", lambda: player.screen("kiosk-2")["patron"], "Amara O.")
    player.move("kiosk-2/pad", SOLARIS)
    player.expect("it gets its tick", lambda: player.tiles("kiosk-2"), {"Solaris": "done"})
    _leave(player, "kiosk-2", AMARA, SOLARIS)
    _walk_in_silence(player, "gate-1", "out", SOLARIS)
    player.hand("plug", plug="gateway", state="up")
    _drained(player, "kiosk-2")
    player.expect("the gateway lends it", partial(player.item, SOLARIS), "on_loan")
    player.done("gateway unplugged: Solaris lent and carried out in silence; then all arrives")


def leave_a_book_at_the_gate(player: Player) -> None:
    """A book is put down in a gate; nobody walks."""
    player.move("gate-2/lane-1", HEIDI)
    player.done("Heidi left standing in gate-2")


def see_the_amber_lamp(player: Player) -> None:
    """After some seconds the gate shows that a book lies there, without a siren."""
    player.expect("the amber lamp is on", lambda: player.gate("gate-2")["lamp_amber"], True)
    if player.gate("gate-2")["siren"] or "Heidi" in player.alarms():
        raise Surprise("a standing book sounds no siren\n    seen: an alarm at gate-2")
    player.move("shelf", HEIDI)
    player.done("the amber lamp of gate-2 says that a book lies there; no siren")


def carry_a_lent_book_out(player: Player) -> None:
    """A lent book passes the gate in silence."""
    _walk_in_silence(player, "gate-1", "out", MOMO)
    if player.alarms():
        raise Surprise(f"no alarm at the gateway\n    seen: {player.alarms()}")
    player.done("Momo, lent, is carried through gate-1: silence")


def carry_an_unlent_book_out(player: Player) -> None:
    """A book that was not lent sounds the siren, and the gateway names it."""
    player.hand("walk", gate="gate-1", lane="lane-2", direction="out", keys=[DUNE])
    player.expect("the siren sounds", lambda: player.gate("gate-1")["siren"], True)
    player.expect("the gateway names the book", player.alarms, ["Dune"])
    player.hand("press", gate="gate-1")
    player.expect("the button quiets it", lambda: player.gate("gate-1")["siren"], False)
    player.done("Dune, not lent, is carried through gate-1: alarm, named Dune at the gateway")


def bring_both_back(player: Player) -> None:
    """Both books come in again without an alarm, and one is returned at the other kiosk."""
    for key in (MOMO, DUNE):
        _walk_in_silence(player, "gate-2", "in", key)
    _return(player, "kiosk-2", MOMO, "Momo")
    player.expect("Momo is back", lambda: player.item(MOMO), "to_be_shelved")
    player.expect("one alarm in all", player.alarms, ["Dune"])
    player.done("both carried in again: silence; Momo returned at kiosk-2")


STEPS = (
    lend_two,
    cut_the_network,
    lend_and_return_offline,
    restore_the_network,
    lend_while_the_gateway_is_away,
    leave_a_book_at_the_gate,
    carry_a_lent_book_out,
    carry_an_unlent_book_out,
    see_the_amber_lamp,
    bring_both_back,
)


def _walk_in_silence(player: Player, gate: str, direction: str, key: str) -> None:
    """Carry one book through a gate, with nothing else in the hand."""
    player.hand("walk", gate=gate, lane="lane-1", direction=direction, keys=[key])
    player.stay(
        f"walking {direction} is silent",
        lambda: player.gate(gate)["siren"],
        False,
        for_s=SILENCE_S,
    )
    if direction == "in":
        player.move("shelf", key)


def _return(player: Player, kiosk: str, key: str, title: str) -> None:
    """Give a book back without a card."""
    player.move(f"{kiosk}/pad", key)
    player.expect("the kiosk asks what to do", lambda: player.screen(kiosk)["state"], "offered")
    player.press(kiosk, "mode", mode="return")
    player.expect(f"{title} is taken back", lambda: player.tiles(kiosk).get(title), "done")
    player.expect("its tag says in stock", lambda: player.tag(key), "in_stock")
    player.move("shelf", key)
    _finish(player, kiosk)


def _leave(player: Player, kiosk: str, card: str, *books: str) -> None:
    """Take books and card, and end the visit."""
    player.move("hand", *books)
    player.move("cards", card)
    _finish(player, kiosk)
    player.move("shelf", *books)


def _finish(player: Player, kiosk: str) -> None:
    # The kiosk may have ended the visit by itself when the pad was cleared.
    with contextlib.suppress(HttpFailed):
        player.press(kiosk, "finish")
    player.expect(
        "the visit has ended",
        lambda: player.screen(kiosk)["state"] in ("idle", "farewell"),
        True,
    )
    player.expect("the screen is free", lambda: player.screen(kiosk)["state"], "idle")


def _drained(player: Player, kiosk: str) -> None:
    player.expect("nothing waits on the kiosk", lambda: player.screen(kiosk)["waiting"], 0)


def _probed(probe: Callable[[], Any]) -> Any:
    """Return what a probe sees; a page that does not answer is something seen, too."""
    try:
        return probe()
    except HttpFailed as error:
        return str(error)
