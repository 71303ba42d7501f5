"""A gate on a microcontroller, wired to the bench or to a world in the same process."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from firmware.mcu import board_pico_w
from firmware.mcu.config import RC522
from hardware.ports import Clock, Input, Output
from sim.devices import SimReader
from sim.errors import VmFailed
from sim.mcu import vm
from sim.mcu.board import SerialEnd, SpiChip, Wires
from sim.mcu.process import McuProcess, lay_out_device
from sim.remote import BenchLink
from sim.rooms import SimGate
from sim.stations import Bench
from sim.wires import RemoteChip

HOST = "127.0.0.1"
BUTTON_DOWN = 0
"""A button pulls its pin to ground."""
LOOK_S = 0.005
CABLE_BYTES = 4_096
ENDED = "the program on the board has ended and nothing starts it anew"


@dataclass(frozen=True)
class LaneWires:
    """What a lane has: the far end of its antenna's cable or bus, and two beams."""

    antenna: SerialEnd | SpiChip
    beam_inner: Input
    beam_outer: Input


@dataclass(frozen=True)
class GateWires:
    """What a gate has at the ends of its wires."""

    lanes: Mapping[str, LaneWires]
    siren: Output
    lamp_red: Output
    lamp_amber: Output
    button: Input


class Cable:
    """The board's end of a serial cable whose device is at the bench: `socket://HOST:PORT`.

    While the cable is out bytes are lost both ways, as on a real one; it is tried again at each
    look.
    """

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("socket://").rpartition(":")
        self._address = (host, int(port))
        self._socket: socket.socket | None = None

    def receive(self, data: bytes) -> None:
        """See `SerialEnd.receive`."""
        with suppress(OSError):
            self._open().sendall(data)
            return
        self.close()

    def take(self, limit: int | None = None) -> bytes:
        """See `SerialEnd.take`."""
        try:
            came = self._open().recv(limit or CABLE_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            came = b""
        if not came:
            self.close()
        return came

    def close(self) -> None:
        """Let go of the cable; the next use opens it again."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=1.0)
            self._socket.setblocking(False)
        return self._socket


def gate_wires(
    config: Mapping[str, Any], gate: GateWires, board: ModuleType = board_pico_w
) -> Wires:
    """Return which pin and port goes where, as a gate's configuration and its board's file say."""
    inputs = {str(board.INPUTS["button"]): gate.button}
    active = {str(board.INPUTS["button"]): BUTTON_DOWN}
    ports: dict[str, Any] = {}
    buses: dict[str, Any] = {}
    for lane in config["lanes"]:
        wires = gate.lanes[lane["name"]]
        beams = (wires.beam_inner, wires.beam_outer)
        for name, beam in zip(lane.get("beams", ()), beams, strict=False):
            inputs[str(board.INPUTS[name])] = beam
            active[str(board.INPUTS[name])] = lane.get("broken_level", 1)
        if lane["driver"] == RC522:
            buses[str(board.SPIS[lane["port"]][0])] = wires.antenna
        else:
            ports[str(board.UARTS[lane["port"]][0])] = wires.antenna
    outputs = {}
    for name in ("siren", "lamp_red", "lamp_amber"):
        pin, is_on_high = board.OUTPUTS[name]
        outputs[str(pin)] = getattr(gate, name)
        active[str(pin)] = int(is_on_high)
    return Wires(inputs, outputs, ports, buses, active)


def world_gate(gate: SimGate) -> GateWires:
    """Return the wires of a gate in a world of this process; it was added with `wired=True`."""
    lanes = {}
    for name, lane in gate.lanes.items():
        assert not isinstance(lane.antenna, SimReader), f"{gate.station}: add it wired"
        lanes[name] = LaneWires(lane.antenna, lane.beam_inner, lane.beam_outer)
    return GateWires(lanes, gate.siren, gate.lamp_red, gate.lamp_amber, gate.button)


def bench_gate(
    station: str, lanes: Iterable[str], cables: Mapping[str, str], port: int, clock: Clock
) -> GateWires:
    """Return the wires of a gate at the bench.

    cables: where the antennas of lanes end that have one; the others' are chips on the bus.
    """
    bench = Bench(station, port, clock)
    wires = {}
    for lane in lanes:
        beams = [bench.input(f"{lane}/{beam}") for beam in ("beam_inner", "beam_outer")]
        antenna: SerialEnd | SpiChip
        if lane in cables:
            antenna = Cable(cables[lane])
        else:
            antenna = RemoteChip(BenchLink(HOST, port, clock=clock), f"{station}/{lane}/antenna")
        wires[lane] = LaneWires(antenna, *beams)
    siren, red, amber = (bench.output(name) for name in ("siren", "lamp_red", "lamp_amber"))
    return GateWires(wires, siren, red, amber, bench.input("button"))


def run_firmware(
    config: Path,
    cables: Iterable[str],
    *,
    port: int,
    clock: Clock,
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Run the firmware with this configuration on a board at the bench until `stop`.

    cables: `LANE=socket://HOST:PORT` of each antenna that ends in a serial one. Its flash is a
    folder beside the configuration, and is as the last run left it.
    """
    try:
        values = json.loads(config.read_text())
        station = str(values["station"])
        plugged = dict(cable.split("=", 1) for cable in cables)
        lanes = [lane["name"] for lane in values["lanes"]]
        wires = gate_wires(values, bench_gate(station, lanes, plugged, port, clock))
    except (OSError, ValueError, KeyError) as error:
        raise VmFailed(f"{config}: no configuration of a gate's board ({error!r})") from error
    found = vm.find_vm()
    version = "" if found is None else ".".join(map(str, found.version))
    say(f"{station}: on MicroPython {version}" if found else f"{station}: on CPython; {vm.NO_VM}")
    flash = config.parent / station / "flash"
    flash.mkdir(parents=True, exist_ok=True)
    (flash / "config.json").write_text(config.read_text())
    code = lay_out_device(flash.parent / "code")
    process = McuProcess(flash, wires, clock=clock, code=code, look_s=LOOK_S)
    try:
        stop.wait()
    finally:
        process.close()
