"""The configuration of a microcontroller's gate; runs on both Pythons."""

import json

from firmware.mcu.config import Config, ConfigInvalid, ConfigMissing, parse_config, read_config

KEY = "000102030405060708090a0b0c0d0e0f"
SECRET = "correct horse battery"


def values():
    return {
        "library": "school",
        "site": "main",
        "station": "gate-2",
        "site_key": KEY,
        "wifi": {"ssid": "school", "password": SECRET},
        "broker": {"host": "192.168.1.10", "username": "gate-2", "password": SECRET},
        "lanes": [
            {"name": "lane-1", "driver": "pad_3m", "port": "uart_1", "beams": ["beam_1", "beam_2"]}
        ],
    }


def fault_of(given):
    try:
        Config(given)
    except ConfigInvalid as error:
        return str(error)
    return "none"


def changed(path, value):
    given = values()
    place = given
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return given


def test_what_is_left_out_has_its_default():
    """A short configuration is a whole one."""
    config = Config(values())

    assert config.broker.port == 1883
    assert config.name == "gate-2"
    assert config.cards is None
    assert config.site_key == bytes(range(16))
    assert config.lanes[0].broken_level == 1
    assert config.machine().alarm_hold_ms == 3_000
    assert config.machine().lanes[0].beams == 2


def test_an_option_nobody_knows_is_an_error():
    """A typo never becomes a default, in any section."""
    for path in (
        ("libary",),
        ("wifi", "sid"),
        ("broker", "hots"),
        ("lanes", 0, "beam"),
        ("gate",),
    ):
        given = changed(path, {"alarm_hold": 1} if path == ("gate",) else "x")
        name = "alarm_hold" if path == ("gate",) else path[-1]
        assert fault_of(given).endswith("no option is called " + name)


def test_every_value_is_bounded():
    """What is out of bounds is refused, and the message names the option."""
    for path, value, named in (
        (("library",), "School!", "library"),
        (("site_key",), "abc", "site_key"),
        (("wifi", "password"), "short", "password"),
        (("broker", "port"), 0, "port"),
        (("broker", "port"), "1883", "port"),
        (("broker", "host"), "broker.example", "host"),
        (("broker", "host"), "1.2.3.256", "host"),
        (("lanes",), [], "lanes"),
        (("lanes", 0, "driver"), "pad_4m", "driver"),
        (("lanes", 0, "beams"), ["beam_1", "beam_1"], "twice"),
        (("gate",), {"boundary": 4}, "boundary"),
        (("gate",), {"alarm_hold_ms": 30000, "siren_max_on_ms": 1000}, "alarm_hold_ms"),
    ):
        fault = fault_of(changed(path, value))
        assert named in fault, (path, fault)


def test_what_is_missing_is_named():
    """Each option without a default is asked for by name."""
    for section, name in (("", "library"), ("wifi", "ssid"), ("broker", "host")):
        given = values()
        del (given[section] if section else given)[name]
        assert fault_of(given).endswith(name + " is missing")


def test_no_secret_is_ever_shown():
    """Neither a text of the configuration nor an error repeats a key or a password."""
    config = Config(values())
    shown = json.dumps(config.shown()) + repr(config) + repr(config.wifi) + repr(config.top)
    wrong = fault_of(changed(("site_key",), SECRET)) + fault_of(
        changed(("wifi", "password"), SECRET * 9)
    )

    for secret in (KEY, SECRET):
        assert secret not in shown + wrong
    assert config.shown()["wifi"]["password"] is True


def test_a_file_that_is_not_there_is_the_first_start():
    """No configuration and a broken one are told apart."""
    missing = broken = False
    try:
        read_config("no-such-file.json")
    except ConfigMissing:
        missing = True
    for content in (b"", b"[]", b"{", b"\xff", b"[" * 5_000, b" " * 9_000):
        try:
            parse_config(content)
        except ConfigMissing:
            broken = False
        except ConfigInvalid:
            broken = True
        assert broken, content[:20]

    assert missing
