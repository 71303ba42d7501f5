"""The MFRC522 reader chip on SPI: its registers, its health, one frame out and one back.

Laws:
- Nobody spins. After a frame is started the driver sleeps a millisecond at a time and looks once;
  the chip's own timer says when waiting is over. With the IRQ pin wired it looks at the pin.
- Every wait has an end in milliseconds and in looks, even when the clock stands still.
- A chip that lost its settings (a brown-out, a pulled plug) is noticed by the very exchange it
  happened in: TxControlReg and TModeReg are read with every answer.
- One thread owns a chip. A second program on the same bus corrupts its FIFO.

The bus has `transfer(data)`, which returns as many bytes as it was given while chip select stays
low. On a Pi that is `hardware/spi.py`, on a microcontroller the shell's `machine.SPI`.

Register numbers, bits and reset values: NXP MFRC522 data sheet, rev. 3.9, chapter 9; SPI bytes
chapter 8.1.2; timer chapter 8.5; commands chapter 10.3.

    ChipFault           the chip, whatever lies on it
    ├── ChipAbsent      nothing answers on the bus
    ├── ChipReset       its registers are back at reset values
    └── ChipGarbled     it answers, but what it says makes no sense
"""

from hardware.chips.iso14443a import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    class Bus(Protocol):
        """A full-duplex bus with its chip select."""

        def transfer(self, data: bytes) -> bytes:
            """Send these bytes and return those that came meanwhile, as many."""


COMMAND, COM_IEN, DIV_IEN, COM_IRQ, ERROR = 0x01, 0x02, 0x03, 0x04, 0x06
STATUS_2, FIFO_DATA, FIFO_LEVEL, CONTROL = 0x08, 0x09, 0x0A, 0x0C
BIT_FRAMING, COLL, MODE, TX_CONTROL, TX_ASK = 0x0D, 0x0E, 0x11, 0x14, 0x15
RF_CFG, T_MODE, T_PRESCALER, T_RELOAD_H, T_RELOAD_L = 0x26, 0x2A, 0x2B, 0x2C, 0x2D
VERSION = 0x37

IDLE, TRANSCEIVE, AUTHENTICATE, SOFT_RESET = 0x00, 0x0C, 0x0E, 0x0F

RX_IRQ, IDLE_IRQ, TIMER_IRQ, ALL_IRQ = 0x20, 0x10, 0x01, 0x7F
FLUSH = 0x80
START_SEND = 0x80
POWER_DOWN = 0x10
CRYPTO_ON = 0x08
COLL_ERR = 0x08
ANY_ERR = 0x1B
"""BufferOvfl, CollErr, ParityErr, ProtocolErr. CRCErr never shows, as the CRC is ours."""
COLL_POS_NOT_VALID = 0x20

FIFO_BYTES = 64

T_MODE_AUTO = 0x81
"""TAuto: the timer starts when a frame was sent and stops at the fifth bit of the answer. With the
prescaler below: 13.56 MHz / (2 x 338 + 1), so 49.9 us a tick, and one byte reaches 12.7 ms."""
T_PRESCALER_LOW = 0x52
TICK_US = 50
WAIT_US_MAX = 255 * TICK_US

TX_CONTROL_OFF, TX_CONTROL_ON, TX_RF_ON = 0x80, 0x83, 0x03
TX_ASK_FULL = 0x40
"""100 % ASK, the modulation of type A at 106 kBd."""
MODE_TYPE_A, MODE_USED = 0x3D, 0xA3
GAIN_DEFAULT = 4
"""RxGain 100: 33 dB, the chip's own value after reset (data sheet, 9.3.3.6)."""
GAIN_MAX = 7
COM_IEN_PIN = 0x80 | RX_IRQ | IDLE_IRQ | TIMER_IRQ
"""The pin is low while one of these waits; IRqInv keeps the level it has after reset."""
DIV_IEN_PIN = 0x80

FIELD_MS = 6
"""The field is off, and then on, for 5 ms at least (ISO/IEC 14443-3, 5); one more, because a
sleep of n ms may begin in the middle of one."""
START_MS_MAX = 20
"""The data sheet gives 37.74 us and the crystal's start-up; drivers in the field allow 50 ms."""
SPARE_MS = 12
"""Beyond the wait for an answer: the longest frame both ways, 2 x 64 bytes x 85 us."""
PIN_DEAF_MAX = 3

VERSIONS = {
    0x90: "MFRC522 version 0.0",
    0x91: "MFRC522 version 1.0",
    0x92: "MFRC522 version 2.0",
    0x88: "a clone (FM17522)",
    0x89: "a clone (FM17522E)",
    0xB2: "a clone (FM17522, 0xb2)",
    0x12: "a counterfeit (0x12)",
}
"""VersionReg: data sheet, 9.3.4.8; the clones as public drivers of other projects name them."""

