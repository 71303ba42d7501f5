"""The gate's program on a board: wires the parts together and turns for ever.

Laws:
- Siren and lamps are off before anything else is known, and whenever this ends.
- Without a configuration, with one that cannot work, or with the button held while it starts, the
  board speaks over USB (`firmware/mcu/provision.py`) and does nothing else.
- A version on trial is confirmed by the first good sync; without one in half an hour, or after
  some failed starts, the one before it runs again (`firmware/mcu/update.py`).
- An error that gets here is printed, everything is switched off, and the board starts anew.
"""

import gc
import os
import sys
import time

from circulation.wire.topics import client_id
from firmware.mcu.boards import this_board
from firmware.mcu.clock import Ticks
from firmware.mcu.config import ConfigInvalid, read_config
from firmware.mcu.drivers import NO_CONFIG, StatusLamp, Wiring, quiet
from firmware.mcu.journal import open_journal
from firmware.mcu.list_files import ListSlots
from firmware.mcu.list_store import ListStore
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.passages import open_passages
from firmware.mcu.shell import TURN_MS, Shell, World, last_wall_ms
from firmware.mcu.streams import trusting
from firmware.mcu.update import TRIAL_MS, DeviceFiles, chosen, confirm, give_up
from firmware.mcu.update_following import UpdateFollowing
from firmware.mcu.update_install import this_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.mcu.config import Config

JOURNAL, PASSAGES, LISTS = "journal", "counts", "."
ROWS_BYTES_MAX = 4_096
HELD_MS = 1_000
LAMP_MS = 3_600_000


def run() -> None:
    """Run the gate of this board."""
    import machine
    import network

    board = this_board()
    quiet(machine, board)
    sleep_ms = time.sleep_ms  # type: ignore[attr-defined]
    try:
        wlan = network.WLAN(network.STA_IF)
        is_asked = is_held(machine, board, sleep_ms)
        shell = None if is_asked else begun(machine, board, wlan)
        if shell is not None:
            guard(shell, Trial(DeviceFiles()), sleep_ms)
        elif wants_setup(is_asked, DeviceFiles()):
            set_up(machine, board, wlan)
    except Exception as error:
        sys.print_exception(error)  # type: ignore[attr-defined]
    finally:
        quiet(machine, board)
    machine.reset()


def wants_setup(is_asked: bool, files: "Any") -> bool:
    """Return whether to speak over USB now.

    A version on trial that cannot work with the configuration of the one before has failed: the
    board starts anew with that one, instead of waiting for somebody with a cable.
    """
    return is_asked or not give_up(files)


def begun(machine: "Any", board: "Any", wlan: "Any") -> "Shell | None":
    """Return the gate, None if its configuration is missing or cannot work; say why."""
    try:
        config = read_config()
        shell = Shell(machine, board, config, make_world(config, wlan))
        shell.follow_updates(make_updates(config, DeviceFiles()))
        return shell
    except ValueError as error:  # ConfigInvalid, or a port that this board has not
        say(str(error))
        return None


def guard(shell: Shell, trial: "Trial", sleep_ms: "Callable[[int], None]") -> None:
    """Turn; return when a version on trial has had its time in vain, or a new one waits."""
    while not trial.is_lost and not shell.is_to_restart:
        began_ms = shell.ticks.now_ms()
        shell.turn(began_ms)
        if trial.turn(began_ms, is_synced=shell.is_synced):
            shell.updates.confirmed()
        spent_ms = shell.ticks.now_ms() - began_ms
        sleep_ms(max(1, TURN_MS - spent_ms))
    shell.stop()


class Trial:
    """Whether the version that runs is good: confirmed once, or given up."""

    def __init__(self, files: "Any") -> None:
        """files: see `firmware/mcu/update.py`."""
        self.is_lost = False
        self._files = files
        self._is_over = False

    def turn(self, now_ms: int, *, is_synced: bool) -> bool:
        """Confirm at the first good sync; return whether that was now.

        Without one in half an hour the trial is lost.
        """
        if self._is_over or not (is_synced or now_ms >= TRIAL_MS):
            return False
        self._is_over = True
        try:
            if not is_synced:
                self.is_lost = give_up(self._files)
                return False
            confirm(self._files)
        except OSError as error:  # another start tries again
            say(f"update: {error}")
            return False
        return True


def set_up(machine: "Any", board: "Any", wlan: "Any") -> None:
    """Speak over USB until somebody says start."""
    from firmware.mcu.provision import Setup
    from firmware.mcu.setup_store import Store, UsbConsole, serve

    clock = board_ticks()
    lamp = StatusLamp(Wiring(machine, board, clock).output("status", LAMP_MS))
    lamp.code = NO_CONFIG
    serve(
        Setup(Store(DeviceFiles()), board.NAME),
        UsbConsole(),
        wlan=wlan,
        ticks=clock,
        sleep_ms=time.sleep_ms,  # type: ignore[attr-defined]
        idle=lambda: lamp.tick(clock.now_ms()),
    )


