"""What the answer of a serial pad comes to when it is not what was asked for. Portable.

PadError
├── AnswerInvalid           the checksum is right and the rest makes no sense
│   └── AnswerForeign       a good answer, but to another question
├── CommandUnknown          the pad does not know the command, or not in its present mode
├── PadFault                the pad itself is in trouble
├── TagSilent               the tag did not answer: gone, or in a weak field
└── TagRefused              the tag answered with an error, in `code`
    ├── BlockMissing        it has no such block
    └── BlockLocked         it is locked for good
"""


class PadError(ValueError):
    """What was asked for did not come."""


class AnswerInvalid(PadError):
    """The checksum is right, but no such answer exists."""


class AnswerForeign(AnswerInvalid):
    """A good answer to another question: another command, another tag, other blocks."""


class CommandUnknown(PadError):
    """The pad does not know this command, or refuses it in its present mode."""


class PadFault(PadError):
    """The pad reports trouble of its own."""


class TagSilent(PadError):
    """The tag did not answer the pad: it is gone, or the field is weak. Trying again may help."""


class TagRefused(PadError):
    """The tag answered with an error; `code` is the pad's or the tag's number for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class BlockMissing(TagRefused):
    """The tag has no such block."""


class BlockLocked(TagRefused):
    """The block, or the AFI, is locked and stays as it is."""
