"""A whole gate on MicroPython that talks to a real broker for as long as a year of alarms would.

The real shell, client, journal and sockets that behave like lwIP's; devices are those of
`gate_day.py`. `gate_talks.py PORT FIRST COUNT` publishes COUNT messages at QoS 1, the first with
the packet id after FIRST, and lets somebody steal a book after every tenth of them; it prints how
that went as a line of JSON.
"""

import gc
import json
import sys
import time

import gate_day

from firmware.gate.events import IN_STOCK, ButtonPressed, LinkUp, TagRead
from firmware.mcu import board_pico_w
from firmware.mcu.config import Config
from firmware.mcu.following import NoLists
from firmware.mcu.journal import open_journal
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.passages import open_passages
from firmware.mcu.shell import Shell, World
from sim.mcu.lwip import Lwip

THEFTS = 10
SILENT_MS_MAX = 30_000


class Talk:
    """The gate, and what it has said."""

    def __init__(self, port, first):
        self.acked = self.sent = self.connected = self.alarms = 0
        self.slowest_ms = 0
        self.closed = []
        self.client = MQTTClient("school/gate-2", "127.0.0.1", port, keepalive=60, net=Lwip())
        self.client.pid = first
        self._poll, self.client.poll = self.client.poll, self.poll
        world = World(
            ticks_ms=time.ticks_ms,
            ticks_diff=time.ticks_diff,
            sleep_ms=time.sleep_ms,
            random_below=gate_day.random_below,
            wlan=gate_day.Wlan(),
            client=self.client,
            journal=open_journal("journal", epoch_id="0" * 16, rows_bytes_max=4_096),
            passages=open_passages("counts", station="gate-2", gate="gate-2", site="main"),
            lists=NoLists("none"),
            free_bytes=lambda: None,
            collect=gc.collect,
        )
        self.shell = Shell(gate_day.Machine(), board_pico_w, Config(gate_day.CONFIG), world)
        self.antenna = gate_day.Antenna()
        self.shell.devices.lanes[0].antenna = self.antenna
        self.shell.detection._antennas = {"lane-1": self.antenna}

    def poll(self, now_ms):
        """Count what the broker has acknowledged."""
        events = self._poll(now_ms)
        for event in events:
            self.acked += event[0] == "acked"
            self.connected += event[0] == "connected"
            if event[0] == "closed":
                self.closed.append(event[1])
        return events

    def say(self, count):
        """Publish so many, as quickly as the broker takes them."""
        end = self.sent + count
        heard_ms = time.ticks_ms()
        while self.sent < end:
            before = self.acked
            self.shell.turn()
            while self.sent < end and self.is_taken():
                self.sent += 1
            if self.acked != before:
                heard_ms = time.ticks_ms()
            if time.ticks_diff(time.ticks_ms(), heard_ms) > SILENT_MS_MAX:
                sys.exit(f"nothing acknowledged after {self.acked}")

    def is_taken(self):
        """Ask the site once more, which is one message; return whether there was room for it."""
        before = self.shell.link.unsent
        self.shell.detection.give(LinkUp())
        return self.shell.link.unsent == before and self.shell.link.is_up

    def steal(self, number):
        """Carry out a book that was not lent; note how long the siren took."""
        tag = TagRead(f"e00405{number:010x}", IN_STOCK, "30001", "DE-1")
        inner, outer = [gate_day.PINS[board_pico_w.INPUTS[name]] for name in ("beam_1", "beam_2")]
        self.antenna.field = [tag]
        self.shell.turn()
        began_ms = time.ticks_ms()
        for beam, level in ((inner, 1), (outer, 1)):
            beam.drive(level)
            self.run(20)
        while not self.shell.devices.siren.state:
            self.run(1)
            if time.ticks_diff(time.ticks_ms(), began_ms) > SILENT_MS_MAX:
                return
        self.alarms += 1
        self.slowest_ms = max(self.slowest_ms, time.ticks_diff(time.ticks_ms(), began_ms))
        self.antenna.field = []
        for beam in (inner, outer):
            beam.drive(0)
        self.shell.detection.give(ButtonPressed())
        self.run(50)

    def run(self, duration_ms):
        """Turn for so long."""
        end_ms = time.ticks_add(time.ticks_ms(), duration_ms)
        while time.ticks_diff(end_ms, time.ticks_ms()) > 0:
            self.shell.turn()
            time.sleep_ms(1)


def main(words):
    """Talk."""
    port, first, count = [int(word) for word in words]
    talk = Talk(port, first)
    for number in range(THEFTS):
        talk.say(count // THEFTS)
        talk.steal(number)
    while talk.client._inflight:
        talk.run(10)
    gc.collect()
    told = {
        "sent": talk.sent,
        "acked": talk.acked,
        "closed": talk.closed,
        "renewed": talk.shell.link.why,
        "alarms": talk.alarms,
        "slowest_ms": talk.slowest_ms,
        "pid": talk.client.pid,
        "failed": talk.shell.failed,
    }
    print(json.dumps(told))  # noqa: T201