def is_held(machine: "Any", board: "Any", sleep_ms: "Callable[[int], None]") -> bool:
    """Return whether the button is held while the board starts."""
    pins = machine.Pin
    button = pins(board.INPUTS["button"], pins.IN, pins.PULL_UP)
    for _ in range(HELD_MS // TURN_MS):
        if button.value():
            return False
        sleep_ms(TURN_MS)
    return True


def make_world(config: "Config", wlan: "Any") -> World:
    """Return what this board has besides pins; make the files it lacks."""
    journal = open_journal(JOURNAL, epoch_id=os.urandom(8).hex(), rows_bytes_max=ROWS_BYTES_MAX)
    passages = open_passages(
        PASSAGES, station=config.station, gate=config.station, site=config.site
    )
    choose_country(config.wifi.country)
    set_clock(max(last_wall_ms(journal), 1_000 * config.top.set_up_at))
    return World(
        ticks_ms=time.ticks_ms,  # type: ignore[attr-defined]
        ticks_diff=time.ticks_diff,  # type: ignore[attr-defined]
        sleep_ms=time.sleep_ms,  # type: ignore[attr-defined]
        random_below=random_below,
        wlan=wlan,
        client=make_client(config),
        journal=journal,
        passages=passages,
        lists=make_lists(config),
        free_bytes=free_bytes,
        collect=gc.collect,
    )


def make_client(config: "Config") -> "Any":
    """Return the client for this broker; with a certificate file it speaks TLS.

    Raise ConfigInvalid if it shall be micropython-lib's and that is not on the board.
    """
    broker = config.broker
    if broker.client == "umqtt":
        return make_umqtt_client(config)
    client = MQTTClient(
        client_id(config.library, config.station),
        broker.tls_name or broker.host,
        broker.port,
        user=broker.username or None,
        password=broker.password or None,
        keepalive=broker.keepalive_s,
        ssl=tls_context(broker.ca_file) if broker.ca_file else None,
    )
    client.resolve = lambda name: broker.host  # the certificate's name is looked up nowhere
    return client


def make_umqtt_client(config: "Config") -> "Any":
    """Return micropython-lib's client, by its adapter."""
    from firmware.mcu.umqtt_client import UmqttClient

    name = "umqtt.simple"
    try:
        __import__(name)
    except ImportError:
        sys.modules.pop(name, None)
    if name not in sys.modules:
        raise ConfigInvalid(f"broker.client: {name} is missing; mpremote mip install {name}")
    simple = sys.modules[name].MQTTClient
    broker = config.broker
    return UmqttClient(
        simple(
            client_id(config.library, config.station),
            broker.host,
            broker.port,
            broker.username or None,
            broker.password or None,
            broker.keepalive_s,
            tls_context(broker.ca_file) if broker.ca_file else None,
        )
    )


def tls_context(path: str) -> "Any":
    """Return a context that believes only brokers of this authority; raise OSError."""
    with open(path, "rb") as file:
        return trusting(file.read())


def make_lists(config: "Config") -> "Any":
    """Return the store of lists in flash."""
    board, boundary = this_board(), config.machine().boundary
    room_bytes, piece_bytes = board.ROOM_BYTES, board.PIECE_BYTES
    return ListStore(ListSlots(LISTS), boundary, random_below, room_bytes, piece_bytes)


def make_updates(config: "Config", files: "Any") -> UpdateFollowing:
    """Return what takes new programs from the gateway. files: see `DeviceFiles`."""
    return UpdateFollowing(
        files, chosen(), this_device(files), station=config.station, random_below=random_below
    )


def choose_country(country: str) -> None:
    """Tell the radio which channels are allowed here, where it can be told."""
    import network

    if country and hasattr(network, "country"):
        network.country(country.upper())


def set_clock(wall_ms: int) -> None:
    """Set the board's clock to the latest known time: certificates are judged by it."""
    import machine

    if wall_ms and hasattr(machine, "RTC"):
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(wall_ms // 1000)[:8]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def board_ticks() -> Ticks:
    """Return milliseconds that never wrap."""
    return Ticks(time.ticks_ms, time.ticks_diff)  # type: ignore[attr-defined]


def random_below(limit: int) -> int:
    """Return a number from 0 to below the limit, at most 2^30."""
    return int.from_bytes(os.urandom(4), "big") % limit


def free_bytes() -> "int | None":
    """Return how much of the flash is free, None where nobody can tell."""
    try:
        found = os.statvfs(".")
    except (AttributeError, OSError):
        return None
    return int(found[0] * found[3])


def say(text: str) -> None:
    """Show a line on the console."""
    print(text)  # noqa: T201 (the console of a board)
