"""Everything a device can do wrong, as one tree.

    HardwareError
    ├── DeviceError                 the device itself
    │   ├── DeviceUnavailable       off, unplugged, cannot be opened      (also OSError)
    │   ├── DeviceTimeout           no answer in time                     (also TimeoutError)
    │   └── DeviceGarbled           an answer that makes no sense
    ├── TagError                    one tag; always names its uid
    │   ├── TagLost                 left the field before we were done
    │   ├── WriteFailed             read back something else than was written
    │   ├── TagLocked               the tag refuses writes for good
    │   ├── BlockOutOfRange         outside the tag's memory              (also ValueError)
    │   └── SecurityUnsupported     this tag cannot hold that state       (also ValueError)
    ├── PrinterError                paper out, cover open
    └── DevicesInvalid              a configuration names what cannot be  (also ValueError)

Each carries `retry`: True when doing the same again may work (after placing the tag again or
plugging the device in), False when it never will.
"""


class HardwareError(Exception):
    """Anything that went wrong below the ports."""

    retry = True


class DeviceError(HardwareError):
    """The device itself failed, whatever lay on it."""


class DeviceUnavailable(DeviceError, OSError):
    """The device is off, unplugged or cannot be opened."""


class DeviceTimeout(DeviceError, TimeoutError):
    """The device did not answer in time; what was asked may or may not have happened."""


class DeviceGarbled(DeviceError):
    """The device answered something that makes no sense."""


class TagError(HardwareError):
    """One tag failed; `uid` says which."""

    def __init__(self, uid: str, message: str) -> None:
        super().__init__(f"tag {uid}: {message}")
        self.uid = uid


class TagLost(TagError):
    """The tag left the field before we were done; what was written last is not known."""

    def __init__(self, uid: str, during: str = "reading") -> None:
        super().__init__(uid, f"left the field while {during}; place it again")


class WriteFailed(TagError):
    """Reading back gave something else than was written."""


class TagLocked(TagError):
    """The tag refuses to be written, now and later."""

    retry = False


class BlockOutOfRange(TagError, ValueError):
    """A block that the tag's memory does not have."""

    retry = False


class SecurityUnsupported(TagError, ValueError):
    """The tag has no place for that security state."""

    retry = False


class PrinterError(HardwareError):
    """The printer cannot print now: paper out, cover open, unplugged."""


class DevicesInvalid(HardwareError, ValueError):
    """A configuration names a driver or a function that nobody has, or two things at once."""

    retry = False
