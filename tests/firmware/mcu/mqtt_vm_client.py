"""Runs on MicroPython: a client over TLS that publishes to itself, and says how it went.

`micropython -m tests.firmware.mcu.mqtt_vm_client PORT CA_FILE SERVER COUNT`
"""

import sys
import time

from firmware.mcu.clock import Ticks
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.streams import trusting


def main(port, ca_file, server, count):
    """Publish that many, and print how many came back or why they did not."""
    now_ms = Ticks(time.ticks_ms, time.ticks_diff).now_ms
    with open(ca_file, "rb") as source:
        tls = trusting(source.read())
    client = MQTTClient("vm", server, int(port), keepalive=30, ssl=tls)
    client.resolve = lambda _name: "127.0.0.1"
    client.subscribe("vm/echo", 1)
    client.begin(now_ms())
    sent, heard, acked, longest_ms = 0, 0, 0, 0
    while acked < int(count) or heard < int(count):
        began_ms = now_ms()
        for event in client.poll(began_ms):
            if event[0] == "closed":
                print("closed:", event[1])  # noqa: T201
                return
            acked += event[0] == "acked"
            heard += event[0] == "message" and int(event[2]) == heard
        longest_ms = max(longest_ms, now_ms() - began_ms)
        while sent < int(count) and client.publish("vm/echo", str(sent), qos=1) is not None:
            sent += 1
    print("sent", sent, "acked", acked, "heard", heard)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
