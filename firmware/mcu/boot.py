"""What a board runs first: everything off, then the version of the program that is to run.

It imports little, so that little of it can be broken by an update; and it keeps nothing, as its
names live as long as the program: an update would stand in the heap beside what it replaced.
"""


def boot() -> None:
    """Switch everything off, and choose."""
    import sys

    import machine
    import vfs

    from firmware.mcu.boards import this_board
    from firmware.mcu.drivers import quiet
    from firmware.mcu.program import start
    from firmware.mcu.update import DeviceFiles

    quiet(machine, this_board())
    choice = start(DeviceFiles(), sys.modules, vfs)
    print("gate: version", choice.version, choice.problem)  # noqa: T201 (the console of a board)


boot()
