"""Updates over the network, whole: gateway and broker as they run, the gate on a MicroPython."""

import os
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from circulation.config import read_config
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import trust
from firmware.pi.signing import Release, sign_update
from gateway.__main__ import main
from gateway.app import Gateway, read_settings
from gateway.board import Desk
from gateway.wording import event
from sim.mcu import vm
from sim.mcu.process import lay_out_device
from tests.firmware.mcu.test_vm_update import OnHost
from tests.firmware.mcu.vm_gate import MOMO, SITE_KEY, STATION, UIDS, listener, vm_gate
from tests.support.brokers import mosquitto_broker
from tests.support.programs import wait_until

LIBRARY, BOARD = "school", "pico-w-6"
PRIVATE, STRANGER = bytes(32), bytes([1] * 32)
SOURCE = (vm.ROOT / "firmware/mcu/version.py").read_text()
WITHIN_S = 90

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.needs("mosquitto")]


def write_config(folder, port):
    """Write the gateway's configuration."""
    path = folder / "gateway.toml"
    path.write_text(
        f'library = "{LIBRARY}"\nsite_key = "{SITE_KEY.hex()}"\ncard_key = "{"1" * 32}"\n'
        f"[broker]\nport = {port}\n[web]\nport = 0\n"
    )
    return path


class Library:
    """A gateway that can be started and stopped, and what is offered there."""

    def __init__(self, folder, port):
        self.folder, self.config = folder, write_config(folder, port)

    def sign(self, version, source, *, private=PRIVATE):
        """Compile one module and sign it as an update of the flashed version; return its file."""
        part = self.folder / f"part-{version}/firmware/mcu"
        part.mkdir(parents=True)
        (part / "source").write_text(source)
        vm.compile_to(part / "source", part / "version.mpy", "version.py")
        (part / "source").unlink()
        folder = self.folder / f"part-{version}"
        content = sign_update(
            folder, private, Release(version=version, minimum=1, base=1, board="pico_w")
        )
        path = self.folder / f"lendgate-{version}.lgu"
        path.write_bytes(content)
        return path

    @contextmanager
    def offering(self, file):
        """Offer a file as one does, and run the gateway until the block ends."""
        arguments = ["offer-update", str(file), "--within", "0", "-c", str(self.config)]
        said = CliRunner().invoke(main, arguments)
        assert said.exit_code == 0, said.output
        settings = read_settings(read_config(self.config), self.folder)
        with Gateway(settings) as gateway:
            yield Desk(gateway.store, LIBRARY)


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files: the firmware as it is, and the fakes of what touches the board."""
    return lay_out_device(tmp_path_factory.mktemp("code"))


def refused(desk):
    return [list(view.refused.values()) for view in desk.board().updates]


def taken(desk):
    return [view.taken for view in desk.board().updates]


def test_a_gate_refuses_rolls_back_and_takes_what_its_gateway_offers(code, tmp_path):
    """A stranger's program is refused, one that crashes is rolled back, a good one stays; and
    the gate, that guards all the while, says each time which it runs."""
    flash = tmp_path / "flash"
    flash.mkdir()
    trust(OnHost(flash), [public_key_of(PRIVATE)])
    with mosquitto_broker() as at, vm_gate(code, tmp_path, at.port) as gate:
        library = Library(tmp_path, at.port)
        strange = library.sign(2, SOURCE, private=STRANGER)
        crash = SOURCE.replace(
            "    return _told[-1]", "    raise RuntimeError\n    return _told[-1]"
        )
        broken = library.sign(3, crash)
        good = library.sign(4, SOURCE.replace("VERSION = 1", "VERSION = 4"))

        with library.offering(strange) as desk:
            said = "update: signed with a key that this device does not trust"
            wait_until("refused", lambda: refused(desk), [[said]], within_s=WITHIN_S)
            assert desk.station(STATION).firmware == "lendgate 1 pico-w-6"
            assert gate.process.starts == 1

        with library.offering(broken) as desk:
            said = "version 3 was rolled back"
            wait_until("rolled back", lambda: refused(desk), [[said]], within_s=WITHIN_S)
            assert gate.process.starts == 5  # three tries, and the way back
            assert desk.station(STATION).firmware == "lendgate 1 pico-w-6"

        with library.offering(good) as desk:
            wait_until("taken", lambda: taken(desk), [[STATION]], within_s=WITHIN_S)
            told = [event(entry) for entry in desk.board().events]
            assert desk.station(STATION).firmware == "lendgate 4 pico-w-6"
        assert gate.process.starts == 6
        assert [line for line in told if "does not take the update" in line] != []
        assert "gate: version 4 \n" in gate.process.said()

        with listener(at.port) as heard:
            gate.walk_out(MOMO)
            wait_until("the alarm", heard.alarms, [UIDS[MOMO]])
        assert gate.board.problems == []
        assert sorted(name for name in os.listdir(flash) if "program" in name) == ["program-a"]
