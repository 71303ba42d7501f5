"""The whole gate on a board, one turn at a time: detect, feed the watchdog, then the network.

Laws:
- Detection comes first in every turn, and no turn waits for the network: what goes over it gets
  at most `NETWORK_MS`, in steps that each return at once.
- The watchdog is fed by a detection that came to its end, and by nothing else. A program that
  hangs is reset within the board's `WATCHDOG_MS`; the pins are then inputs and everything is off.
- An error of ours in the network half is noted and the next turn goes on. One in detection
  switches everything off; the third in a row ends the program, and the board starts anew.
- Everything is given from outside: the same lines run on a board, on its VM, and in a test.
"""

from binascii import hexlify
from collections import namedtuple

from circulation.sync.liveness import BLIND, FRESH
from circulation.wire.errors import WireError
from circulation.wire.fact import decode_body
from circulation.wire.topics import FIRMWARE
from firmware.gate.machine import GateMachine
from firmware.mcu.clock import StationTime, Ticks
from firmware.mcu.courier import Courier
from firmware.mcu.detection import QUIET_MS, Detection, Devices
from firmware.mcu.drivers import (
    BLIND_LIST,
    DEVICE_FAILS,
    NO_BROKER,
    NO_WIFI,
    UPDATING,
    WELL,
    Wiring,
)
from firmware.mcu.facts import FactWriter
from firmware.mcu.following import ListFollowing
from firmware.mcu.link import Link
from firmware.mcu.wifi import Wifi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.mcu.config import Config

TURN_MS = 10
"""From one turn to the next: the latency of a beam that no interrupt tells of."""
NETWORK_MS = 10
"""After it no further message is begun; one takes some milliseconds more."""
SHOW_MS = 1_000
TIDY_MS = 5_000
COUNTS_MS = 300_000
"""So often the people counted are put down: a power cut costs those of five minutes."""
RESTART_QUIET_MS = 10_000
"""A restart blinds the gate for some seconds: as long before it nobody is near."""
FAILURES_MAX = 3


class World(
    namedtuple(
        "World",
        (
            "ticks_ms",
            "ticks_diff",
            "sleep_ms",
            "random_below",
            "wlan",
            "client",
            "journal",
            "passages",
            "lists",
            "free_bytes",
            "collect",
        ),
    )
):
    """What a board's program is given besides pins.

    ticks_ms, ticks_diff, sleep_ms: as in MicroPython's `time`. random_below: a number from 0 to
    below its argument. wlan: `network.WLAN`. client: see `firmware/mcu/mqtt.py`. journal: see
    `circulation/sync/rows.py`. passages: see `firmware/mcu/passages.py`, or None. lists: see
    `firmware/mcu/following.py`. free_bytes: returns how much flash is left, or None. collect:
    frees memory nobody needs, as `gc.collect` does.
    """


