"""The operating system's clock, behind the port every program takes its time from."""

import ctypes
import time

_CLOCK_UNSYNCHRONISED = 5
"""What adjtimex(2) returns (TIME_ERROR) while no time server has set the clock."""

_TIMEX_BYTES = 512
"""Room for struct timex; Linux's has 208 bytes, and with all modes zero it is only filled."""


class SystemClock:
    """Monotonic and wall time of the machine."""

    def now_ms(self) -> int:
        """Return milliseconds since the machine started; never goes back."""
        return time.monotonic_ns() // 1_000_000

    def wall_ms(self) -> int:
        """Return milliseconds since 1970 UTC, as the machine's clock says."""
        return time.time_ns() // 1_000_000

    def wall_is_sure(self) -> bool:
        """Return whether the kernel says that a time server disciplines the clock.

        A machine whose kernel cannot be asked is not sure: the gateway tells the time then.
        """
        try:
            answer = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
        except (OSError, AttributeError):
            return False
        return 0 <= answer < _CLOCK_UNSYNCHRONISED

    def sleep_ms(self, duration_ms: int) -> None:
        """Sleep that long."""
        time.sleep(duration_ms / 1000)
