"""Devices of the bench for a kiosk or a gate in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from circulation.config import Section
from firmware.pi.devices import GateDevices, LaneDevices
from hardware.ports import Clock
from kiosk.devices import KioskDevices
from sim.remote import (
    BenchLink,
    RemoteInput,
    RemoteOutput,
    RemotePrinter,
    RemoteReader,
    RemoteScanner,
)

HOST = "127.0.0.1"


class Bench:
    """The devices of one station at the bench that listens on a port of this machine.

    Each reader has a connection of its own, so that a slow one does not hold up the rest; pins
    share one, and go to their safe state together when the station dies.
    """

    def __init__(self, station: str, port: int, clock: Clock) -> None:
        self._station = station
        self._port = port
        self._clock = clock
        self._pins = self._link()

    def reader(self, name: str) -> RemoteReader:
        """Return a pad, a card spot or an antenna."""
        return RemoteReader(self._link(), f"{self._station}/{name}")

    def scanner(self, name: str) -> RemoteScanner:
        """Return a barcode scanner."""
        return RemoteScanner(self._link(), f"{self._station}/{name}")

    def printer(self, name: str) -> RemotePrinter:
        """Return a receipt printer."""
        return RemotePrinter(self._link(), f"{self._station}/{name}")

    def output(self, name: str) -> RemoteOutput:
        """Return a lamp or a siren."""
        return RemoteOutput(self._pins, f"{self._station}/{name}")

    def input(self, name: str) -> RemoteInput:
        """Return a beam or a button."""
        return RemoteInput(self._pins, f"{self._station}/{name}")

    def _link(self) -> BenchLink:
        return BenchLink(HOST, self._port, clock=self._clock)


def kiosk_devices(station: str, port: int, clock: Clock) -> KioskDevices:
    """Return the devices of a kiosk at the bench."""
    bench = Bench(station, port, clock)
    return KioskDevices(
        reader=bench.reader("pad"),
        scanner=bench.scanner("scanner"),
        card_reader=bench.reader("card"),
        printer=bench.printer("printer"),
        sound_ok=bench.output("sound_ok"),
        sound_problem=bench.output("sound_problem"),
    )


@contextmanager
def bench_kiosk(section: Section, port: int, clock: Clock) -> Iterator[KioskDevices]:
    """Yield the devices of the kiosk whose configuration this is."""
    yield kiosk_devices(section.text("station"), port, clock)


def gate_devices(station: str, lanes: tuple[str, ...], port: int, clock: Clock) -> GateDevices:
    """Return the devices of a gate at the bench."""
    bench = Bench(station, port, clock)
    return GateDevices(
        lanes={
            lane: LaneDevices(
                antenna=bench.reader(f"{lane}/antenna"),
                beam_inner=bench.input(f"{lane}/beam_inner"),
                beam_outer=bench.input(f"{lane}/beam_outer"),
            )
            for lane in lanes
        },
        siren=bench.output("siren"),
        lamp_red=bench.output("lamp_red"),
        lamp_amber=bench.output("lamp_amber"),
        button=bench.input("button"),
    )
