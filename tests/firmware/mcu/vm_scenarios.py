"""Plays scenario files on this Python and prints, a line each, what the gate did; no pytest.

On MicroPython: `micropython vm_scenarios.py FILE…`; a board plays the same files.
"""

import gc
import json
import sys

from tests.firmware.gate.play import play, shown, start, tell


def done(scenario):
    """Return every command of a scenario, step by step, as its file would write it."""
    machine = start(scenario["config"])
    return [
        [shown(command) for command in tell(machine, told, at_ms)]
        for at_ms, told, _ in scenario["steps"]
    ]


def main(paths):
    """Print for each file what went differently from it, and everything the gate did."""
    for path in paths:
        with open(path) as file:
            scenario = json.load(file)
        wrong = play(scenario)
        print(json.dumps([path, wrong, done(scenario)]))  # noqa: T201
        scenario = None
        gc.collect()


if __name__ == "__main__":
    main(sys.argv[1:])
