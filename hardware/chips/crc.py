"""The 16-bit checksums of tags and serial readers. Portable.

Both run the polynomial of CRC-CCITT, x^16 + x^12 + x^5 + 1: one from the high bit down, one from
the low bit up. Families differ only in the start and in a final inversion, which callers add:

| family | function | start | after |
|---|---|---|---|
| CRC-16/CCITT-FALSE (ISO 28560-3) | `crc_high_first` | FFFF | nothing |
| 3M pads (CRC-16/GENIBUS) | `crc_high_first` | FFFF | ^ FFFF |
| Feig OBID (CRC-16/MCRF4XX) | `crc_low_first` | FFFF | nothing |
| CRC_A (ISO/IEC 14443-3, annex B) | `crc_low_first` | 6363 | nothing |
"""


def crc_high_first(data: bytes, start: int = 0xFFFF) -> int:
    """Return the CRC with polynomial 0x1021, not reflected; continues from `start`."""
    crc = start
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def crc_low_first(data: bytes, start: int = 0xFFFF) -> int:
    """Return the CRC with polynomial 0x8408, reflected; continues from `start`."""
    crc = start
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8408 if crc & 1 else crc >> 1
    return crc
