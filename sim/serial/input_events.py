"""A simulated barcode scanner in keyboard mode: a stream of the kernel's input events.

The events come through a named pipe at a path like `/dev/input/by-id/…-event-kbd`, as `read(2)`
delivers them; pulling the plug removes the path and ends the stream. What an input device answers
to ioctl(2) is in `ioctl`, to be passed to the driver: `KeyboardScanner(..., kernel=sim.kernel)`.
Modelled: both sizes of struct input_event, SYN_REPORT and SYN_DROPPED, Caps Lock and its lamp,
keypads, the grab (alone, refused to a second program, ended with the plug). Not modelled: a
keyboard's own rate, and what types into the screen while nobody grabs.
"""

import contextlib
import errno
import os
import struct
from collections import deque
from pathlib import Path
from typing import Any

from hardware.ports import Clock
from hardware.scanners.keyboard import (
    EV_KEY,
    EV_LED,
    EV_SYN,
    EVIOCGKEY_96,
    EVIOCGLED_8,
    EVIOCGRAB,
    EVIOCSCLOCKID,
    LED_CAPSL,
    SYN_DROPPED,
    SYN_REPORT,
    Kernel,
)
from hardware.scanners.keys import KEY_CAPSLOCK, KEY_LEFTSHIFT, KEY_RIGHTALT, Layout
from sim.errors import WorldError
from sim.faults import GARBAGE, OFF, STUCK, Faulty

HISTORY_MAX = 1_000
KEY_MS = 2
"""Between two keys of a fast scanner."""

EV_MSC, MSC_SCAN = 4, 4
SUFFIX_KEYS = {"enter": 28, "kpenter": 96, "tab": 15, "none": 0}
KEYPAD_DIGITS = dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True))
NUMBER_PAD = frozenset((55, 74, 78, 83, 98, 117, 121, *KEYPAD_DIGITS.values()))
KEY_LEFTCTRL = 29
_EVENT_LAYOUTS = {24: "=qqHHi", 16: "=IIHHi"}