_ANSWER = (COM_IRQ, ERROR, FIFO_LEVEL, CONTROL, COLL, STATUS_2, TX_CONTROL, T_MODE)
_CHECK = (VERSION, T_MODE, TX_ASK, MODE)


class ChipFault(Exception):
    """The chip failed, whatever lies on it."""


class ChipAbsent(ChipFault):
    """Nothing answers on the bus: unplugged, without power, or held in reset."""


class ChipReset(ChipFault):
    """Its registers are back at reset values; `start()` brings it back."""


class ChipGarbled(ChipFault):
    """It answers, but what it says makes no sense."""


class Rc522:
    """One MFRC522; `version` is VersionReg as read at the last start, None before."""

    def __init__(
        self,
        bus: "Bus",
        now_ms: "Callable[[], int]",
        sleep_ms: "Callable[[int], None]",
        *,
        irq: "Callable[[], bool] | None" = None,
        reset: "Callable[[bool], None] | None" = None,
        gain: int = GAIN_DEFAULT,
    ) -> None:
        """Touch nothing yet; `start()` does.

        `irq()`: whether the chip pulls its IRQ pin low now; only where the pin is wired.
        `reset(level)`: drive NRSTPD; only where it is wired, else it must be tied high. `gain`: 0
        to 7 for 18, 23, 18, 23, 33, 38, 43 and 48 dB; more hears weaker tags, and more noise.
        """
        if not 0 <= gain <= GAIN_MAX:
            raise ValueError(f"receiver gain {gain}: must be 0 to {GAIN_MAX}")
        self.now_ms = now_ms
        self.version: int | None = None
        self.pin_is_deaf = False
        self._bus = bus
        self._sleep_ms = sleep_ms
        self._irq = irq
        self._reset = reset
        self._pin_missed = 0
        self._wait_ticks = 0
        # Register, value, and the bits that are not reserved: those must read back.
        self._settings = [
            (T_MODE, T_MODE_AUTO, 0xFF),
            (T_PRESCALER, T_PRESCALER_LOW, 0xFF),
            (T_RELOAD_H, 0, 0xFF),
            (TX_ASK, TX_ASK_FULL, TX_ASK_FULL),
            (MODE, MODE_TYPE_A, MODE_USED),
            (RF_CFG, gain << 4 | 0x08, 0x70),
            (COLL, 0, 0x80),  # ValuesAfterColl off: the data sheet wants that for anticollision
        ]
        if irq is not None:
            self._settings += [(COM_IEN, COM_IEN_PIN, 0xFF), (DIV_IEN, DIV_IEN_PIN, 0x94)]

    def start(self) -> None:
        """Reset the chip, set it up and switch the field on.

        Raises `ChipAbsent` within 20 ms when nothing answers, `ChipGarbled` when it is no such
        chip or does not keep what is written to it.
        """
        self.version = None
        if self._reset is not None:
            self._reset(False)
            self._sleep_ms(1)
            self._reset(True)
            self._sleep_ms(2)
        self._present(self.read((VERSION,))[0])
        self.write(COMMAND, SOFT_RESET)
        self._until_awake()
        for register, value, _ in self._settings:
            self.write(register, value)
        self._wait_ticks = 0
        registers = [VERSION]
        registers += [register for register, _, _ in self._settings]
        kept = self.read(registers)
        self._present(kept[0])
        for at, (register, value, used) in enumerate(self._settings, 1):
            if (kept[at] ^ value) & used:
                raise ChipGarbled(
                    f"register {register:#04x} does not keep what is written; check MOSI, and "
                    "that nothing else uses this chip select"
                )
        self.version = kept[0]
        self.write(TX_CONTROL, TX_CONTROL_ON)
        self._sleep_ms(FIELD_MS)

    def check(self) -> None:
        """Look at the chip in one transfer; raise `ChipAbsent` or `ChipReset`, or return."""
        version, t_mode, tx_ask, mode = self.read(_CHECK)
        self._present(version)
        kept = t_mode == T_MODE_AUTO and tx_ask & TX_ASK_FULL
        if not kept or (mode ^ MODE_TYPE_A) & MODE_USED:
            raise ChipReset("its settings are gone, as after a loss of power")
        if version != self.version:
            raise ChipReset(f"VersionReg is {version:#04x} now")

    def renew_field(self) -> None:
        """Switch the field off and on, long enough for every tag to start anew; takes 12 ms."""
        self.write(TX_CONTROL, TX_CONTROL_OFF)
        self._sleep_ms(FIELD_MS)
        self.write(TX_CONTROL, TX_CONTROL_ON)
        self._sleep_ms(FIELD_MS)

    def stop(self) -> None:
        """Switch the field off; `start()` begins again."""
        self.write(COMMAND, IDLE)
        self.write(TX_CONTROL, TX_CONTROL_OFF)
        self.version = None

    def exchange(
        self, frame: bytes, last_bits: int = 0, align: int = 0, wait_us: int = WAIT_US_MAX
    ) -> "Reply | None":
        """Send a frame and return what came back, None when nothing did.

        `last_bits`: how many bits of the last byte to send, 0 for all. `align`: where the first
        bit received goes in the first byte. `wait_us`: from the end of the frame to the first
        bits of the answer, at most 12,750. Raises `ChipFault`, and `ValueError` for a frame that
        the FIFO has no room for.
        """
        if not 1 <= len(frame) <= FIFO_BYTES:
            raise ValueError(f"{len(frame)} bytes: a frame has 1 to {FIFO_BYTES}")
        self._prepare(frame, wait_us, align << 4 | last_bits)
        self.write(COMMAND, TRANSCEIVE)
        self.write(BIT_FRAMING, START_SEND | align << 4 | last_bits)
        irq, error, level, control, coll, *_ = self._answer(RX_IRQ, wait_us)
        if not irq & RX_IRQ:
            return None
        level = min(level & 0x7F, FIFO_BYTES)
        data = self.read((FIFO_DATA,) * level) if level else b""
        collision = None
        if error & COLL_ERR:
            collision = 0 if coll & COLL_POS_NOT_VALID else (coll & 0x1F or 32)
        return Reply(data, control & 0x07, not error & ANY_ERR, collision)

    def authenticate(self, command: int, block: int, key: bytes, uid: bytes) -> bool:
        """Open a sector of a MIFARE Classic; return whether the cipher is on.

        `command`: 0x60 for key A, 0x61 for key B. `uid`: the four bytes of the last cascade level
        (data sheet, 10.3.1.9). After False the tag has to be selected anew.
        """
        wait_us = WAIT_US_MAX
        self._prepare(bytes((command, block)) + key + uid, wait_us, 0)
        self.write(COMMAND, AUTHENTICATE)
        answer = self._answer(IDLE_IRQ, wait_us)
        return bool(answer[0] & IDLE_IRQ and answer[5] & CRYPTO_ON)

    def stop_crypto(self) -> None:
        """Switch the cipher off: a tag that is spoken to in cipher by mistake stays mute."""
        self.write(COMMAND, IDLE)
        self.write(STATUS_2, 0)

    def read(self, registers: "Sequence[int]") -> bytes:
        """Return one byte of each register, in one transfer; a register may be named twice."""
        asked = bytes([0x80 | register << 1 for register in registers]) + b"\x00"
        return self._transfer(asked)[1:]

    def write(self, register: int, *values: int) -> None:
        """Write bytes to one register, in one transfer; several make sense for the FIFO only."""
        self._transfer(bytes((register << 1,)) + bytes(values))

    def _transfer(self, data: bytes) -> bytes:
        answer = self._bus.transfer(data)
        if len(answer) != len(data):
            raise ChipGarbled(f"{len(answer)} bytes from the bus where {len(data)} were sent")
        return answer

    def _present(self, version: int) -> None:
        if version in (0x00, 0xFF):
            raise ChipAbsent(f"VersionReg reads {version:#04x}")

    def _until_awake(self) -> None:
        for _ in range(START_MS_MAX):
            self._sleep_ms(1)
            if not self.read((COMMAND,))[0] & POWER_DOWN:
                return
        raise ChipAbsent("it does not wake up after a reset")

    def _prepare(self, frame: bytes, wait_us: int, framing: int) -> None:
        ticks = min(max(1, -(-wait_us // TICK_US)), 255)
        if ticks != self._wait_ticks:
            self.write(T_RELOAD_L, ticks)
            self._wait_ticks = ticks
        self.write(COMMAND, IDLE)
        self.write(BIT_FRAMING, framing)  # also takes StartSend back, or the next frame starts
        self.write(COM_IRQ, ALL_IRQ)
        self.write(FIFO_LEVEL, FLUSH)
        self.write(FIFO_DATA, *frame)

    def _answer(self, done: int, wait_us: int) -> bytes:
        """Wait for one of these interrupts or the timer, and return the registers of `_ANSWER`.

        Raises `ChipFault` when neither comes, or when the chip is not what it was any more.
        """
        looks = wait_us // 1000 + SPARE_MS
        end_ms = self.now_ms() + looks
        for _ in range(looks):
            self._sleep_ms(1)
            late = self.now_ms() >= end_ms
            if self._irq is not None and not self.pin_is_deaf and not self._irq() and not late:
                continue
            answer = self.read(_ANSWER)
            if answer[6] & TX_RF_ON != TX_RF_ON or answer[7] != T_MODE_AUTO:
                break
            if answer[0] & (done | TIMER_IRQ):
                self._judge_pin(late)
                return answer
            if late:
                break
        self.check()
        raise ChipReset("it neither answered nor gave up")

    def _judge_pin(self, late: bool) -> None:
        """Stop believing a pin that stays silent while the chip has something to say."""
        if self._irq is None or self.pin_is_deaf:
            return
        self._pin_missed = self._pin_missed + 1 if late else 0
        self.pin_is_deaf = self._pin_missed >= PIN_DEAF_MAX
