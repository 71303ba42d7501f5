"""Starts a module as a program would be, bound to the life of the test that started it.

    python tests/support/launch.py [--file-bytes-max N] MODULE ARGUMENT…

A test run that is killed takes its programs with it, and a file that may not grow beyond a size
stands in for a full disk, which a test cannot otherwise have without being root.
"""

import ctypes
import resource
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Run the module; returns when it does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if arguments[0] == "--file-bytes-max":
        size = int(arguments[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        # Without this the kernel ends the program; with it the write fails, as on a full disk.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        arguments = arguments[2:]
    sys.argv = arguments
    sys.path[0] = ""
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
