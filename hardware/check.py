"""`hardware-check`: one device after the other, what works and what to wire differently.

Laws:
- Every device is opened, looked at and let go of, whatever the one before did.
- Nothing waits for a person for ever, and every step can be skipped. Without a person only what
  can be seen alone is checked: no siren sounds, nothing is printed or written.
- A tag is written only when the person says so, and is set back.
- What is wrong is said in words that name the thing to change: a wire, an option, a group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from hardware.ports import Clock

WAIT_MS = 20_000
"""How long a person has for what they are asked to do."""
LOOK_MS = 50


class Kind(Enum):
    """What a device is for; the value is how it is called."""

    READER = "reader"
    SCANNER = "scanner"
    PRINTER = "printer"
    LAMP = "lamp"
    SOUND = "sound"
    BEAM = "beam"
    BUTTON = "button"


class Verdict(Enum):
    """How a device's check went."""

    WORKS = "works"
    LOOK = "works, but"
    SKIPPED = "not tried"
    WRONG = "does not work"


@dataclass(frozen=True, slots=True)
class Item:
    """One configured device. `driver` and `place` are for people: `pad_3m`, `GPIO 17`."""

    name: str
    kind: Kind
    device: Any
    driver: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out about one device; `said`: what to do, or what was seen."""

    item: Item
    verdict: Verdict
    said: str


class Person(Protocol):
    """Whoever stands at the devices."""

    def say(self, text: str) -> None:
        """Tell them a line."""

    def agrees(self, question: str) -> bool | None:
        """Return yes or no; None if they skip it, or nobody is there to ask."""

    def skips(self) -> bool:
        """Return, without waiting, whether they want to go on without this."""


def _two_owners_of_rpi() -> str | None:
    from hardware.header import two_owners_of_rpi

    return two_owners_of_rpi()


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a step needs: the person, the time, and whether anybody is there at all.

    `conflict` returns a sentence when the environment itself is wrong.
    """

    person: Person
    clock: Clock
    is_alone: bool = False
    wait_ms: int = WAIT_MS
    conflict: Callable[[], str | None] = _two_owners_of_rpi

    def wait_for(self, look: Callable[[], Any]) -> Any:
        """Return what `look` finds, as soon as it finds something; None when skipped or late."""
        until_ms = self.clock.now_ms() + self.wait_ms
        while not (found := look()):
            if self.clock.now_ms() >= until_ms or self.person.skips():
                return None
            self.clock.sleep_ms(LOOK_MS)
        return found


class Ends(Exception):
    """A step is over before its end; `verdict` and the text say how."""

    def __init__(self, verdict: Verdict, said: str) -> None:
        super().__init__(said)
        self.verdict = verdict


Step = Callable[[Item, Checkup], str]
"""Returns what works; raises `Ends`, or the device's own error, for everything else."""


def check_all(items: Sequence[Item], checkup: Checkup, steps: Mapping[Kind, Step]) -> list[Found]:
    """Check every device and return what was found, in order; closes all of them."""
    found = list(_beforehand(items, checkup))
    for one in found:
        checkup.person.say(f"{one.item.name}: {one.said}")
    for item in items:
        at = f" at {item.place}" if item.place else ""
        driver = f" ({item.driver}{at})" if item.driver or at else ""
        checkup.person.say(f"{item.name}{driver}")
        try:
            one = Found(item, Verdict.WORKS, steps[item.kind](item, checkup))
        except Ends as ends:
            one = Found(item, ends.verdict, str(ends))
        except Exception as error:
            one = Found(item, Verdict.WRONG, str(error) or type(error).__name__)
        finally:
            item.device.close()
        one = _beside(one, items)
        checkup.person.say(f"    {one.verdict.value}: {one.said}")
        found.append(one)
    return found


def is_well(found: Iterable[Found]) -> bool:
    """Return whether nothing is wrong; what was not tried is not wrong."""
    return all(one.verdict is not Verdict.WRONG for one in found)


def table(found: Sequence[Found]) -> list[str]:
    """Return the lines of the table at the end."""
    rows = [("device", "driver", "at", "")]
    rows += [(o.item.name, o.item.driver, o.item.place, o.verdict.value) for o in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join((*(text.ljust(widths[at]) for at, text in enumerate(row[:3])), row[3])).rstrip()
        for row in rows
    ]


def driver_and_place(options: object) -> tuple[str, str]:
    """Return what a device's section says, for people; both empty where there is none."""
    if not isinstance(options, Mapping):
        return "", ""
    return str(options.get("driver", "")), _place(options)


def _place(options: Mapping[str, Any]) -> str:
    gpio = options.get("gpio")
    if isinstance(gpio, int):
        from hardware.header import BOARD_OF_BCM

        return f"GPIO {gpio}, place {BOARD_OF_BCM.get(gpio, '?')} of the header"
    for option in ("port", "device"):
        if isinstance(options.get(option), str):
            return str(options[option])
    if str(options.get("driver")) in ("rc522", "mfrc522"):
        return f"/dev/spidev{options.get('spi_bus', 0)}.{options.get('spi_device', 0)}"
    return ""


def _beforehand(items: Sequence[Item], checkup: Checkup) -> Iterable[Found]:
    """What is wrong before anything is opened: two of one module, two devices at one place."""
    trouble = checkup.conflict()
    if trouble is not None:
        yield Found(Item("RPi.GPIO", Kind.LAMP, None), Verdict.WRONG, trouble)
    places: dict[str, str] = {}
    for item in items:
        if item.place and item.place in places:
            said = f"{places[item.place]} and {item.name} are both at {item.place}; one must move"
            yield Found(item, Verdict.WRONG, said)
        places.setdefault(item.place, item.name)


def _beside(found: Found, items: Sequence[Item]) -> Found:
    """Add what works today and will not tomorrow."""
    if found.verdict is not Verdict.WORKS or not found.item.place.startswith("/dev/tty"):
        return found
    said = (
        f"{found.said}; {found.item.place} is another device after somebody pulled a plug: "
        "write its name from `ls /dev/serial/by-id/` instead"
    )
    return Found(found.item, Verdict.LOOK, said)


def run_check(items: Sequence[Item], checkup: Checkup, steps: Mapping[Kind, Step]) -> bool:
    """Check every device, say the table at the end, and return whether nothing is wrong."""
    say = checkup.person.say
    if not items:
        say("No devices are configured; `template` shows a section for each.")
        return True
    found = check_all(items, checkup, steps)
    say("")
    for line in table(found):
        say(line)
    return is_well(found)
