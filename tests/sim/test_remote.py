"""Devices of another process keep the contracts of their ports, and survive either side."""

import socket

import pytest

from hardware.errors import DeviceUnavailable, PrinterError
from hardware.ports import Security
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.pins import SimInput, SimOutput
from sim.remote import (
    BenchLink,
    RemoteInput,
    RemoteOutput,
    RemotePrinter,
    RemoteReader,
    RemoteScanner,
)
from sim.remote_server import CONNECTIONS_MAX, DeviceServer
from sim.tags import SimTag
from tests.contract.gpio_contract import (
    MAX_ON_MS,
    InputContract,
    InputRig,
    OutputContract,
    OutputRig,
)
from tests.contract.printer_contract import PrinterContract, PrinterRig
from tests.contract.reader_contract import CONTENT, UID, ReaderRig, TagReaderContract
from tests.contract.scanner_contract import ScannerContract, ScannerRig


@pytest.fixture
def clock():
    return VirtualClock(10_000)


@pytest.fixture
def bench(clock):
    """Return a place to start servers and links that are closed when the test ends."""
    opened = []

    class Bench:
        def serve(self, *devices, port=0):
            server = DeviceServer({device.name: device for device in devices}, clock, port=port)
            opened.append(server.stop)
            return server

        def link(self, port):
            link = BenchLink("127.0.0.1", port, clock=clock)
            opened.append(link.close)
            return link

        def linked(self, *devices):
            return self.link(self.serve(*devices).port)

    yield Bench()
    for close in reversed(opened):
        close()


@pytest.fixture
def serve(bench):
    """Return a function that serves devices and returns a link to them."""
    return bench.linked


class TestRemoteReader(TagReaderContract):
    """A pad at the bench."""

    @pytest.fixture
    def rig(self, clock, serve):
        pad = SimReader(clock, name="pad")

        def place(uid, content, security):
            known = isinstance(content, SimTag)
            tag = content if known else SimTag(uid, content=content, security=security)
            pad.place(tag)
            return tag

        return ReaderRig(
            reader=RemoteReader(serve(pad), "pad"),
            place=place,
            lift=pad.lift,
            pull=lambda uid, writes: pad.pull(uid, after_writes=writes),
            weaken=lambda uid, writes: pad.field.get(uid).ignore_writes(writes),
            unplug=lambda: pad.fail("off"),
            plug_in=pad.mend,
        )


class TestRemoteScanner(ScannerContract):
    """A scanner at the bench."""

    @pytest.fixture
    def rig(self, serve):
        scanner = SimScanner()
        remote = RemoteScanner(serve(scanner), "scanner")
        return ScannerRig(remote, scanner.scan, lambda: scanner.fail("off"), scanner.mend)


class TestRemotePrinter(PrinterContract):
    """A printer at the bench."""

    @pytest.fixture
    def rig(self, serve):
        printer = SimPrinter()
        return PrinterRig(
            RemotePrinter(serve(printer), "printer"),
            lambda: printer.fail("paper_out"),
            printer.mend,
            lambda: list(printer.slips),
        )


class TestRemoteOutput(OutputContract):
    """A lamp at the bench."""

    @pytest.fixture
    def rig(self, clock, serve):
        outputs = []

        def make(initial, safe):
            output = SimOutput(clock, initial=initial, safe=safe, max_on_ms=MAX_ON_MS)
            outputs.append(output)
            return RemoteOutput(serve(output), "output")

        return OutputRig(make, lambda _: outputs[-1].state, clock.advance)


class TestRemoteInput(InputContract):
    """A beam at the bench."""

    @pytest.fixture
    def rig(self, clock, serve):
        wire = SimInput(clock)
        remote = RemoteInput(serve(wire), "input")
        return InputRig(remote, wire.drive, clock.advance, clock.now_ms)


def test_devices_come_back_when_the_bench_does(bench, clock):
    """A station outlives its bench: unavailable meanwhile, working again afterwards."""
    pad = SimReader(clock, name="pad")
    server = bench.serve(pad)
    reader = RemoteReader(bench.link(server.port), "pad")
    assert reader.inventory().tags == ()

    server.stop()
    with pytest.raises(DeviceUnavailable, match="bench"):
        reader.inventory()
    assert "bench" in reader.health().detail

    bench.serve(pad, port=server.port)
    pad.place(SimTag(UID, content=CONTENT, security=Security.IN_STOCK))
    clock.advance(1_000)
    assert reader.inventory().uids == (UID,)


