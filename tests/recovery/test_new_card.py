"""A station's SD card dies: a new one, and what the old one took is counted."""

import re
import shlex
import subprocess
import tomllib

import pytest
from click.testing import CliRunner

from gateway import wording
from hardware.samples import sample
from sim.demo_files import LIBRARY
from sim.house.house import KEYS
from tests.recovery.conftest import (
    DUNE,
    EMIL,
    GATE,
    HOBBIT,
    KIOSK,
    LENA,
    MOMO,
    PAGE,
    PROGRAMS,
)

DEVICES = {
    "kiosk": [sample("devices.pad", "pad_3m"), sample("devices.cards", "rc522")],
    "gate": [
        sample("devices.lanes.lane-1.antenna", "pad_3m"),
        sample("devices.siren", "gpio", max_on_ms="30000"),
    ],
}
CHAPTER = PAGE.partition("## 1. ")[2].partition("## 2. ")[0]
COMMANDS = re.findall(r"`(lendgate-(?:gateway station-file|kiosk) [^`]+)`", CHAPTER)
BESIDES = ("gateway_ca_file", "username", "password", "ca_file")


def test_a_dead_card_costs_at_most_what_had_not_been_sent_and_the_number_is_said(day):
    """What the gateway has stays; what the kiosk had announced and not brought is a number."""
    assert day.lend(MOMO) == "done"
    day.run()
    # Its birth still comes through, its journal no more: a network that drops large messages.
    day.house.broker.lost = lambda topic: topic.endswith("/journal")
    assert day.lend(DUNE, EMIL) == "done"
    day.run(16_000)
    announced = day.gateway.board.station(KIOSK).seq_last
    applied = day.gateway.board.station(KIOSK).hw
    day.house.cut_power(KIOSK)
    day.house.broker.lost = lambda topic: False

    day.put_card({})
    day.house.restore_power(KIOSK)
    day.run(5_000)

    (entry,) = day.entries("facts_lost")
    lost = announced - applied
    assert lost > 0
    assert entry["detail"] == {"first": applied + 1, "last": announced}
    assert f"{lost} of them, numbers {applied + 1} to {announced}." in wording.entry(entry)
    assert day.states(MOMO, DUNE) == ["on_loan", "available"]
    assert day.lend(HOBBIT) == "done"
    day.run()
    assert day.state(HOBBIT) == "on_loan"
    assert day.waiting() == 0


def test_a_new_card_fetches_its_lists_by_itself(day):
    """Nothing is copied by hand: catalogue, readers and rules come over the network."""
    day.lend(MOMO)
    day.run()
    day.house.cut_power(KIOSK)

    day.put_card({})
    day.house.restore_power(KIOSK)
    day.run(5_000)

    kiosk = day.house.kiosks[KIOSK]
    assert sorted(kiosk.view["versions"]) == ["catalogue", "patrons", "policy"]
    assert day.entries("facts_lost") == []
    assert [loan["title"] for loan in loans_of(day, LENA)] == ["Momo"]


def loans_of(day, card):
    """Return the loans the screen shows a reader."""
    day.world.move(card, f"{KIOSK}/card")
    day.house.run(1_000)
    return day.house.kiosks[KIOSK].view["loans"]


def typed(command, code=0):
    """Type a command as it stands on the page; return what is on the screen afterwards."""
    line, _, target = command.replace("/etc/lendgate/", "").partition(" > ")
    program, *arguments = shlex.split(line)
    result = CliRunner().invoke(PROGRAMS[program], arguments)
    assert result.exit_code == code, result.output
    if not target:
        return result.output
    with open(target, "w", encoding="utf-8") as file:
        file.write(result.stdout)
    return result.stderr


def changed(file, *changes):
    """Do what a hand does in an editor."""
    text = file.read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(("what", "station"), [("kiosk", KIOSK), ("gate", GATE)])
def test_a_configuration_that_nobody_kept_is_made_anew(gate_day, monkeypatch, what, station):
    """With the page's own commands: keys and names as before, the rest is asked for by name."""
    monkeypatch.chdir(gate_day.folder)
    print_it, fill_in, check = (command.replace("kiosk", what) for command in COMMANDS)
    file = gate_day.folder / f"{what}.toml"

    besides = typed(print_it)
    typed(fill_in)
    wanted = [re.sub("^# (?!.*leave it out)", "", text, flags=re.M) for text in DEVICES[what]]
    changed(file, *zip(DEVICES[what], wanted, strict=True))
    changed(file, ('gateway_ca_file = ""', 'gateway_ca_file = "gateway.crt"'))
    without = typed(check, code=1)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    of_name = ("-keyout", "/dev/null", "-out", "gateway.crt", "-subj", "/CN=library.example")
    subprocess.run(["openssl", "req", "-x509", *curve, *of_name], check=True, capture_output=True)

    assert f"{station} at main, library {LIBRARY}: all right" in typed(check)
    made = tomllib.loads(file.read_text())
    view = gate_day.gateway.board.station(station)
    assert (made["station"], made["name"]) == (station, view.name)
    assert (made["site_key"], made["card_key"]) == (KEYS.site_key, KEYS.card_key)
    assert made["gateway_url"] == "https://library.example:18443"
    assert (made["broker"]["host"], made["broker"]["port"]) == ("10.0.0.2", 1883)
    assert "only_afi" not in made["devices"].get("pad", {})  # it would hear no book on loan
    assert "gateway_ca_file: gateway.crt: No such file" in without
    assert all(option in besides and f"`{option}`" in CHAPTER for option in BESIDES)


def test_a_card_for_a_station_that_nobody_knows_needs_its_building(day):
    """A slip of the pen makes no second station; `--site` is for one that never ran."""
    options = ("--url", "https://library.example:18443", "--broker", "10.0.0.2")

    said = day.say("station-file", "kiosk-11", *options, code=1)
    made = day.say("station-file", "kiosk-11", *options, "--site", "annex")

    assert "nobody has heard of 'kiosk-11'; say in which building: --site" in said
    assert 'site = "annex"' in made
