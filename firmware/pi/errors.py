"""What can go wrong in the gate's program, beside what its parts already name.

Exception
└── GateProgramError
    ├── DevicesUnavailable   the devices of the configuration cannot be opened; not started
    ├── ListRefused          a downloaded list is not what was announced; the old one stays
    ├── SigningFailed        a key or a folder that no update can be made of; nothing was written
    └── ProvisioningFailed   a device did not take what it was told; it can be told again
"""


class GateProgramError(Exception):
    """Root of what the gate's program itself can refuse."""


class DevicesUnavailable(GateProgramError):
    """The devices named in the configuration cannot be opened."""


class ListRefused(GateProgramError):
    """A list does not match its announcement, or cannot be read; nothing was replaced."""


class SigningFailed(GateProgramError):
    """No update, or no key, can be made of this."""


class ProvisioningFailed(GateProgramError):
    """A microcontroller did not take what it was told; saying it again does no harm."""
