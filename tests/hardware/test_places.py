"""Two devices at one place are noticed in the configuration alone."""

import pytest

from hardware.places import shared_places
from hardware.samples import DRIVERS


def lamp(gpio):
    return {"driver": "gpio", "gpio": gpio, "max_on_ms": 2_000}


PAD = {"driver": "pad_3m", "port": "/dev/serial/by-id/usb-3M"}
RC522 = {"driver": "rc522", "reset_gpio": 25, "irq_gpio": 24}


def test_devices_at_their_own_places_are_fine():
    """Nothing is said of a kiosk or a gate as the pages wire them."""
    lanes = {"north": {"antenna": PAD, "beam_inner": lamp(5)}, "south": {"beam_inner": lamp(6)}}

    assert shared_places({"cards": RC522, "lamp_ok": lamp(16), "lanes": lanes}) == []
    assert shared_places({}) == []


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"lamp_ok": lamp(16), "sound_ok": lamp(16)}, "GPIO 16"),
        ({"cards": RC522, "lamp_ok": lamp(24)}, "GPIO 24"),
        ({"lamp_ok": lamp(25), "cards": RC522}, "GPIO 25"),
        ({"cards": {"driver": "mfrc522"}, "lamp_ok": lamp(25)}, "GPIO 25"),
        ({"cards": {"driver": "rc522"}, "lamp_ok": lamp(10)}, "GPIO 10"),
        ({"cards": {"driver": "rc522"}, "lamp_ok": lamp(7)}, "GPIO 7"),
        ({"cards": {"driver": "rc522", "spi_bus": 1}, "lamp_ok": lamp(20)}, "GPIO 20"),
        ({"cards": {"driver": "rc522", "spi_bus": 1}, "lamp_ok": lamp(18)}, "GPIO 18"),
        ({"cards": {"driver": "rc522"}, "pad": {"driver": "mfrc522"}}, "/dev/spidev0.0"),
        ({"pad": PAD, "scanner": {"driver": "serial", "port": PAD["port"]}}, PAD["port"]),
        ({"pad": PAD, "scanner": {"driver": "keyboard", "device": PAD["port"]}}, PAD["port"]),
    ],
)
def test_two_devices_at_one_place_are_named_with_it(described, told):
    """A pin, a chip of a bus, the bus's own wires, and a port, whatever its option is called."""
    (sentence,) = shared_places(described)
    first, second = described

    assert f"[devices.{first}] and [devices.{second}] both take {told}:" in sentence


def test_a_pin_needs_another_pin_and_a_port_another_port():
    """The sentence says what to do."""
    (pin,) = shared_places({"lamp_ok": lamp(16), "lamp_alarm": lamp(16)})
    (port,) = shared_places({"pad": PAD, "cards": PAD})

    assert pin.endswith("only one of them can work; give the other a pin that is free")
    assert port.endswith("look up the other's with: ls /dev/serial/by-id/")


def test_lanes_are_named_whole():
    """Which of two lanes has the pin that the siren has is said."""
    lanes = {"north": {"beam_inner": lamp(5)}, "south": {"beam_inner": lamp(17)}}
    (sentence,) = shared_places({"siren": lamp(17), "lanes": lanes})

    assert sentence.startswith("[devices.siren] and [devices.lanes.south.beam_inner] both take")


def test_a_link_and_what_it_leads_to_are_one_port(tmp_path):
    """/dev/ttyUSB0 and its name in /dev/serial/by-id are the same plug."""
    plug, link = tmp_path / "ttyUSB0", tmp_path / "usb-3M"
    plug.touch()
    link.symlink_to(plug)

    (sentence,) = shared_places(
        {"pad": PAD | {"port": str(link)}, "cards": PAD | {"port": str(plug)}}
    )
    assert str(plug) in sentence


def test_two_chips_on_one_bus_share_its_wires():
    """That is what a bus is for; each has a chip select of its own."""
    first, second = ({"driver": "rc522", "spi_bus": 1, "spi_device": n} for n in (0, 1))
    one, other = ({"driver": "rc522", "spi_device": n} for n in (0, 1))

    assert shared_places({"pad": first, "cards": second}) == []
    assert shared_places({"pad": one, "cards": other}) == []


def test_three_on_a_pin_are_two_sentences_and_two_wires_of_a_pair_one():
    """Each device that must move is named once."""
    three = shared_places({"lamp_ok": lamp(16), "lamp_alarm": lamp(16), "sound_ok": lamp(16)})
    twice = shared_places({"pad": RC522, "cards": RC522})

    assert [sentence.split(" both")[0].split(" and ")[1] for sentence in three] == [
        "[devices.lamp_alarm]",
        "[devices.sound_ok]",
    ]
    assert len(twice) == 1


def test_what_is_no_device_of_ours_is_let_be():
    """Somebody's own driver may count the pins of another board."""
    mine = {"driver": "mine:lamp", "gpio": 5}

    assert shared_places({"lamp_ok": mine, "lamp_alarm": mine, "sound_ok": lamp(5)}) == []


def test_every_driver_that_takes_a_place_is_looked_at():
    """A driver with a pin or a port under another option's name would slip through."""
    places = {
        "pad_3m": "port", "pad_feig": "port", "rc522": "spi_device", "mfrc522": "spi_device",
        "serial": "port", "keyboard": "device", "escpos": "port", "gpio": "gpio",
        "buzzer": "gpio", "gpio input": "gpio",
    }  # fmt: skip

    assert places.keys() == DRIVERS.keys()
    assert [name for name, option in places.items() if f"{option} = " not in DRIVERS[name]] == []
