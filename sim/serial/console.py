"""A simulated serial device that a person drives by words: for drivers that are not ours.

place e00401003123aa26 30000000001 in_stock      a tag, what it says, what it tells a gate
lift e00401003123aa26
pull e00401003123aa26 2                          leaves after two more writes
weaken 0.3                                       that share of questions has no answer
scan 30000000001
paper                                            tears off what was printed
unplug · plug
fail slow slow_ms=400 · mend
help · quit
"""

import inspect
from collections.abc import Callable, Mapping

from hardware.chips.tag_data import TagDataInvalid, new_content
from hardware.clock import SystemClock
from hardware.errors import HardwareError
from hardware.ports import Clock, Security
from sim.errors import SimError, WorldError
from sim.pi.paper import SimPaperPrinter
from sim.serial.device import SimSerialDevice
from sim.serial.pad import SimPad
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.serial.scanner import SimSerialScanner
from sim.tags import SimTag

KINDS: Mapping[str, Callable[..., SimSerialDevice]] = {
    "pad_3m": SimPad3M,
    "pad_feig": SimPadFeig,
    "printer": SimPaperPrinter,
    "scanner": SimSerialScanner,
}
OWNER = "DE-715"
"""Whose book it is when only its number is said; an example of ISO 15511."""


def new_device(kind: str, clock: Clock | None = None) -> SimSerialDevice:
    """Return a device of that kind, on the machine's clock unless another one is given."""
    return KINDS[kind](clock if clock is not None else SystemClock(), name=kind)


class Console:
    """Carries out a person's lines at one device."""

    def __init__(self, device: SimSerialDevice) -> None:
        self.device = device
        self.ended = False

    def obey(self, line: str) -> str:
        """Carry out one line and return what to show; a mistake is said, nothing else happens."""
        word, *rest = line.split() or [""]
        if word == "":
            return ""
        verb: Callable[..., str] | None = getattr(self, f"_{word}", None)
        if word not in _VERBS or verb is None:
            return f"{word}: unknown; use one of {', '.join(_VERBS)}"
        try:
            inspect.signature(verb).bind(*rest)
        except TypeError:
            return f"{word}: wrong number of words; see help"
        try:
            return verb(*rest)
        except (SimError, HardwareError, TagDataInvalid, ValueError) as mistake:
            return f"{word}: {mistake}"

    def _place(self, uid: str, number: str = "", security: str = "none") -> str:
        content = new_content(number, OWNER) if number else None
        tag = SimTag(uid, content=content, security=Security(security))
        self._pad().place(tag)
        return f"{uid} lies there"

    def _lift(self, uid: str) -> str:
        self._pad().lift(uid)
        return f"{uid} is gone"

    def _pull(self, uid: str, writes: str = "0") -> str:
        self._pad().pull(uid, after_writes=int(writes))
        return f"{uid} leaves after {writes} more writes"

    def _weaken(self, share: str) -> str:
        self._pad().weaken(float(share))
        return f"the field loses {share} of all questions"

    def _scan(self, *words: str) -> str:
        if not isinstance(self.device, SimSerialScanner):
            raise WorldError(f"{self.device.name} scans nothing")
        code = " ".join(words)
        self.device.scan(code)
        return f"scanned {code!r}"

    def _paper(self) -> str:
        if not isinstance(self.device, SimPaperPrinter):
            raise WorldError(f"{self.device.name} prints nothing")
        slips = ["\n".join(slip.texts) for slip in self.device.tear_off()]
        return "\n- - -\n".join(slips) or "no slip"

    def _unplug(self) -> str:
        self.device.unplug()
        return "unplugged"

    def _plug(self) -> str:
        self.device.plug_in()
        return "plugged in"

    def _fail(self, fault: str, *options: str) -> str:
        chosen: dict[str, int | float] = {}
        for option in options:
            name, _, value = option.partition("=")
            try:
                chosen[name] = float(value) if "." in value else int(value)
            except ValueError:
                raise WorldError(f"{option!r}: write slow_ms=400 or share=0.3") from None
        self.device.fail(fault, **chosen)
        return f"it is {fault} now"

    def _mend(self) -> str:
        self.device.mend()
        return "it works again"

    def _help(self) -> str:
        return (__doc__ or "").partition("\n\n")[2].rstrip()

    def _quit(self) -> str:
        self.ended = True
        return "bye"

    def _pad(self) -> SimPad:
        if not isinstance(self.device, SimPad):
            raise WorldError(f"{self.device.name} has no field for tags")
        return self.device


_VERBS = "place lift pull weaken scan paper unplug plug fail mend help quit".split()
