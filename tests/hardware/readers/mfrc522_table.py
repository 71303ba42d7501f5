"""The package mfrc522 on a simulated Pi, and the hand in front of it."""

from hardware.ports import MIFARE_CLASSIC, Security
from hardware.readers.mfrc522_package import Mfrc522Reader
from sim.mfrc522.chip import SimMfrc522
from sim.tags import SimTag

CARD, OTHER_CARD, STICKER = "deadbeef", "deadbeff", "04a1b2c3d4e580"


class PackageTable:
    """A Pi with an RC522 board, and the reader over the package."""

    def __init__(self, pi):
        self.pi = pi
        self.chip = SimMfrc522(pi.clock)
        pi.wire_mfrc522(self.chip)
        self.reader = Mfrc522Reader(pi.clock, name="pad")

    def place(self, uid, content=None, security=Security.NONE, technology=MIFARE_CLASSIC):
        """Put a tag into the field: a new one, or one that was there before."""
        tag = content
        if not isinstance(content, SimTag):
            tag = SimTag(uid, technology=technology, content=content, security=security)
        self.chip.field.put(tag)
        return tag

    def pull(self, uid, writes):
        """Let the tag leave after so many blocks of four bytes, in whole blocks of its own."""
        self.chip.field.pull(uid, after_written=-(-writes // 4) * 16)
