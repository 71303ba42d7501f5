"""The program around the shell: trials of new versions, and what a board is told at its start."""

import json

import pytest

from firmware.mcu import app, board_pico_w
from firmware.mcu.boards import this_board
from firmware.mcu.config import Config
from firmware.mcu.update import TRIAL_MS
from firmware.mcu.update_state import A, load, save
from tests.firmware.mcu.bench import Bench, Machine, Wlan, values


class Files:
    """A device's files in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.refuses = False

    def open(self, name, mode):
        if self.refuses and "w" in mode:
            raise OSError(28, "no space left")
        return open(self.folder / name, mode)


@pytest.fixture
def files(tmp_path):
    """The files of a device whose version in slot A is on trial."""
    made = Files(tmp_path)
    state = load(made)
    state.versions[0], state.trial, state.tries = 2, A, 1
    save(made, state)
    return made


def test_without_a_sync_a_version_on_trial_loses_after_half_an_hour(files):
    """Then the program ends, and the board starts with the one before."""
    trial = app.Trial(files)
    trial.turn(TRIAL_MS - 1, is_synced=False)
    assert not trial.is_lost

    trial.turn(TRIAL_MS, is_synced=False)
    assert trial.is_lost
    assert (load(files).trial, load(files).failed) == (0, 2)


def test_a_version_that_cannot_read_the_configuration_has_failed(files):
    """The version before guards after the next start; whoever holds the button gets the setup."""
    assert app.wants_setup(True, files)
    assert load(files).trial == A

    assert not app.wants_setup(False, files)
    assert (load(files).trial, load(files).failed) == (0, 2)
    assert app.wants_setup(False, files)


def test_without_a_trial_nothing_ends(tmp_path):
    """A gate whose gateway is away for weeks guards on."""
    trial = app.Trial(Files(tmp_path))
    trial.turn(TRIAL_MS, is_synced=False)
    trial.turn(10 * TRIAL_MS, is_synced=False)

    assert not trial.is_lost


def test_flash_that_refuses_ends_no_gate(files):
    """What could not be written down is tried again at the next start."""
    files.refuses = True
    trial = app.Trial(files)
    trial.turn(TRIAL_MS, is_synced=False)

    assert not trial.is_lost


def test_the_gate_turns_until_its_trial_is_lost(files):
    """Turns follow each other at their pace, and the last one is that of the lost trial."""
    bench = Bench()
    bench.wlan.is_there = False
    paused = []

    def sleep_ms(duration_ms):
        paused.append(duration_ms)
        bench.clock.advance(duration_ms * 100)  # the time between is left out

    app.guard(bench.shell, app.Trial(files), sleep_ms)
    assert bench.shell.ticks.now_ms() in range(TRIAL_MS, TRIAL_MS + 2_000)
    assert set(paused) == {10}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "there is no file config.json"),
        ("{", "config: must be an object"),
        (values(library="School!"), "library must be"),
    ],
)
def test_what_keeps_a_gate_from_starting_is_said(given, said, tmp_path, monkeypatch, capsys):
    """Without a configuration that works there is no gate, and the console says why."""
    monkeypatch.chdir(tmp_path)
    if given is not None:
        text = given if isinstance(given, str) else json.dumps(given)
        (tmp_path / "config.json").write_text(text)
    machine = Machine(Bench().clock)

    assert app.begun(machine, board_pico_w, Wlan()) is None
    assert said in capsys.readouterr().out
    assert machine.watchdog is None  # the setup has all the time it needs


def test_the_button_held_at_the_start_opens_the_setup():
    """A second with the button down; less is nothing."""
    machine = Machine(Bench().clock)
    pin = machine.Pin(board_pico_w.INPUTS["button"], 0)
    assert app.is_held(machine, board_pico_w, lambda _: None)

    def let_go(_):
        pin.level = 1

    assert not app.is_held(machine, board_pico_w, let_go)


def test_the_client_asks_no_name_server():
    """With TLS the broker has its certificate's name, and the configuration's address."""
    config = Config(values(broker={"host": "192.168.1.10", "tls_name": "broker.school"}))
    client = app.make_client(config)

    assert client.server == "broker.school"
    assert client.resolve("broker.school") == "192.168.1.10"
    assert client.keepalive == 60


def test_each_platform_has_its_board():
    """What is no ESP32 is wired like a Pico W."""
    assert this_board("esp32").NAME == "esp32"
    assert this_board("rp2").NAME == "pico_w"
    assert this_board("linux").NAME == "pico_w"


def test_a_random_number_stays_below_its_limit():
    """Ids and waits are made of it."""
    assert {app.random_below(3) for _ in range(200)} == {0, 1, 2}
