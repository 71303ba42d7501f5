"""Starts as boot.py does, loads what a gate runs, and prints the heap in use; no pytest."""

import gc
import sys

import vfs


def boot():
    """Choose, and keep nothing."""
    from firmware.mcu.program import start
    from firmware.mcu.update import DeviceFiles

    return start(DeviceFiles(), sys.modules, vfs).version


def main():
    """Load the gate, and print which version runs and how much heap is in use."""
    version = boot()
    import firmware.mcu.journal
    import firmware.mcu.list_store
    import firmware.mcu.mqtt
    import firmware.mcu.shell
    import firmware.mcu.update_following  # noqa: F401

    gc.collect()
    print(version, gc.mem_alloc())  # noqa: T201


if __name__ == "__main__":
    main()
