"""Reader: what one round costs on an RC522, by our driver and by the package mfrc522.

Both run on the same emulated chip, through the same simulated `spidev`, on an empty field, one
card, and six cards. The package is the unmodified one, asked as its users ask it
(`read_id_no_block`); it takes the place of a floor. Its round is the shorter one by right: it asks
for a number and confirms nothing. Of six cards it reads none.

*On the bus* is what the transfers take at 1 MHz with 10 us between two, which is assumed and not
measured; our driver sleeps the rest of its round, the package spins. Host time is processor time
of driver and emulator together: it says how much Python runs, not what a Pi needs.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hardware.ports import MIFARE_CLASSIC
from hardware.readers.rc522 import Rc522Reader
from hardware.spi import SpiBus
from sim.clock import VirtualClock
from sim.errors import SimError
from sim.measure.table import Bench, Row
from sim.mfrc522.chip import SPI_HZ_DEFAULT, TRANSFER_NS, SimMfrc522
from sim.pi.board import SimPi
from sim.tags import SimTag

ROUNDS, ROUNDS_QUICK = 40, 4
EMPTY_TRANSFERS_TARGET = 20
UIDS = ("2b7c8f01", "2b7c8f09", "2b7d0f01", "5e1a93c4", "a0b1c2d3", "f3000001")
"""Six cards; three of them begin alike."""

PEER = "the package mfrc522"


class Wire:
    """A chip that counts what passes over its bus."""

    def __init__(self, chip: SimMfrc522) -> None:
        self.transfers = 0
        self.octets = 0
        self._chip = chip

    def transfer(self, data: bytes) -> bytes:
        """See `SimMfrc522.transfer`."""
        self.transfers += 1
        self.octets += len(data)
        return self._chip.transfer(data)

    def reset_pin(self, level: bool) -> None:
        """See `SimMfrc522.reset_pin`."""
        self._chip.reset_pin(level)

    @property
    def irq_level(self) -> bool:
        """See `SimMfrc522.irq_level`."""
        return self._chip.irq_level

    @property
    def bus_ms(self) -> float:
        """How long the bus was busy."""
        return (self.transfers * TRANSFER_NS + self.octets * 8e9 / SPI_HZ_DEFAULT) / 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """What one round took on average, and how many tags it found."""

    transfers: float
    bus_ms: float
    host_ms: float
    virtual_ms: float
    tags: float


def run(bench: Bench) -> list[Row]:
    """Measure both drivers on each field."""
    rounds = bench.times(ROUNDS, ROUNDS_QUICK)
    rows = []
    for what, uids in (
        ("empty field", ()),
        ("one card", UIDS[:1]),
        (f"{len(UIDS)} cards", UIDS),
    ):
        bench.say(what)
        rows += _rows(what, _cost(_ours, uids, rounds), _cost(_package, uids, rounds), rounds)
        if rows[-1].figures["tags"] != len(uids):
            raise SimError(f"{what}: our driver found {rows[-1].figures['tags']}")
    return rows


def _rows(what: str, ours: Cost, peer: Cost, rounds: int) -> list[Row]:
    empty = not ours.tags
    target = f"≤ {EMPTY_TRANSFERS_TARGET}" if empty else ""
    met = ours.transfers <= EMPTY_TRANSFERS_TARGET if empty else None
    figures = {
        "rounds": rounds, "tags": ours.tags, "package_tags": peer.tags,
        "virtual_ms": ours.virtual_ms, "package_virtual_ms": peer.virtual_ms,
    }  # fmt: skip
    peer_found = PEER if empty else f"{PEER}, which found {peer.tags:g} of {ours.tags:g}"
    return [
        Row(
            f"{what}: SPI transfers", ours.transfers, "transfers", peer.transfers, peer_found,
            target, met, figures,
        ),
        Row(f"{what}: on the bus", ours.bus_ms, "ms", peer.bus_ms, PEER, figures=figures),
        Row(f"{what}: host time", ours.host_ms, "ms", peer.host_ms, PEER, figures=figures),
    ]  # fmt: skip


def _cost(make: Callable[[VirtualClock], Callable[[], int]], uids: Sequence[str], n: int) -> Cost:
    """Return what a round costs; the first one, which sets things up, does not count."""
    clock = VirtualClock()
    chip = SimMfrc522(clock)
    wire = Wire(chip)
    pi = SimPi(clock)
    pi.wire_mfrc522(wire)
    for uid in uids:
        chip.field.put(SimTag(uid, technology=MIFARE_CLASSIC))
    with pi.installed():
        ask = make(clock)
        ask()
        transfers, bus_ms, began_ms = wire.transfers, wire.bus_ms, clock.now_ms()
        began_s = time.process_time()
        tags = sum(ask() for _ in range(n))
        host_ms = 1_000 * (time.process_time() - began_s)
    return Cost(
        (wire.transfers - transfers) / n,
        (wire.bus_ms - bus_ms) / n,
        host_ms / n,
        (clock.now_ms() - began_ms) / n,
        tags / n,
    )


def _ours(clock: VirtualClock) -> Callable[[], int]:
    reader = Rc522Reader(SpiBus(), clock)
    return lambda: len(reader.inventory().tags)


def _package(_clock: VirtualClock) -> Callable[[], int]:
    try:
        package: Any = importlib.import_module("mfrc522")
    except ImportError as error:
        raise SimError(f"{error}: pip install --no-deps mfrc522==0.0.7 rpi-lgpio") from error
    reader = package.SimpleMFRC522()
    return lambda: 0 if reader.read_id_no_block() is None else 1
