"""NTAG213, NTAG215 and NTAG216 once they are active.

Source: NXP NTAG213/215/216 product data sheet, rev. 3.2: memory 8.5, commands chapter 10, states
8.4, NAK codes table 24. User memory is the tag's own; header, lock, configuration and password
pages are in `SimTag.system`.
"""

from sim.mfrc522.card import READ_NS, Card, Programming, Reply
from sim.mfrc522.frames import Heard
from sim.tags import SimTag

PAGE = 4
FIRST_USER_PAGE = 4

READ, FAST_READ, WRITE, COMPAT_WRITE = 0x30, 0x3A, 0xA2, 0xA0
GET_VERSION, READ_CNT, READ_SIG, PWD_AUTH = 0x60, 0x39, 0x3C, 0x1B

NAK_ARGUMENT, NAK_CRC, NAK_AUTH_LIMIT, NAK_EEPROM = 0x0, 0x1, 0x4, 0x5

WRITE_NS = 4_100_000
"""Programming one page: the data sheet gives 10 ms as the limit; EEPROM of this kind takes 4."""

COUNTER, FAILURES = -1, -2
"""The NFC counter and the count of wrong passwords lie outside the pages; these are their keys in
`SimTag.system`. Both outlive a loss of power (8.7, 8.8.3)."""

SIGNATURE_BYTES = 32

_STATIC_FREEZES = {0: 0x0008, 1: 0x03F0, 2: 0xFC00}
_DYNAMIC_FREEZES = {16 + bit: 0b11 << 2 * bit for bit in range(8)}
"""Block-locking bit: the lock bits that it keeps as they are (figures 9 to 12)."""


