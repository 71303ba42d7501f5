"""What the simulator itself can complain about.

SimError
├── FaultUnknown      a fault this device does not model          (also ValueError)
├── WorldError        a hand asked for something impossible       (also ValueError)
├── ScenarioInvalid   a scenario that cannot be read, or names what is not there
├── StepFailed        a scenario's expectation was not met, or its step could not be done
├── RecordingInvalid  a recording that cannot be read
├── ReplayDiffers     a program asked something else than it did when it was recorded
├── RemoteError       the bench and a station do not understand each other
├── VmFailed          a program for a microcontroller did not compile or did not end
└── DemoFailed        the demo cannot start or go on; the message says what to do
"""


class SimError(Exception):
    """Anything the simulator refuses."""


class FaultUnknown(SimError, ValueError):
    """A fault this device does not model: refused loudly, never ignored."""


class WorldError(SimError, ValueError):
    """A hand asked for something that is not there or cannot be done."""


class ScenarioInvalid(SimError, ValueError):
    """A scenario that cannot be read, or that names what is not there; says file and line."""


class StepFailed(SimError):
    """A step could not be done, or what it expects was not seen; says what was."""


class RecordingInvalid(SimError, ValueError):
    """A recording that cannot be read; says file and line."""


class ReplayDiffers(SimError):
    """A program asked something else than it did when it was recorded."""


class RemoteError(SimError):
    """The two ends of a device connection do not understand each other."""


class VmFailed(SimError):
    """A program for a microcontroller did not compile, did not end, or had no VM to run on."""


class DemoFailed(SimError):
    """The demo cannot start or go on; the message says what to do."""
