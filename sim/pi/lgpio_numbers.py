"""The numbers and sentences of lgpio 0.2.2.0: flags, error numbers, and what it says of them.

Listed from the published module's own `error_text` and documentation; programs compare and print
these, so they are part of its interface.
"""

CONSTANTS = {
    "LGPIO_PY_VERSION": 0x00020200,
    "OFF": 0,
    "LOW": 0,
    "CLEAR": 0,
    "ON": 1,
    "HIGH": 1,
    "SET": 1,
    "TIMEOUT": 2,
    "GROUP_ALL": 0xFFFFFFFFFFFFFFFF,
    "SET_ACTIVE_LOW": 4,
    "SET_OPEN_DRAIN": 8,
    "SET_OPEN_SOURCE": 16,
    "SET_PULL_UP": 32,
    "SET_PULL_DOWN": 64,
    "SET_PULL_NONE": 128,
    "RISING_EDGE": 1,
    "FALLING_EDGE": 2,
    "BOTH_EDGES": 3,
    "TX_PWM": 0,
    "TX_WAVE": 1,
    "SPI_MODE_0": 0,
    "SPI_MODE_1": 1,
    "SPI_MODE_2": 2,
    "SPI_MODE_3": 3,
}

ERRORS = {
    0: ("OKAY", "No error"),
    -1: ("INIT_FAILED", "initialisation failed"),
    -4: ("NO_HANDLE", "no handle available"),
    -5: ("BAD_HANDLE", "unknown handle"),
    -7: ("NOT_PERMITTED", "GPIO operation not permitted"),
    -10: ("BAD_TX_TYPE", "bad tx type for GPIO and group"),
    -11: ("GPIO_IN_USE", "GPIO already in use"),
    -18: ("NO_MEMORY", "can not allocate temporary memory"),
    -26: ("I2C_OPEN_FAILED", "can not open I2C device"),
    -27: ("SERIAL_OPEN_FAILED", "can not open serial device"),
    -28: ("SPI_OPEN_FAILED", "can not open SPI device"),
    -31: ("BAD_SPI_CHANNEL", "bad SPI channel"),
    -33: ("BAD_SPI_FLAGS", "bad SPI open flags"),
    -35: ("BAD_SPI_SPEED", "bad SPI speed"),
    -43: ("BAD_SPI_COUNT", "bad SPI count"),
    -48: ("SPI_XFER_FAILED", "spi xfer/read/write failed"),
    -49: ("BAD_POINTER", "bad (NULL) pointer"),
    -72: ("BAD_EVENT_REQUEST", "bad event request"),
    -73: ("BAD_GPIO_NUMBER", "bad GPIO number"),
    -74: ("BAD_GROUP_SIZE", "bad group size"),
    -75: ("BAD_LINEINFO_IOCTL", "bad lineinfo IOCTL"),
    -76: ("BAD_READ", "bad GPIO read"),
    -77: ("BAD_WRITE", "bad GPIO write"),
    -78: ("CANNOT_OPEN_CHIP", "can not open gpiochip"),
    -79: ("GPIO_BUSY", "GPIO busy"),
    -80: ("GPIO_NOT_ALLOCATED", "GPIO not allocated"),
    -81: ("NOT_A_GPIOCHIP", "not a gpiochip"),
    -82: ("NOT_ENOUGH_MEMORY", "not enough memory"),
    -83: ("POLL_FAILED", "GPIO poll failed"),
    -84: ("TOO_MANY_GPIOS", "too many GPIO"),
    -85: ("UNEGPECTED_ERROR", "unexpected error"),
    -86: ("BAD_PWM_MICROS", "bad PWM micros"),
    -87: ("NOT_GROUP_LEADER", "GPIO not the group leader"),
    -88: ("SPI_IOCTL_FAILED", "SPI iOCTL failed"),
    -89: ("BAD_GPIOCHIP", "bad gpiochip"),
    -90: ("BAD_CHIPINFO_IOCTL", "bad chipinfo IOCTL"),
    -93: ("NO_PERMISSIONS", "no permission to perform action"),
    -96: ("TX_QUEUE_FULL", "TX queue full"),
    -98: ("BAD_DEBOUNCE_MICS", "bad debounce microseconds"),
    -99: ("BAD_WATCHDOG_MICS", "bad watchdog microseconds"),
    -100: ("BAD_SERVO_FREQ", "bad servo frequency"),
    -101: ("BAD_SERVO_WIDTH", "bad servo pulsewidth"),
    -102: ("BAD_PWM_FREQ", "bad PWM frequency"),
    -103: ("BAD_PWM_DUTY", "bad PWM dutycycle"),
    -104: ("GPIO_NOT_AN_OUTPUT", "GPIO not set as an output"),
    -105: ("INVALID_GROUP_ALERT", "can not set a group to alert"),
}

NUMBERS = {name: number for number, (name, _) in ERRORS.items()}


def error_text(number: int) -> str:
    """Return the sentence for an error number; of numbers we do not list, `unknown error`."""
    return ERRORS.get(number, ("", "unknown error"))[1]
