"""The words of a scenario: every step there is, as it is written.

A form is a line with slots in capitals. After its head come clauses, in any order, each at most
once. The same table reads files, explains errors and prints `lendgate-sim play --words`.
"""

from dataclasses import dataclass

SLOTS = {
    "THING": "a book or card: its label, or its title or name, quoted if of many words",
    "THINGS": "THING, or THING and THING, …",
    "NEW": "the title of a book that this library does not have",
    "OWNER": "the code of the library whose tag it bears: US-XYZ",
    "PLACE": "shelf, cards, hand, trolley, slot, outside, kiosk-1/pad, gate-1/lane-1",
    "STATION": "a kiosk or a gate: kiosk-1",
    "KIOSK": "a kiosk: kiosk-1",
    "GATE": "a gate: gate-1",
    "LANE": "a lane of that gate: lane-2",
    "WHERE": "out or in",
    "DEVICE": "a device by its full name: kiosk-1/pad, gate-1/lane-1/beam_inner, kiosk-1/link",
    "FAULT": "off, stuck, garbage, wrong, slow, delayed, intermittent, or a device's own word",
    "OPTIONS": "options of a fault: slow_ms=700, share=0.4, seed=3",
    "LINK": "up, down or stalled",
    "WHO": "a kiosk, a gate or gateway",
    "WORD": "a single word",
    "TEXT": "a text, quoted if of many words",
    "NUMBER": "a whole number",
    "TIME": "300 ms, 2 s or 1 min; at most 24 h",
}
"""What each slot takes, in a sentence."""


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of step. `name` is what the player calls it."""

    name: str
    head: str
    clauses: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is written."""
        return " ".join([self.head, *(f"[{clause}]" for clause in self.clauses)])


WITHIN = "within TIME"
SAYING = "saying TEXT"

FORMS = (
    Form("bring", "bring NEW labelled TEXT of OWNER"),
    Form("place", "place THINGS on PLACE"),
    Form("remove", "remove THINGS"),
    Form("show", "show THING at KIOSK"),
    Form("scan", "scan THING at KIOSK"),
    Form("scan_code", "scan code TEXT at KIOSK"),
    Form("press_button", "press button at GATE"),
    Form("press", "press WORD at KIOSK"),
    Form("press_for", "press WORD for THING at KIOSK"),
    Form("walk", "walk WHERE through GATE", ("LANE", "with THINGS")),
    Form("leave", "leave THINGS beside GATE", ("LANE",)),
    Form("pull", "pull THING after NUMBER writes"),
    Form("weaken", "weaken THING for NUMBER writes"),
    Form("cut_power", "cut_power STATION"),
    Form("restore_power", "restore_power STATION"),
    Form("link", "link WHO LINK"),
    Form("fault", "fault DEVICE FAULT", ("OPTIONS",)),
    Form("mend", "mend DEVICE"),
    Form("unplug", "unplug DEVICE"),
    Form("plug_in", "plug_in DEVICE"),
    Form("wait", "wait TIME"),
    Form("expect_alarm", "expect alarm at GATE", (WITHIN, "naming TEXT")),
    Form("expect_silence", "expect silence at GATE", ("for TIME",)),
    Form("expect_lamp", "expect lamp WORD at GATE", (WITHIN,)),
    Form("expect_dark", "expect lamp WORD off at GATE", (WITHIN,)),
    Form("expect_tick", "expect tick for THING at KIOSK", (WITHIN, SAYING)),
    Form("expect_tile", "expect tile WORD for THING at KIOSK", (WITHIN, SAYING)),
    Form("expect_code", "expect tile WORD for code TEXT at KIOSK", (WITHIN,)),
    Form("expect_greeting", "expect greeting TEXT at KIOSK", (WITHIN,)),
    Form("expect_screen", "expect screen WORD at KIOSK", (WITHIN,)),
    Form("expect_online", "expect online at KIOSK", (WITHIN,)),
    Form("expect_offline", "expect offline at KIOSK", (WITHIN,)),
    Form("expect_waiting", "expect waiting NUMBER at KIOSK", (WITHIN,)),
    Form("expect_slip", "expect slip at KIOSK", (WITHIN, "naming TEXT")),
    Form("expect_no_slip", "expect no slip at KIOSK", ("for TIME",)),
    Form("expect_health", "expect health of DEVICE WORD", (WITHIN,)),
    Form("expect_reported", "expect health of DEVICE WORD at gateway", (WITHIN,)),
    Form("expect_item", "expect item THING WORD at gateway", (WITHIN,)),
    Form("expect_tag", "expect tag THING WORD", (WITHIN,)),
)
"""Every step, in the order a reader learns them. Of forms that begin alike the longer is tried
first."""


def words_page() -> str:
    """Return every form and slot, as a page for people."""
    steps = "\n".join(f"  {form.usage}" for form in FORMS)
    width = max(len(name) for name in SLOTS)
    slots = "\n".join(f"  {name:<{width}}  {says}" for name, says in SLOTS.items())
    return (
        f"One step a line; # begins a comment.\n\n{steps}\n\n{slots}\n\n"
        "Before a step: `at 3 s` counts from the start, `after 200 ms` from the end of the step\n"
        "before, `meanwhile` lets the next step begin while this one goes on.\n"
    )
