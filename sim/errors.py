"""What the simulator itself can complain about.

SimError
├── FaultUnknown      a fault this device does not model          (also ValueError)
├── WorldError        a hand asked for something impossible       (also ValueError)
├── RemoteError       the bench and a station do not understand each other
└── DemoFailed        the demo cannot start or go on; the message says what to do
"""


class SimError(Exception):
    """Anything the simulator refuses."""


class FaultUnknown(SimError, ValueError):
    """A fault this device does not model: refused loudly, never ignored."""


class WorldError(SimError, ValueError):
    """A hand asked for something that is not there or cannot be done."""


class RemoteError(SimError):
    """The two ends of a device connection do not understand each other."""


class DemoFailed(SimError):
    """The demo cannot start or go on; the message says what to do."""
