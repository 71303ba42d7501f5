"""Runs on MicroPython: a client over TLS that publishes to itself, and says how it went.

`micropython -m tests.firmware.mcu.mqtt_vm_client PORT CA_FILE SERVER COUNT SEND_BYTES`

SEND_BYTES: over lwIP's sockets with a send buffer of that size; 0: over those of the unix port.
"""

import sys
import time

from firmware.mcu.clock import Ticks
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.streams import trusting
from sim.mcu.lwip import Lwip


def main(port, ca_file, server, count, send_bytes):
    """Publish that many, and print how many came back or why they did not."""
    now_ms = Ticks(time.ticks_ms, time.ticks_diff).now_ms
    with open(ca_file, "rb") as source:
        tls = trusting(source.read())
    net = Lwip(send_bytes=int(send_bytes)) if int(send_bytes) else None
    client = MQTTClient("vm", server, int(port), keepalive=30, ssl=tls, net=net)
    client.resolve = lambda _name: "127.0.0.1"
    client.subscribe("vm/echo", 1)
    client.begin(now_ms())
    sent, heard, acked = 0, 0, 0
    while acked < int(count) or heard < int(count):
        for event in client.poll(now_ms()):
            if event[0] == "closed":
                print("closed:", event[1])  # noqa: T201
                return
            acked += event[0] == "acked"
            heard += event[0] == "message" and int(event[2]) == heard
        while sent < int(count) and client.publish("vm/echo", str(sent), qos=1) is not None:
            sent += 1
    print("sent", sent, "acked", acked, "heard", heard)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
