"""A whole gate on a real MicroPython with each kind of antenna, down to its bytes or registers."""

import pytest

from sim.mcu.process import lay_out_device
from tests.firmware.mcu.vm_gate import (
    CHIP,
    KRABAT,
    MOMO,
    PAD_3M,
    PAD_FEIG,
    TOPICS,
    listener,
    loan,
    vm_gate,
)
from tests.support.brokers import mosquitto_broker
from tests.support.programs import stays, wait_until

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.needs("mosquitto")]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files: the firmware as it is, and the fakes of what touches the board."""
    return lay_out_device(tmp_path_factory.mktemp("code"))


@pytest.mark.parametrize("driver", [PAD_3M, PAD_FEIG, CHIP])
def test_a_gate_hears_the_book_nobody_lent_and_lets_the_other_pass(driver, code, tmp_path):
    """On both serial ports, and on the bus of the chip: what was lent goes in silence, what was
    not is named in the alarm, with the item that its tag says."""
    with (
        mosquitto_broker() as at,
        listener(at.port) as heard,
        vm_gate(code, tmp_path, at.port, driver=driver) as gate,
    ):
        wait_until("it asks the site", lambda: len(heard.of("ask")) > 0)
        heard.say(TOPICS.site_loan("main"), loan(gate.uids[KRABAT]))
        gate.walk_out(KRABAT)
        gate.world.move(KRABAT, "shelf")
        stays("the siren", lambda: gate.hardware.siren.state, False, for_s=0.5)

        gate.walk_out(MOMO)

        wait_until("the alarm", heard.alarms, [gate.uids[MOMO]])
        wait_until("the facts", lambda: "alarm" in heard.journalled())
        facts = [fact for fact in heard.facts() if fact["kind"] == "alarm"]
        assert [(fact["uid"], fact["barcode"]) for fact in facts] == [(gate.uids[MOMO], MOMO)]
        assert (gate.board.problems, gate.process.starts) == ([], 1)


def test_an_antenna_that_is_pulled_out_is_named_and_put_back_it_guards_again(code, tmp_path):
    """The chip's plug while the program runs: staff are told which antenna; detection goes on."""
    with (
        mosquitto_broker() as at,
        listener(at.port) as heard,
        vm_gate(code, tmp_path, at.port, driver=CHIP) as gate,
    ):
        gate.wait_until_it_detects()
        chip = gate.hardware.lanes["lane-1"].antenna
        chip.power(False)
        health = lambda: [told["health"] for told in heard.of("telemetry")][-1:]  # noqa: E731
        wait_until("it is named", lambda: health() and "lane-1" in health()[0])

        chip.power(True)
        wait_until("it is well", lambda: health() and "lane-1" not in health()[0])
        gate.walk_out(MOMO)

        wait_until("the alarm", heard.alarms, [gate.uids[MOMO]])
        assert gate.process.starts == 1