def test_a_missing_bench_is_not_asked_in_a_tight_loop(bench, clock):
    """After a failed connection the next try waits a moment, so that polling costs nothing."""
    pad = SimReader(clock, name="pad")
    server = bench.serve(pad)
    server.stop()
    reader = RemoteReader(bench.link(server.port), "pad")
    with pytest.raises(DeviceUnavailable, match="refused"):
        reader.inventory()

    bench.serve(pad, port=server.port)
    with pytest.raises(DeviceUnavailable):
        reader.inventory()
    clock.advance(200)
    assert reader.inventory().tags == ()


def test_without_a_bench_everything_is_quiet(bench, clock):
    """No scan, no beam, no lamp and no slip without a bench, and nothing crashes."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    link = bench.link(port)
    siren = RemoteOutput(link, "siren")
    siren.on()
    siren.pulse(100)

    assert RemoteScanner(link, "scanner").poll() == []
    assert not RemoteInput(link, "beam").read()
    assert RemoteInput(link, "beam").edges() == []
    assert not siren.state
    with pytest.raises(PrinterError, match="bench"):
        RemotePrinter(link, "printer").print_lines(["Momo"])


def test_a_station_that_dies_leaves_its_outputs_safe(bench, clock):
    """When the connection ends without a word, siren and lamps go to their safe state."""
    siren = SimOutput(clock, name="siren", max_on_ms=30_000)
    server = bench.serve(siren)
    link = bench.link(server.port)
    RemoteOutput(link, "siren").on()
    assert siren.state

    link.close()
    server.stop()

    assert not siren.state


def test_a_lamp_that_was_on_is_on_again_after_the_bench_restarts(bench, clock):
    """What a station wants of its lamps survives the bench."""
    server = bench.serve(SimOutput(clock, name="lamp", max_on_ms=30_000))
    link = bench.link(server.port)
    lamp = RemoteOutput(link, "lamp")
    lamp.on()
    server.stop()
    assert not lamp.state

    new_lamp = SimOutput(clock, name="lamp", max_on_ms=30_000)
    bench.serve(new_lamp, port=server.port)
    clock.advance(1_000)
    assert lamp.state
    assert new_lamp.state


def hear(port, line):
    """Return what the server says to a line sent by hand, and whether it then hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello\n", b"not JSON"),
        (b"[]\n", b"an object"),
        (b'{"n": "1"}\n', b"an object with a number"),
        (b"x" * 70_000 + b"\n", b"too long"),
        (b'{"n": 1', b"cut off"),
        (b'{"n": 1, "device": "attic", "call": "read"}\n', b"no such device"),
        (b'{"n": 1, "device": ["pad"], "call": "read"}\n', b"no such device"),
        (b'{"n": 1, "device": "pad", "call": "place"}\n', b"no such call"),
        (b'{"n": 1, "device": "pad", "call": "__init__"}\n', b"no such call"),
        (b'{"n": 1, "device": "pad", "call": "inventory", "args": {}}\n', b"no such call"),
        (b'{"n": 1, "device": "pad", "call": "get_security", "args": []}\n', b"get_security"),
        (b'{"n": 1, "device": "pad", "call": "set_security", "args": ["x", "y"]}\n', b"'y'"),
    ],
)
def test_a_hostile_line_gets_a_named_answer(bench, clock, line, says):
    """Whatever is sent, the answer says what is wrong and no device moves."""
    pad = SimReader(clock, name="pad")
    server = bench.serve(pad)

    answer = hear(server.port, line)

    assert says in answer
    assert list(pad.history) == []


def test_connections_have_a_limit(bench, clock):
    """One connection too many is closed, the others go on."""
    server = bench.serve(SimReader(clock, name="pad"))
    links = [bench.link(server.port) for _ in range(CONNECTIONS_MAX)]
    readers = [RemoteReader(link, "pad") for link in links]
    for reader in readers:
        reader.inventory()

    with pytest.raises(DeviceUnavailable):
        RemoteReader(bench.link(server.port), "pad").inventory()
    assert readers[0].inventory().complete
