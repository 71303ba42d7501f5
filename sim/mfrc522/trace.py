"""The bus and the air in words, for people: `write CommandReg Transceive`, `REQA`."""

from collections.abc import Iterable, Iterator

from sim.mfrc522 import registers as reg
from sim.mfrc522.chip import Transfer
from sim.mfrc522.field import OnAir
from sim.mfrc522.frames import SHORT_FRAME_BITS, hear

_COM_IRQ = ("TimerIRq", "ErrIRq", "LoAlertIRq", "HiAlertIRq", "IdleIRq", "RxIRq", "TxIRq")

_BITS: dict[int, tuple[str, ...]] = {
    reg.COM_IRQ: (*_COM_IRQ, "Set1"),
    reg.COM_IEN: (*(name.replace("IRq", "IEn") for name in _COM_IRQ), "IRqInv"),
    reg.DIV_IRQ: ("", "", "CRCIRq", "", "MfinActIRq", "", "", "Set2"),
    reg.DIV_IEN: ("", "", "CRCIEn", "", "MfinActIEn", "", "", "IRQPushPull"),
    reg.ERROR: (
        *("ProtocolErr", "ParityErr", "CRCErr", "CollErr"),
        *("BufferOvfl", "", "TempErr", "WrErr"),
    ),
    reg.STATUS1: ("LoAlert", "HiAlert", "", "TRunning", "IRq", "CRCReady", "CRCOk", ""),
    reg.FIFO_LEVEL: ("", "", "", "", "", "", "", "FlushBuffer"),
    reg.CONTROL: ("", "", "", "", "", "", "TStartNow", "TStopNow"),
    reg.BIT_FRAMING: ("", "", "", "", "", "", "", "StartSend"),
    reg.COLL: ("", "", "", "", "", "CollPosNotValid", "", "ValuesAfterColl"),
    reg.TX_MODE: ("", "", "", "InvMod", "", "", "", "TxCRCEn"),
    reg.RX_MODE: ("", "", "RxMultiple", "RxNoErr", "", "", "", "RxCRCEn"),
    reg.TX_CONTROL: ("Tx1RFEn", "Tx2RFEn", "", "Tx2CW", "", "", "", ""),
    reg.STATUS2: ("", "", "", "MFCrypto1On", "", "", "I2CForceHS", "TempSensClear"),
}
"""The bits that have a name worth saying, lowest first (data sheet, chapter 9)."""

_SHORT = {0x26: "REQA", 0x52: "WUPA"}
_SELECT = {0x93: "CL1", 0x95: "CL2", 0x97: "CL3"}
_TAG_COMMANDS = {
    (0x50, 2): "HLTA",
    (0x30, 2): "READ",
    (0x3A, 3): "FAST_READ",
    (0xA2, 6): "WRITE",
    (0xA0, 2): "WRITE 16",
    (0x60, 1): "GET_VERSION",
    (0x60, 2): "AUTH A",
    (0x61, 2): "AUTH B",
    (0x39, 2): "READ_CNT",
    (0x3C, 2): "READ_SIG",
    (0x1B, 5): "PWD_AUTH",
    (0xE0, 2): "RATS",
    (0xB0, 2): "TRANSFER",
    (0xC0, 2): "DECREMENT",
    (0xC1, 2): "INCREMENT",
    (0xC2, 2): "RESTORE",
}


def describe(transfer: Transfer) -> str:
    """Return one chip-select in words; a burst of several registers is joined by commas."""
    sent, got = transfer.sent, transfer.got
    if len(sent) < 2:
        return f"nothing: {sent.hex()}"
    if not sent[0] & 0x80:
        return f"write {_register(sent[0], sent[1:])}"
    return "read " + ", ".join(_runs(sent[:-1], got[1:]))


def describe_air(entry: OnAir) -> str:
    """Return one frame on the air in words: who, what, how many bits collided."""
    who = "reader" if not entry.uids else "+".join(entry.uids)
    if entry.frame.encrypted:
        return f"{who}: {entry.frame.length} encrypted bits"
    collided = entry.collisions.bit_count()
    said = _frame(entry) + (f", {collided} bits collided" if collided else "")
    return f"{who}: {said}"


def _runs(addresses: bytes, values: bytes) -> Iterator[str]:
    """Yield each register read, a burst of one register as one."""
    at = 0
    while at < len(addresses):
        end = at
        while end < len(addresses) and addresses[end] == addresses[at]:
            end += 1
        yield _register(addresses[at], values[at:end])
        at = end


def _register(address: int, values: Iterable[int]) -> str:
    number = address >> 1 & 0x3F
    name = reg.REGISTERS[number].name
    shown = [f"{value:02x}" for value in values]
    if len(shown) != 1:
        return " ".join((name, *shown))
    value = int(shown[0], 16)
    if number == reg.COMMAND:
        return f"{name} {_command(value)}"
    names = _BITS.get(number, ())
    set_bits = [bit for at, bit in enumerate(names) if bit and value >> at & 1]
    return " ".join((name, shown[0], *set_bits))


def _command(value: int) -> str:
    words = [reg.COMMANDS.get(value & 0x0F, f"unknown {value & 0x0F:x}")]
    words += ["RcvOff"] if value & reg.RCV_OFF else []
    words += ["PowerDown"] if value & reg.POWER_DOWN else []
    return " ".join(words)


def _frame(entry: OnAir) -> str:
    frame = entry.frame
    if not entry.uids and frame.length == SHORT_FRAME_BITS:
        return _SHORT.get(frame.word, f"short {frame.word:02x}")
    heard = hear(frame)
    rest = f" and {heard.bits} bits {heard.rest:0{heard.bits}b}" if heard.bits else ""
    if entry.uids:
        if not heard.data:
            return {0xA: "ACK"}.get(frame.word, f"NAK {frame.word:x}")
        return heard.data.hex(" ") + rest
    return _said(heard.data) + rest


def _said(data: bytes) -> str:
    """Return a command to tags in words, its CRC left away when it is right."""
    if data and data[0] in _SELECT:
        if len(data) > 2 and data[1] == 0x70:
            return f"SELECT {_SELECT[data[0]]} {data[2:-2].hex()}"
        return f"ANTICOLLISION {_SELECT[data[0]]} {data[1:].hex(' ')}"
    name = _TAG_COMMANDS.get((data[0], len(data) - 2)) if len(data) > 2 else None
    return f"{name} {data[1:-2].hex(' ')}".rstrip() if name else data.hex(" ")
