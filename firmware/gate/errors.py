"""What can be wrong with something the gate's logic is told.

    ValueError
    └── GateError
        ├── GateConfigInvalid   a value the gate cannot work with; it does not start
        └── EventInvalid        an event that makes no sense here; it changes nothing

Texts name what was wrong and what was expected. Nothing else is ever raised by `firmware/gate`.
"""


class GateError(ValueError):
    """Root of everything the gate's logic refuses."""


class GateConfigInvalid(GateError):
    """The configuration cannot work; the text names the option."""


class EventInvalid(GateError):
    """This event cannot happen at this gate; nothing was changed by it."""