class NtagCard(Card):
    """An NTAG; its size follows from its user memory."""

    atqa_high = 0x00
    sak = 0x00

    def __init__(self, tag: SimTag) -> None:
        super().__init__(tag)
        self._user_pages = len(tag.memory) // PAGE
        self._dynamic_locks = FIRST_USER_PAGE + self._user_pages
        self._config = self._dynamic_locks + 1
        self._last_page = self._dynamic_locks + 4
        self._authenticated = False
        self._compat_page: int | None = None
        self._counted = False
        self._make_system_pages()

    def reset_session(self) -> None:
        """See `Card.reset_session`."""
        super().reset_session()
        self._authenticated = False
        self._compat_page = None

    def lose_power(self) -> None:
        """See `Card.lose_power`."""
        super().lose_power()
        self._counted = False

    def execute(self, heard: Heard) -> Reply | None:
        """See `Card.execute`."""
        command, arguments = heard.data[0], heard.data[1:-2]
        if self._compat_page is not None:
            return self._compat_data(heard.data[:-2])
        known = {
            (READ, 1): self._read,
            (FAST_READ, 2): self._fast_read,
            (WRITE, 5): self._write,
            (COMPAT_WRITE, 1): self._compat_write,
            (GET_VERSION, 0): self._version,
            (READ_CNT, 1): self._read_counter,
            (READ_SIG, 1): self._signature,
            (PWD_AUTH, 4): self._password,
        }
        answer = known.get((command, len(arguments)))
        return answer(arguments) if answer is not None else self.nak(NAK_ARGUMENT)

    def broken(self, heard: Heard) -> Reply | None:
        """See `Card.broken`."""
        return self.nak(NAK_CRC)

    def page(self, number: int) -> bytes:
        """Return the four bytes of a page as they are in the memory."""
        at = (number - FIRST_USER_PAGE) * PAGE
        if 0 <= at < len(self.tag.memory):
            return bytes(self.tag.memory[at : at + PAGE])
        return self.tag.system[number]

    def program(self, programming: Programming, count: int) -> None:
        """See `Card.program`; locks and the capability container only gain bits."""
        number, data = programming.block, programming.data
        before = self.page(number)
        if number == 2:
            data = before[:2] + _locked_more(before[2:], data[2:], _STATIC_FREEZES)
        elif number == 3:
            data = bytes(a | b for a, b in zip(before, data, strict=True))
        elif number == self._dynamic_locks:
            data = _locked_more(before[:3], data[:3], _DYNAMIC_FREEZES) + before[3:]
        after = data[:count] + before[count:]
        at = (number - FIRST_USER_PAGE) * PAGE
        if 0 <= at < len(self.tag.memory):
            self.tag.memory[at : at + PAGE] = after
        else:
            self.tag.system[number] = after

    def is_locked(self, number: int) -> bool:
        """Return whether lock bits, or a hand with `locked_blocks`, keep this page as it is."""
        static = int.from_bytes(self.page(2)[2:], "little")
        if number in (3, *range(4, 16)) and static >> number & 1:
            return True
        if number - FIRST_USER_PAGE in self.tag.locked_blocks:
            return True
        if not 16 <= number < self._dynamic_locks:
            return False
        # One dynamic lock bit holds 2 pages of an NTAG213, 16 of the bigger ones (8.5.3).
        pages_a_bit = 2 if self._dynamic_locks <= 40 else 16
        dynamic = int.from_bytes(self.page(self._dynamic_locks)[:2], "little")
        return bool(dynamic >> (number - 16) // pages_a_bit & 1)

    def _make_system_pages(self) -> None:
        uid = (self.uid + bytes(7))[:7]
        size_code = {36: 0x12, 126: 0x3E, 222: 0x6D}.get(self._user_pages, self._user_pages // 2)
        pages = {
            0: uid[:3] + bytes((0x88 ^ uid[0] ^ uid[1] ^ uid[2],)),
            1: uid[3:],
            2: bytes((uid[3] ^ uid[4] ^ uid[5] ^ uid[6], 0x48, 0x00, 0x00)),
            3: bytes((0xE1, 0x10, size_code, 0x00)),
            self._dynamic_locks: bytes((0x00, 0x00, 0x00, 0xBD)),
            self._config: bytes((0x04, 0x00, 0x00, 0xFF)),
            self._config + 1: bytes((0x00, 0x05, 0x00, 0x00)),
            self._config + 2: b"\xff\xff\xff\xff",
            self._config + 3: bytes(PAGE),
            COUNTER: bytes(3),
            FAILURES: bytes(1),
        }
        for number, content in pages.items():
            self.tag.system.setdefault(number, content)

    def _protected_from(self, *, reading: bool) -> int:
        """Return the first page that needs the password now."""
        reads_too = bool(self.page(self._config + 1)[0] & 0x80)
        if self._authenticated or (reading and not reads_too):
            return self._last_page + 1
        return self.page(self._config)[3]

    def _shown(self, number: int) -> bytes:
        """Return a page as a reader sees it: password and PACK never leave the tag."""
        return bytes(PAGE) if number >= self._config + 2 else self.page(number)

    def _read(self, arguments: bytes) -> Reply:
        pages = min(self._last_page + 1, self._protected_from(reading=True))
        if arguments[0] >= pages:
            return self.nak(NAK_ARGUMENT)
        self._count()
        numbers = [(arguments[0] + step) % pages for step in range(4)]
        self.tag.history.append("read")
        return self.answer(b"".join(self._shown(number) for number in numbers), READ_NS)

    def _fast_read(self, arguments: bytes) -> Reply:
        first, last = arguments
        pages = min(self._last_page + 1, self._protected_from(reading=True))
        if first > last or last >= pages:
            return self.nak(NAK_ARGUMENT)
        self._count()
        self.tag.history.append("read")
        return self.answer(b"".join(self._shown(n) for n in range(first, last + 1)), READ_NS)

    def _may_write(self, number: int) -> bool:
        if not 2 <= number <= self._last_page or self.is_locked(number):
            return False
        if number >= self._protected_from(reading=False):
            return False
        locked_config = bool(self.page(self._config + 1)[0] & 0x40)
        return not (locked_config and self._config <= number <= self._config + 1)

    def _write(self, arguments: bytes) -> Reply:
        if not self._may_write(arguments[0]):
            return self.nak(NAK_ARGUMENT)
        return self.ack(WRITE_NS, Programming(arguments[0], arguments[1:]))

    def _compat_write(self, arguments: bytes) -> Reply:
        if not self._may_write(arguments[0]):
            return self.nak(NAK_ARGUMENT)
        self._compat_page = arguments[0]
        return self.ack()

    def _compat_data(self, data: bytes) -> Reply:
        page, self._compat_page = self._compat_page, None
        if page is None or len(data) != 16:
            return self.nak(NAK_ARGUMENT)
        return self.ack(WRITE_NS, Programming(page, data[:PAGE]))

    def _version(self, _arguments: bytes) -> Reply:
        size = {36: 0x0F, 126: 0x11, 222: 0x13}.get(self._user_pages, 0x0F)
        return self.answer(bytes((0x00, 0x04, 0x04, 0x02, 0x01, 0x00, size, 0x03)), READ_NS)

    def _count(self) -> None:
        if self.page(self._config + 1)[0] & 0x10 and not self._counted:
            self._counted = True
            count = min(int.from_bytes(self.tag.system[COUNTER], "little") + 1, 0xFFFFFF)
            self.tag.system[COUNTER] = count.to_bytes(3, "little")

    def _read_counter(self, arguments: bytes) -> Reply:
        access = self.page(self._config + 1)[0]
        hidden = bool(access & 0x08) and not self._authenticated
        if arguments[0] != 0x02 or not access & 0x10 or hidden:
            return self.nak(NAK_ARGUMENT)
        return self.answer(self.tag.system[COUNTER], READ_NS)

    def _signature(self, arguments: bytes) -> Reply:
        if arguments[0] != 0x00:
            return self.nak(NAK_ARGUMENT)
        # Only NXP can sign a uid; what is here has the right length and is no signature.
        return self.answer(bytes(SIGNATURE_BYTES), READ_NS)

    def _password(self, arguments: bytes) -> Reply:
        limit = self.page(self._config + 1)[0] & 0x07
        failures = self.tag.system[FAILURES][0]
        if limit and failures >= limit:
            return self.nak(NAK_AUTH_LIMIT)
        if arguments != self.page(self._config + 2):
            if limit:
                self.tag.system[FAILURES] = bytes((failures + 1,))
            return self.nak(NAK_ARGUMENT)
        self.tag.system[FAILURES] = bytes(1)
        self._authenticated = True
        return self.answer(self.page(self._config + 3)[:2], READ_NS)


def _locked_more(before: bytes, asked: bytes, freezes: dict[int, int]) -> bytes:
    """Return lock bytes after a write: bits are only gained, and not where they are frozen."""
    locks = int.from_bytes(before, "little")
    frozen = sum(mask for bit, mask in freezes.items() if locks >> bit & 1)
    gained = int.from_bytes(asked, "little") & ~frozen
    return (locks | gained).to_bytes(len(before), "little")
