"""The 64 registers: names, values after reset, and which bits a host can write and read.

Source: NXP MFRC522 product data sheet, rev. 3.9, chapter 9 (tables 20 to 149). Reserved bits
read as after reset and keep that value.
"""

from dataclasses import dataclass

COMMAND, COM_IEN, DIV_IEN, COM_IRQ, DIV_IRQ = 0x01, 0x02, 0x03, 0x04, 0x05
ERROR, STATUS1, STATUS2, FIFO_DATA, FIFO_LEVEL = 0x06, 0x07, 0x08, 0x09, 0x0A
WATER_LEVEL, CONTROL, BIT_FRAMING, COLL = 0x0B, 0x0C, 0x0D, 0x0E
MODE, TX_MODE, RX_MODE, TX_CONTROL, TX_ASK = 0x11, 0x12, 0x13, 0x14, 0x15
DEMOD, MF_RX = 0x19, 0x1D
CRC_RESULT_H, CRC_RESULT_L, RF_CFG = 0x21, 0x22, 0x26
T_MODE, T_PRESCALER, T_RELOAD_H, T_RELOAD_L = 0x2A, 0x2B, 0x2C, 0x2D
T_COUNTER_H, T_COUNTER_L = 0x2E, 0x2F
AUTO_TEST, VERSION = 0x36, 0x37


@dataclass(frozen=True, slots=True)
class Register:
    """One register: `writable` and `readable` are masks; a write-only bit reads as 0."""

    name: str
    reset: int = 0x00
    writable: int = 0x00
    readable: int = 0xFF


REGISTERS = (
    Register("Reserved00"),
    Register("CommandReg", 0x20, 0x3F),
    Register("ComIEnReg", 0x80, 0xFF),
    Register("DivIEnReg", 0x00, 0x94),
    Register("ComIrqReg", 0x14, 0xFF, 0x7F),
    Register("DivIrqReg", 0x00, 0x94, 0x7F),
    Register("ErrorReg"),
    Register("Status1Reg", 0x21),
    Register("Status2Reg", 0x00, 0xC8),
    Register("FIFODataReg", 0x00, 0xFF),
    Register("FIFOLevelReg", 0x00, 0x80, 0x7F),
    Register("WaterLevelReg", 0x08, 0x3F),
    Register("ControlReg", 0x10, 0xC0, 0x3F),
    Register("BitFramingReg", 0x00, 0xF7, 0x7F),
    Register("CollReg", 0xA0, 0x80),
    Register("Reserved0F"),
    Register("Reserved10"),
    Register("ModeReg", 0x3F, 0xAB),
    Register("TxModeReg", 0x00, 0xF8),
    Register("RxModeReg", 0x00, 0xFC),
    Register("TxControlReg", 0x80, 0xFB),
    Register("TxASKReg", 0x00, 0x40),
    Register("TxSelReg", 0x10, 0x3F),
    Register("RxSelReg", 0x84, 0xFF),
    Register("RxThresholdReg", 0x84, 0xF7),
    Register("DemodReg", 0x4D, 0xFF),
    Register("Reserved1A"),
    Register("Reserved1B"),
    Register("MfTxReg", 0x62, 0x03),
    Register("MfRxReg", 0x00, 0x10),
    Register("Reserved1E"),
    Register("SerialSpeedReg", 0xEB, 0xFF),
    Register("Reserved20"),
    Register("CRCResultRegH", 0xFF),
    Register("CRCResultRegL", 0xFF),
    Register("Reserved23", 0x88),
    Register("ModWidthReg", 0x26, 0xFF),
    Register("Reserved25", 0x87),
    Register("RFCfgReg", 0x48, 0x70),
    Register("GsNReg", 0x88, 0xFF),
    Register("CWGsPReg", 0x20, 0x3F),
    Register("ModGsPReg", 0x20, 0x3F),
    Register("TModeReg", 0x00, 0xFF),
    Register("TPrescalerReg", 0x00, 0xFF),
    Register("TReloadRegH", 0x00, 0xFF),
    Register("TReloadRegL", 0x00, 0xFF),
    Register("TCounterValRegH"),
    Register("TCounterValRegL"),
    Register("Reserved30"),
    Register("TestSel1Reg", 0x00, 0x07),
    Register("TestSel2Reg", 0x00, 0xFF),
    Register("TestPinEnReg", 0x80, 0xFE),
    Register("TestPinValueReg", 0x00, 0xFE),
    Register("TestBusReg"),
    Register("AutoTestReg", 0x40, 0x4F),
    Register("VersionReg", 0x92),
    Register("AnalogTestReg", 0x00, 0xFF),
    Register("TestDAC1Reg", 0x00, 0x3F),
    Register("TestDAC2Reg", 0x00, 0x3F),
    Register("TestADCReg", 0x88),
    Register("Reserved3C", 0xFF),
    Register("Reserved3D"),
    Register("Reserved3E", 0x03),
    Register("Reserved3F"),
)

IDLE, MEM, GENERATE_RANDOM_ID, CALC_CRC, TRANSMIT = 0x0, 0x1, 0x2, 0x3, 0x4
NO_CMD_CHANGE, RECEIVE, TRANSCEIVE, MF_AUTHENT, SOFT_RESET = 0x7, 0x8, 0xC, 0xE, 0xF

COMMANDS = {
    IDLE: "Idle",
    MEM: "Mem",
    GENERATE_RANDOM_ID: "GenerateRandomID",
    CALC_CRC: "CalcCRC",
    TRANSMIT: "Transmit",
    NO_CMD_CHANGE: "NoCmdChange",
    RECEIVE: "Receive",
    TRANSCEIVE: "Transceive",
    MF_AUTHENT: "MFAuthent",
    SOFT_RESET: "SoftReset",
}
"""Data sheet 10.3, table 149; any other code is refused by going idle."""

# ComIrqReg and, by the same bits, ComIEnReg (tables 24 and 28).
TX_IRQ, RX_IRQ, IDLE_IRQ, HI_ALERT_IRQ, LO_ALERT_IRQ = 0x40, 0x20, 0x10, 0x08, 0x04
ERR_IRQ, TIMER_IRQ = 0x02, 0x01
CRC_IRQ = 0x04
"""In DivIrqReg and DivIEnReg (tables 26 and 30)."""

# ErrorReg (table 32).
WR_ERR, TEMP_ERR, BUFFER_OVFL, COLL_ERR = 0x80, 0x40, 0x10, 0x08
CRC_ERR, PARITY_ERR, PROTOCOL_ERR = 0x04, 0x02, 0x01

CRYPTO1_ON = 0x08
"""In Status2Reg: set by MFAuthent, cleared by the host (table 36)."""

POWER_DOWN, RCV_OFF = 0x10, 0x20
"""In CommandReg (table 22)."""
