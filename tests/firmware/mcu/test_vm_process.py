"""The whole gate process on a real MicroPython against real brokers, and what befalls a link."""

import pytest

from sim.mcu import vm
from sim.mcu.process import lay_out_device
from sim.proxy import Proxy
from tests.firmware.mcu.vm_gate import KRABAT, MOMO, TOPICS, UIDS, listener, loan, vm_gate
from tests.support.brokers import amqtt_broker, mosquitto_broker
from tests.support.programs import stays, wait_until

LATENCY_MS_MAX = 300
"""Of design §9, from the later of tag and beam; here on a busy machine."""

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.needs("mosquitto")]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files: the firmware as it is, and the fakes of what touches the board."""
    return lay_out_device(tmp_path_factory.mktemp("code"))


@pytest.mark.parametrize("broker", [mosquitto_broker, amqtt_broker], ids=["mosquitto", "amqtt"])
def test_a_gate_connects_and_tells_of_an_alarm(broker, code, tmp_path):
    """It says who it is, asks the site, and an unlent book is heard, seen and told."""
    with broker() as at, listener(at.port) as heard, vm_gate(code, tmp_path, at.port) as gate:
        wait_until("its status", lambda: [s["on"] for s in heard.of("status")][-1:], [True])
        wait_until("it asks the site", lambda: len(heard.of("ask")), 1)

        gate.walk_out(MOMO)

        wait_until("the alarm", heard.alarms, [UIDS[MOMO]])
        wait_until("its fact", lambda: "alarm" in heard.journalled())
        assert gate.hardware.siren.history[0][1]
        assert gate.siren_after_ms(0)[0] < LATENCY_MS_MAX
        assert (gate.board.problems, gate.process.starts) == ([], 1)


def test_the_smaller_board_has_room_for_it_too(code, tmp_path):
    """With the heap of an ESP32 the same gate connects and sounds."""
    heap_bytes = vm.ESP32_HEAP_BYTES
    with (
        mosquitto_broker() as at,
        listener(at.port) as heard,
        vm_gate(code, tmp_path, at.port, heap_bytes=heap_bytes) as gate,
    ):
        wait_until("its status", lambda: len(heard.of("status")) > 0, meanwhile=gate.check)
        gate.walk_out(MOMO)

        wait_until("the alarm", heard.alarms, [UIDS[MOMO]], meanwhile=gate.check)
        assert (gate.board.problems, gate.process.starts) == ([], 1)


def test_a_cut_link_changes_no_alarm_and_loses_no_fact(code, tmp_path):
    """Without a network the siren is as quick; when it is back, the journal tells."""
    with mosquitto_broker() as at, listener(at.port) as heard:
        line = Proxy(("127.0.0.1", at.port))
        with vm_gate(code, tmp_path, line.port) as gate:
            wait_until("its status", lambda: len(heard.of("status")) > 0)
            line.cut()
            gate.walk_out(MOMO)
            wait_until("the siren", lambda: gate.hardware.siren.state)
            assert gate.siren_after_ms(0)[0] < LATENCY_MS_MAX
            assert heard.alarms() == []

            line.restore()

            wait_until("its fact", lambda: "alarm" in heard.journalled())
        line.close()


def test_a_broker_that_begins_anew_is_joined_again(code, tmp_path):
    """It forgets every subscription; a loan told after it lets the book leave in silence."""
    with mosquitto_broker() as at, vm_gate(code, tmp_path, at.port) as gate:
        gate.wait_until_it_detects()
        at.kill()
        at.start()
        with listener(at.port) as heard:
            wait_until("its status again", lambda: len(heard.of("status")) > 0)
            wait_until("it asks again", lambda: len(heard.of("ask")) > 0)
            heard.say(TOPICS.site_loan("main"), loan(UIDS[KRABAT]))
            gate.walk_out(KRABAT)
            gate.world.move(KRABAT, "shelf")
            stays("the siren", lambda: gate.hardware.siren.state, False, for_s=0.5)

            gate.walk_out(MOMO)

            wait_until("the other book's alarm", heard.alarms, [UIDS[MOMO]])


def test_detection_does_not_wait_for_a_broker_that_has_gone_silent(code, tmp_path):
    """A frozen broker holds every connection open: the watchdog is fed and the siren is quick."""
    with mosquitto_broker() as at, vm_gate(code, tmp_path, at.port) as gate:
        with listener(at.port) as heard:
            wait_until("its status", lambda: len(heard.of("status")) > 0)
        at.freeze()
        fed = gate.board.fed

        gate.walk_out(MOMO)

        wait_until("the siren", lambda: gate.hardware.siren.state)
        assert gate.siren_after_ms(0)[0] < LATENCY_MS_MAX
        assert gate.board.fed - fed > 20
        at.thaw()


def test_a_killed_program_is_silent_and_says_goodbye(code, tmp_path):
    """A crash in the middle of an alarm: the watchdog ends it, and the gateway sees it gone."""
    with (
        mosquitto_broker() as at,
        listener(at.port) as heard,
        vm_gate(code, tmp_path, at.port) as gate,
    ):
        wait_until("its status", lambda: [s["on"] for s in heard.of("status")], [True])
        gate.walk_out(MOMO)
        wait_until("the siren", lambda: gate.hardware.siren.state)
        gate.board.power_cycle()

        assert not gate.hardware.siren.state
        wait_until("its last will", lambda: [s["on"] for s in heard.of("status")][1:2], [False])
        wait_until("a second life", lambda: gate.process.starts, 2)
        boots = lambda: len({s["boot"] for s in heard.of("status")})  # noqa: E731
        wait_until("its second birth", boots, 2)
        wait_until("the alarm of its first life", lambda: "alarm" in heard.journalled())