class SimKeyboard(Faulty):
    """A scanner that types labels as a keyboard of its `layout` would.

    `suffix` is enter, kpenter, tab or none; with `keypad` digits come from the number pad.
    `held_by_another` makes the grab fail. `history` has the labels, `grabs` the times the device
    was taken (True) and given back (False).

    Faults. off and stuck: nothing is typed. garbage: keys that are on no label, Ctrl among them.
    """

    faults_known = frozenset((OFF, STUCK, GARBAGE))

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        name: str = "scanner",
        layout: str = "us",
        suffix: str = "enter",
        keypad: bool = False,
    ) -> None:
        super().__init__(name)
        if suffix not in SUFFIX_KEYS:
            raise WorldError(f"suffix {suffix!r}: use one of {', '.join(SUFFIX_KEYS)}")
        self.path = path
        self.clock = clock
        self.suffix = suffix
        self.keypad = keypad
        self.event_bytes = 24
        self.caps_lock = False
        self.held_by_another = False
        self.held: set[int] = set()
        self.history: deque[str] = deque(maxlen=HISTORY_MAX)
        self.grabs: list[bool] = []
        self._layout = Layout(layout)
        self._pipe: int | None = None
        self._at_ms = 0
        self._stamp_offset_ms = 0
        self.plug_in()

    @property
    def kernel(self) -> Kernel:
        """What the driver is to reach this device by."""
        return Kernel(ioctl=self.ioctl, event_bytes=self.event_bytes)

    @property
    def is_grabbed(self) -> bool:
        """Whether a program holds the device alone."""
        return bool(self.grabs) and self.grabs[-1]

    def plug_in(self) -> None:
        """Put the plug in: the path appears."""
        if self._pipe is None:
            os.mkfifo(self.path)
            self._pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
            self.held.clear()

    def unplug(self) -> None:
        """Pull the plug: the path vanishes, and who reads it finds the end."""
        if self._pipe is not None:
            os.close(self._pipe)
            self.path.unlink()
            self._pipe = None
            if self.is_grabbed:
                self.grabs.append(False)

    def scan(self, label: str) -> None:
        """Hold a label under the scanner: its keys, then the suffix.

        Characters that no key of the layout prints are left out, as scanners do, but for control
        characters: these are typed with Ctrl, as scanners do too.
        """
        if self.fault in (OFF, STUCK):
            return
        self.history.append(label)
        if self.fault == GARBAGE:
            label = "".join(chr(1 + ord(character) % 26) for character in label)
        for character in label:
            self._type(character)
        if self.suffix != "none":
            self.press(SUFFIX_KEYS[self.suffix])

    def press(self, *keys: int) -> None:
        """Press these keys together and let go of them, last pressed first."""
        for key in keys:
            self.send(EV_KEY, key, 1)
        for key in reversed(keys):
            self.send(EV_KEY, key, 0)

    def hold(self, key: int, *, repeats: int) -> None:
        """Lean on a key: it repeats by itself, without a scan code."""
        self.send(EV_KEY, key, 1)
        for _ in range(repeats):
            self.send(EV_KEY, key, 2)
        self.send(EV_KEY, key, 0)

    def lamp(self, on: bool) -> None:
        """Let the system switch the Caps Lock lamp, and with it what letters mean."""
        self.caps_lock = on
        self._write(EV_LED, LED_CAPSL, int(on))
        self._write(EV_SYN, SYN_REPORT, 0)

    def overflow(self, *lost: int) -> None:
        """Lose key presses because nobody read in time; `lost` are held down afterwards."""
        self._write(EV_SYN, SYN_DROPPED, 0)
        self.held = set(lost)
        self._write(EV_KEY, 30, 1)  # the rest of a report that cannot be believed
        self._write(EV_SYN, SYN_REPORT, 0)

    def stamps_jump(self, by_ms: int) -> None:
        """Let the clock that events are stamped with jump, as a wall clock does."""
        self._stamp_offset_ms += by_ms

    def send(self, kind: int, code: int, value: int) -> None:
        """Send one event and the report that ends it, as hid-input does."""
        if kind == EV_KEY and value == 1:
            self._at_ms = max(self._at_ms, self.clock.now_ms()) + KEY_MS
            self.held.add(code)
            self._write(EV_MSC, MSC_SCAN, 0x70000 + code)
            if code == KEY_CAPSLOCK:
                self.caps_lock = not self.caps_lock
        elif kind == EV_KEY and value == 0:
            self.held.discard(code)
        self._write(kind, code, value)
        self._write(EV_SYN, SYN_REPORT, 0)

    def ioctl(self, device: int, request: int, argument: Any) -> int:
        """Answer as an input device does; raises `OSError` as it does."""
        if request == EVIOCGRAB:
            if argument and (self.held_by_another or self._pipe is None):
                raise OSError(errno.EBUSY if self._pipe is not None else errno.ENODEV, "grab")
            self.grabs.append(bool(argument))
        elif request == EVIOCGLED_8:
            argument[0] = int(self.caps_lock) << LED_CAPSL
        elif request == EVIOCGKEY_96:
            for key in self.held:
                argument[key // 8] |= 1 << key % 8
        elif request != EVIOCSCLOCKID:
            raise OSError(errno.EINVAL, "unknown request")
        return 0

    def _type(self, character: str) -> None:
        if self.keypad and character in KEYPAD_DIGITS:
            self.press(KEYPAD_DIGITS[character])
            return
        if ord(character) < 0x20:
            letter = chr(ord(character) | 0x60)
            keys = [key for key, text in self._layout.plain.items() if text == letter]
            self.press(KEY_LEFTCTRL, *keys[:1])
            return
        turned = self.caps_lock and character.isalpha() and character.isascii()
        wanted = character.swapcase() if turned else character
        presses = [
            (*modifiers, key)
            for modifiers, printed in (
                ((), self._layout.plain),
                ((KEY_LEFTSHIFT,), self._layout.shifted),
                ((KEY_RIGHTALT,), self._layout.alternate),
            )
            for key in sorted(printed)
            if printed[key] == wanted and key not in NUMBER_PAD
        ]
        if presses:
            self.press(*presses[0])

    def _write(self, kind: int, code: int, value: int) -> None:
        if self._pipe is None:
            return
        layout = _EVENT_LAYOUTS[self.event_bytes]
        seconds, ms = divmod(self._at_ms + self._stamp_offset_ms, 1_000)
        event = struct.pack(layout, seconds, ms * 1_000, kind, code, value)
        with contextlib.suppress(BlockingIOError):  # the kernel's buffer is full too
            os.write(self._pipe, event)
