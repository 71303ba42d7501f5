"""The bare work that floors are made of: a row committed, a message carried, nothing else."""

import sqlite3
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from sim.errors import SimError
from sim.measure.broker import HOST

CHECKOUT_BODY = bytes(420)  # as long as the body of a checkout
PING_BYTES = 400
WAIT_S_MAX = 60.0


class BareCommits:
    """One row, one commit, as durable as a journal's."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, body BLOB)")

    def commit(self) -> float:
        """Write a row; return how long that took, in ms."""
        began = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO journal (body) VALUES (?)", (CHECKOUT_BODY,))
        self._connection.execute("COMMIT")
        return (time.perf_counter() - began) * 1_000

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def commits(path: Path, count: int) -> list[float]:
    """Return how long so many commits in a row took, in ms."""
    bare = BareCommits(path)
    try:
        return [bare.commit() for _ in range(count)]
    finally:
        bare.close()


def ping(port: int, messages: int) -> list[float]:
    """Return how long a bare client needs to reach another, in ms."""
    heard = threading.Semaphore(0)
    subscribed = threading.Event()
    listener, sender = (mqtt.Client(CallbackAPIVersion.VERSION2) for _ in range(2))
    listener.on_message = lambda *_: heard.release()
    listener.on_subscribe = lambda *_: subscribed.set()
    delays = []
    try:
        for client in (listener, sender):
            client.connect(HOST, port)
            client.loop_start()
        listener.subscribe("ping", qos=1)
        if not subscribed.wait(WAIT_S_MAX):
            raise SimError("the broker did not confirm a subscription")
        for _ in range(messages):
            began = time.perf_counter()
            sender.publish("ping", bytes(PING_BYTES), qos=1)
            if not heard.acquire(timeout=WAIT_S_MAX):
                raise SimError("the broker lost a message")
            delays.append((time.perf_counter() - began) * 1_000)
    finally:
        for client in (listener, sender):
            client.disconnect()
            client.loop_stop()
    return delays
