"""CRC_A, the checksum at the end of every frame of ISO/IEC 14443-3 type A.

In software on purpose: the chip's own CRC unit has to be switched off and on for each kind of
frame (REQA, anticollision and the 4-bit answers carry none), which costs transfers on the bus,
and a checksum that was formed beyond the bus cannot notice a byte damaged on it.
"""

CRC_LENGTH = 2

_PRESET = 0x6363
"""ISO/IEC 14443-3, Annex B.1: the register starts with 6363 and is not inverted at the end."""


def crc_a(data: bytes) -> int:
    """Return the CRC_A (ISO/IEC 14443-3, Annex B): 0x8408 reflected, low byte sent first."""
    crc = _PRESET
    for byte in data:
        mixed = (byte ^ crc) & 0xFF
        mixed ^= mixed << 4 & 0xFF  # eight steps of the shift at once
        crc = (crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    return crc


def with_crc(data: bytes) -> bytes:
    """Return the frame as it is sent: the data, then the CRC, low byte first."""
    crc = crc_a(data)
    return data + bytes((crc & 0xFF, crc >> 8))


def has_crc(frame: bytes) -> bool:
    """Return whether a received frame has data and ends with their CRC."""
    return len(frame) > CRC_LENGTH and with_crc(frame[:-CRC_LENGTH]) == frame
