"""Labels for copies that have none: 14 digits with a check digit, as library scanners expect."""

import sqlalchemy as sa

from circulation.barcodes import luhn_digit
from gateway import schema
from gateway.errors import CatalogueInvalid
from gateway.store import Write

SERIAL_DIGITS = 8


class LabelMaker:
    """Makes the next free label: 3 (an item), the library's four digits, serial, check digit.

    The serial goes on from the largest label with this prefix in the catalogue, so that two
    imports never print one label twice.
    """

    def __init__(self, library_digits: str = "9000") -> None:
        if len(library_digits) != 4 or not library_digits.isdecimal():
            raise CatalogueInvalid(
                f"label prefix {library_digits!r}: give the four digits of your library, e.g. 0234"
            )
        self._prefix = f"3{library_digits}"
        self._last = -1

    def next(self, write: Write) -> str:
        """Return a label nobody has; raises `CatalogueInvalid` when the serials are used up."""
        if self._last < 0:
            self._last = self._largest(write)
        self._last += 1
        if self._last >= 10**SERIAL_DIGITS:
            raise CatalogueInvalid(f"labels {self._prefix}…: all are used; choose another prefix")
        digits = f"{self._prefix}{self._last:0{SERIAL_DIGITS}}"
        return digits + luhn_digit(digits)

    def _largest(self, write: Write) -> int:
        barcode = schema.ITEM.c.barcode
        query = sa.select(sa.func.max(barcode)).where(
            schema.ITEM.c.library_id == write.library_id,
            barcode.startswith(self._prefix),
            sa.func.length(barcode) == len(self._prefix) + SERIAL_DIGITS + 1,
        )
        largest = str(write.execute(query).scalar() or "")
        serial = largest[len(self._prefix) : -1]
        return int(serial) if serial.isdecimal() else 0
