"""Starts a device that has an update in its folder, and prints which modules it runs; no pytest.

`micropython -m …update_on_vm`, in a folder with `base/` on the path: what was flashed.
"""

import sys

import vfs

from circulation.wire.update import UpdateRefused
from firmware.mcu import update, update_state
from firmware.mcu.program import start
from firmware.mcu.update_install import Install, this_device


class Believe:
    """A signature that is looked at elsewhere."""

    def __init__(self, *_):
        self.answer = True


def bring_in(files, path):
    """Install what lies in a file, in pieces, and return the version."""
    choice = update.choose(files)
    incoming = Install(files, choice, this_device(files), verification=Believe)
    with open(path, "rb") as content:
        piece = content.read(100)
        while piece:
            taken = incoming.feed(piece)
            piece = piece[taken:] or content.read(100)
    version = incoming.finish()
    while version is None:
        version = incoming.finish()
    return version


def main():
    """Install, start, and say from where each package came."""
    files = update.DeviceFiles()
    update.trust(files, [bytes.fromhex(sys.argv[1])])
    try:
        print("installed", bring_in(files, sys.argv[2]))  # noqa: T201
    except UpdateRefused as error:
        print("refused", error)  # noqa: T201
    choice = start(files, sys.modules, vfs)
    import firmware.gate.judge
    import firmware.mcu.version
    import hardware.chips.crc

    print("runs", choice.slot != update_state.BASE, choice.version, choice.problem)  # noqa: T201
    for module in (firmware.gate.judge, hardware.chips.crc, firmware.mcu.version):
        print(module.__name__, module.__file__, getattr(module, "SAYS", "base"))  # noqa: T201
    from firmware.mcu.version import running

    print("told", running()[0].version, "on base", running()[1])  # noqa: T201


if __name__ == "__main__":
    main()