class Shell:
    """One gate. `turn` 100 times a second does everything there is to do."""

    def __init__(self, machine: "Any", board: "Any", config: "Config", world: World) -> None:
        """machine: MicroPython's module, or a fake. Raises ValueError for a place it lacks.

        The watchdog starts here, so the turns have to begin at once.
        """
        self.config = config
        self.ticks = Ticks(world.ticks_ms, world.ticks_diff)
        self.is_synced = False
        self.failed = ""
        self.gate = GateMachine(config.machine(), config.site_key, self._new_id, board.LIMITS)
        self._random_below = world.random_below
        self._free_bytes = world.free_bytes
        self._collect = world.collect
        wiring = Wiring(machine, board, self.ticks)
        self.devices = Devices(config, wiring, self.ticks, world.sleep_ms)
        self.detection = Detection(
            self.gate,
            self.devices,
            ticks=self.ticks,
            outbox=self._hand_over,
            staff_cards=frozenset(config.top.staff_cards),
            card_key=config.card_key,
        )
        self.wifi = Wifi(world.wlan, config.wifi, world.random_below)
        self.link = Link(world.client, world.random_below)
        self.following = ListFollowing(world.lists, self.detection.give, world.random_below)
        self.courier = self._make_courier(world)
        self.updates = self.courier.updates
        self._client = world.client
        self._arrived: list[tuple[Any, ...]] = []
        self._failures = 0
        self._show_ms = 0
        self._tidy_ms = 0
        self._counts_ms = COUNTS_MS
        self._guarded(self.following.start)  # without a list the gate is blind, not dead
        self._set_will()
        self.wifi.start()
        self._watchdog = machine.WDT(timeout=board.WATCHDOG_MS)

    def turn(self, now_ms: "int | None" = None) -> None:
        """Detect, then let the network have its share; now_ms: of `ticks`, looked at if None."""
        now_ms = self.ticks.now_ms() if now_ms is None else now_ms
        if self._detect(now_ms):
            self._watchdog.feed()
        self._guarded(self._network)
        if now_ms >= self._show_ms:
            self._show_ms = now_ms + SHOW_MS
            self._guarded(self._show)
        if now_ms >= self._tidy_ms and self.detection.is_quiet(now_ms):
            self._tidy_ms = now_ms + TIDY_MS
            self._collect()  # now, and not while somebody passes
            if now_ms >= self._counts_ms:
                self._counts_ms = now_ms + COUNTS_MS
                self._guarded(self._put_counts_down)

    def follow_updates(self, updates: "Any") -> None:
        """Take new programs from the gateway; see `firmware/mcu/update_following.py`."""
        self.updates = self.courier.updates = updates
        self.link.listen(self.courier.topics.snapshot(FIRMWARE, updates.board))

    @property
    def is_to_restart(self) -> bool:
        """Whether a new program waits, and nobody has been here for a while."""
        return bool(self.updates.is_ready) and self._is_idle(RESTART_QUIET_MS)

    def stop(self) -> None:
        """Leave everything off and counted, and say goodbye."""
        self.detection.stop()
        self._guarded(self.courier.goodbye)
        self.link.leave()
        self._client.poll(self.ticks.now_ms())

    def list_state(self) -> str:
        """Return FRESH, STALE or BLIND."""
        return self.gate.list_state(self.ticks.now_ms())

    def _detect(self, now_ms: int) -> bool:
        try:
            self.detection.turn(now_ms)
        except Exception as error:
            self._failures += 1
            self._note("detection", error)
            self.devices.quiet()
            if self._failures >= FAILURES_MAX:
                raise
            self._collect()
            return False
        self._failures = 0
        return True

    def _network(self) -> None:
        now_ms = self.ticks.now_ms()
        until_ms = now_ms + NETWORK_MS
        has_network = self.wifi.turn(now_ms)
        if not self._arrived:
            is_quiet = self.detection.is_quiet(now_ms)
            self._arrived = self.link.turn(now_ms, has_network=has_network, is_quiet=is_quiet)
        while self._arrived:
            self.courier.on_event(self._arrived.pop(0), self.ticks.now_ms())
            if self.ticks.now_ms() >= until_ms:
                break
        self.courier.tick(self.ticks.now_ms(), self._is_idle(QUIET_MS))

    def _show(self) -> None:
        """Tell lamp and gateway how the gate is."""
        now_ms = self.ticks.now_ms()
        state = self.gate.list_state(now_ms)
        self.devices.status.code = self._code(state)
        health = self.detection.health(now_ms)
        if self.failed:
            health["program"] = self.failed
        overlay = len(self.gate.holdings.overlay)
        measured = (overlay, self.detection.reader_errors(), self._free_bytes())
        self.courier.show(state, health, measured)
        if state == FRESH and self.link.is_up and not self.courier.waiting:
            self.is_synced = True
        self._set_will()

    def _put_counts_down(self) -> None:
        """Let a power cut cost no more people than the last minutes'."""
        self.courier.put_down(self.gate.counting(), self.ticks.now_ms())

    def _is_idle(self, for_ms: int) -> bool:
        is_quiet = self.detection.is_quiet(self.ticks.now_ms(), for_ms)
        return is_quiet and not self.devices.siren.state

    def _code(self, state: str) -> int:
        if self.updates.is_updating:
            return UPDATING
        if self.detection.faults():
            return DEVICE_FAILS
        if not self.wifi.is_up:
            return NO_WIFI
        if not self.link.is_up:
            return NO_BROKER
        return BLIND_LIST if state == BLIND else WELL

    def _hand_over(self, command: "Any", at_ms: int) -> None:
        """Take what the machine says to others; a failure here stops no siren."""
        try:
            self.courier.take(command, at_ms)
        except Exception as error:
            self._note("courier", error)

    def _guarded(self, action: "Callable[[], None]") -> None:
        try:
            action()
        except Exception as error:
            self._note("network", error)

    def _note(self, where: str, error: Exception) -> None:
        self.failed = f"{where}: {type(error).__name__}: {error}"[:120]
        self.courier.note("program", self.failed)

    def _make_courier(self, world: World) -> Courier:
        boot = hexlify(bytes([world.random_below(256) for _ in range(4)])).decode()
        last_known_ms = last_wall_ms(world.journal)
        time = StationTime(self.ticks.now_ms, boot=boot, last_known_ms=last_known_ms)
        writer = FactWriter(
            world.journal,
            time,
            site=self.config.site,
            new_id=self._new_id,
            passages=world.passages,
        )
        return Courier(
            self.config,
            writer,
            self.following,
            link=self.link,
            tell=self.detection.give,
            random_below=world.random_below,
        )

    def _set_will(self) -> None:
        """Have the next connection leave a last will of now."""
        if not self.link.is_up:
            topic, payload = self.courier.will()
            self._client.set_last_will(topic, payload, True, 1)

    def _new_id(self) -> str:
        return hexlify(bytes([self._random_below(256) for _ in range(8)])).decode()


def last_wall_ms(journal: "Any") -> int:
    """Return the wall time of the newest fact, the latest this station ever knew; 0 without."""
    for row in journal.rows(max(journal.last_seq, 1), 1, 1):
        try:
            wall = decode_body(row.body).get("wall")
        except WireError:
            return 0
        return wall if isinstance(wall, int) and wall > 0 else 0
    return 0
