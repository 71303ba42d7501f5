"""What can go wrong in the gate's program, beside what its parts already name.

Exception
└── GateProgramError
    ├── DevicesUnavailable   the devices of the configuration cannot be opened; not started
    └── ListRefused          a downloaded list is not what was announced; the old one stays
"""


class GateProgramError(Exception):
    """Root of what the gate's program itself can refuse."""


class DevicesUnavailable(GateProgramError):
    """The devices named in the configuration cannot be opened."""


class ListRefused(GateProgramError):
    """A list does not match its announcement, or cannot be read; nothing was replaced."""
