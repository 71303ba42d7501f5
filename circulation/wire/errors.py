"""What can be wrong with something that came over the wire.

    ValueError
    └── WireError
        ├── TopicInvalid      the topic names nobody, or is not one of ours
        ├── MessageInvalid    the payload is not the message it should be
        │   └── FactInvalid   the body of one fact is unreadable; the row is parked, not dropped
        └── FuseInvalid       the file of a gate's list is torn, damaged or not one of ours

Bad input gets one of these and changes nothing. Each text says what is wrong, in which field,
and what was expected there; it never repeats more than a few characters of the input.
"""


class WireError(ValueError):
    """Root of everything that can be wrong with a topic, a message or a fact."""


class TopicInvalid(WireError):
    """The topic is not one of ours, or a name in it is not allowed."""


class MessageInvalid(WireError):
    """The payload cannot be read as the message it should be."""


class FactInvalid(MessageInvalid):
    """The body of a fact cannot be read."""


class FuseInvalid(WireError):
    """The file cannot be read as a gate's list; the list before it stays in use."""
