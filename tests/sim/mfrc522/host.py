"""A host that speaks to the chip register by register: the data sheet, and no driver."""

from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.mfrc522.frames import with_crc

COMMAND, COM_IEN, DIV_IEN, COM_IRQ, DIV_IRQ, ERROR, STATUS1, STATUS2 = range(1, 9)
FIFO, LEVEL, WATER, CONTROL, FRAMING, COLL = range(0x09, 0x0F)
RF_CFG = 0x26
MODE, TX_MODE, RX_MODE, TX_CONTROL, TX_ASK = range(0x11, 0x16)
T_MODE, T_PRESCALER, T_RELOAD_H, T_RELOAD_L, T_COUNTER_H, T_COUNTER_L = range(0x2A, 0x30)
AUTO_TEST, VERSION = 0x36, 0x37

IDLE, MEM, RANDOM, CRC, TRANSMIT, RECEIVE, TRANSCEIVE, AUTHENT, RESET = (
    *(0x00, 0x01, 0x02, 0x03, 0x04),
    *(0x08, 0x0C, 0x0E, 0x0F),
)

REQA, WUPA = b"\x26", b"\x52"
QUICK_POLLS, POLLS_MAX = 20, 200


class Host:
    """The other end of the bus; `chip` and `clock` are there for tests to reach into."""

    def __init__(self, chip=None, *, clock=None, **options):
        self.clock = clock if clock is not None else VirtualClock()
        self.chip = chip if chip is not None else SimMfrc522(self.clock, **options)
        self.field = self.chip.field

    def write(self, register, *values):
        self.chip.transfer(bytes((register << 1, *(value & 0xFF for value in values))))

    def read(self, register):
        return self.chip.transfer(bytes((register << 1 | 0x80, 0)))[1]

    def read_fifo(self):
        count = self.read(LEVEL)
        return self.chip.transfer(bytes((FIFO << 1 | 0x80,)) * count + b"\x00")[1:]

    def start_radio(self, *, reload=30):
        """Full modulation, a timeout of 0.5 ms times `reload`, the antenna on for long enough."""
        self.write(T_MODE, 0x8D)
        self.write(T_PRESCALER, 0x3E)
        self.write(T_RELOAD_H, reload >> 8)
        self.write(T_RELOAD_L, reload & 0xFF)
        self.write(TX_ASK, 0x40)
        self.write(TX_CONTROL, 0x83)
        self.clock.sleep_ms(5)
        self.write(CONTROL, 0x80)  # TAuto started the timer with the field
        return self

    def restart_field(self):
        self.write(TX_CONTROL, 0x80)
        self.clock.sleep_ms(6)
        self.write(TX_CONTROL, 0x83)
        self.clock.sleep_ms(5)

    def exchange(self, data, *, bits=0, align=0):
        """Return what came back, b"" for nothing; errors and positions are in the registers."""
        self.write(COMMAND, IDLE)
        self.write(COM_IRQ, 0x7F)
        self.write(LEVEL, 0x80)
        self.write(FIFO, *data)
        self.write(FRAMING, bits | align << 4)
        self.write(COMMAND, TRANSCEIVE)
        self.write(FRAMING, 0x80 | bits | align << 4)
        self.wait_for(COM_IRQ, 0x21)
        return self.read_fifo() if self.read(COM_IRQ) & 0x20 else b""

    def ask(self, *data):
        """Exchange whole bytes with their CRC; the CRC of the answer stays on it."""
        return self.exchange(with_crc(bytes(data)))

    def wait_for(self, register, bits):
        for poll in range(POLLS_MAX):
            if self.read(register) & bits:
                return
            if poll > QUICK_POLLS:
                self.clock.sleep_ms(1)
        raise AssertionError(f"register {register:#04x} never showed {bits:#04x}")

    def select(self, uid, wake=WUPA):
        """Wake, walk up the cascade levels of one known uid, return its last SAK."""
        self.exchange(wake, bits=7)
        sak, raw = b"", bytes.fromhex(uid)
        for sel in (0x93, 0x95, 0x97):
            level = raw[:4] if len(raw) == 4 else b"\x88" + raw[:3]
            raw = b"" if len(raw) == 4 else raw[3:]
            check = level[0] ^ level[1] ^ level[2] ^ level[3]
            sak = self.ask(sel, 0x70, *level, check)
            if not raw:
                break
        return sak[0] if sak else None

    def authenticate(self, command, block, key, uid_tail):
        """Return whether Crypto1On shows afterwards."""
        self.write(COMMAND, IDLE)
        self.write(COM_IRQ, 0x7F)
        self.write(LEVEL, 0x80)
        self.write(FIFO, command, block, *key, *uid_tail)
        self.write(COMMAND, AUTHENT)
        self.wait_for(COM_IRQ, 0x11)
        return bool(self.read(STATUS2) & 0x08)
