"""Make the recordings of `tests/sim/recordings` anew: python -m tests.sim.make_recordings

They are conversations of our drivers with the emulators. A driver that is changed on purpose asks
otherwise; look at what `lendgate-sim replay` says of the difference, then run this.
"""

from pathlib import Path

import serial

from hardware.chips.tag_data import new_content
from hardware.errors import HardwareError
from hardware.ports import NTAG, Security
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.recording.drivers import DRIVERS, RecorderWires
from sim.recording.recorder import Recorder
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.tags import SimTag

FOLDER = Path(__file__).parent / "recordings"
STICKERS = ("04a1b211223380", "04a1b2c3d4e580")
BOOKS = ("e004010000000001", "e004010000000002", "e004010000000003")
PADS = {"pad_3m": SimPad3M, "pad_feig": SimPadFeig}


def tag(uid, **options):
    content = new_content("30000000001", "DE-715")
    return SimTag(uid, content=content, security=Security.IN_STOCK, **options)


def quietly(ask, *args):
    try:
        return ask(*args)
    except HardwareError:
        return None


def record_rc522(file):
    """An empty field, two stickers, one lent, the other lifted while it is asked."""
    clock = VirtualClock()
    chip = SimMfrc522(clock)
    note = "emulator: two NTAG213; one is lent, the other lifted while it is asked"
    with Recorder(file, clock, driver="rc522", wires={"spi0.0": "mfrc522"}, note=note) as recorder:
        wires = RecorderWires(recorder, "spi0.0", bus=chip)
        reader = recorder.reader(DRIVERS["rc522"][1](wires, ""))
        reader.inventory()
        for uid in STICKERS:
            chip.field.put(tag(uid, technology=NTAG))
        for uid in reader.inventory().uids:
            reader.read_content(uid)
        reader.set_security(STICKERS[0], Security.ON_LOAN)
        chip.field.take(STICKERS[1])
        quietly(reader.get_security, STICKERS[1])
        reader.health()
        reader.close()


def record_pad(file, model):
    """Three books, one lent, then the plug is pulled and put back."""
    clock = VirtualClock()
    pad = PADS[model](clock, name="pad")
    port = url.plug(f"recorded-{model}", pad)
    note = "emulator: three library tags; one is lent, then the plug is pulled and put back"
    with Recorder(file, clock, driver=model, wires={"pad": model}, note=note) as recorder:
        wires = RecorderWires(recorder, "pad", opener=serial.serial_for_url)
        reader = recorder.reader(DRIVERS[model][1](wires, port))
        for uid in BOOKS:
            pad.place(tag(uid))
        reader.inventory()
        reader.read_content(BOOKS[0])
        reader.set_security(BOOKS[0], Security.ON_LOAN)
        pad.unplug()
        quietly(reader.inventory)
        reader.health()
        pad.plug_in()
        clock.advance(5_000)
        quietly(reader.inventory)
        reader.get_security(BOOKS[0])
        reader.close()
    url.remove(f"recorded-{model}")


def main(folder=FOLDER):
    folder.mkdir(exist_ok=True)
    record_rc522(folder / "rc522_two_stickers.jsonl")
    for model in PADS:
        record_pad(folder / f"{model}_three_books.jsonl", model)


if __name__ == "__main__":
    main()
