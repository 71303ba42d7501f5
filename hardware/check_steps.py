"""The steps of `hardware-check`, one for each kind of device."""

from __future__ import annotations

from hardware.check import Checkup, Ends, Item, Kind, Step, Verdict
from hardware.chips.iso14443a import is_random_uid
from hardware.errors import HardwareError, SecurityUnsupported, TagLocked
from hardware.ports import ISO15693, Health, Inventory, Security, TagReader, TagSeen

REST_MS = 2_000
"""How long an input is watched while nobody touches it."""
CHATTER_EDGES = 10
"""So many changes in that time make a floating wire: nobody walks that fast."""
SOUND_MS, LAMP_MS = 500, 2_000
"""How long a siren sounds and a lamp burns for the check; both are below every longest time on."""
TEST_SLIP = ("Lendgate hardware-check", "Ä ö ü ß é ç ñ ž ő", "借书证 图书馆", "0123456789")


def check_reader(item: Item, checkup: Checkup) -> str:
    """A pad, a card spot, an antenna: one tag is read, and switched if the person allows it."""
    _must_be_well(item)
    reader: TagReader = item.device
    about, lying = _about(item), reader.inventory()
    if checkup.is_alone:
        return f"{about}it answers, {_count(lying)}"
    if not lying.uids:
        checkup.person.say("    Put one tag, of a book or a card, in front of it.")
        lying = checkup.wait_for(lambda: _some(reader)) or lying
    if not lying.uids:
        raise Ends(Verdict.WRONG, f"{about}{_nothing_read(item)}")
    if len(lying.uids) > 1 or not lying.complete:
        said = f"{about}it reads, but {_count(lying)}: try again with one tag, away from metal"
        raise Ends(Verdict.LOOK, said)
    tag = lying.tags[0]
    checkup.person.say(f"    It reads tag {tag.uid} ({tag.technology}).")
    said = _read(reader, tag) + _switch(reader, tag, checkup)
    checkup.person.say("    Take the tag away again.")
    if not checkup.wait_for(lambda: not _some(reader)):
        said = f"{about}{said}; the tag was not seen to leave: is another one near?"
        raise Ends(Verdict.LOOK, said)
    return f"{about}{said}"


def check_scanner(item: Item, checkup: Checkup) -> str:
    """A barcode scanner: one label is scanned."""
    _must_be_well(item)
    if checkup.is_alone:
        return "it is there; no label was scanned"
    checkup.person.say("    Scan any label.")
    codes = checkup.wait_for(item.device.poll)
    if not codes:
        raise Ends(
            Verdict.WRONG,
            "no label came: does it beep? Then it is set to another interface than this driver "
            "reads (USB serial or keyboard), to another baud rate, or ends codes with nothing "
            '(ends = "silence"); its manual has a label for each',
        )
    return f"it read {codes[0]}"


def check_printer(item: Item, checkup: Checkup) -> str:
    """A receipt printer: one slip, if the person wants it."""
    note = _must_be_well(item)
    if checkup.is_alone or not checkup.person.agrees("    May it print a slip of four lines?"):
        raise Ends(Verdict.SKIPPED, f"it is there; nothing was printed{note}")
    item.device.print_lines(TEST_SLIP)
    if checkup.person.agrees(f"    Are all lines right, also “{TEST_SLIP[2]}”?") is False:
        raise Ends(
            Verdict.WRONG,
            "it printed, but not what it should: narrow or cut lines: width_dots; other letters: "
            'code_page = ""; boxes for Chinese: install fonts-wqy-microhei',
        )
    return f"it prints{note}"


def check_output(item: Item, checkup: Checkup) -> str:
    """A lamp, a siren, a buzzer: it goes on for a moment, if the person wants it."""
    _must_be_well(item)
    verb, for_ms = ("sound", SOUND_MS) if item.kind is Kind.SOUND else ("light", LAMP_MS)
    question = f"    May it {verb} for {for_ms / 1000:g} s?"
    if checkup.is_alone or not checkup.person.agrees(question):
        raise Ends(Verdict.SKIPPED, f"its pin can be had; it did not {verb}")
    item.device.pulse(for_ms)
    checkup.clock.sleep_ms(for_ms)
    if checkup.person.agrees(f"    Did it {verb}, and only then?") is False:
        raise Ends(
            Verdict.WRONG,
            f"it did not {verb} when it should: always on but then: active_high = false (many "
            "relay boards are on while the wire is low); never: look at ground, its own supply, "
            f"and whether the wire is at {item.place or 'its pin'}",
        )
    return f"it did {verb}"


def check_input(item: Item, checkup: Checkup) -> str:
    """A beam, a button: quiet when nobody touches it, and seen when somebody does."""
    note = _must_be_well(item)
    is_beam = item.kind is Kind.BEAM
    did = "broken" if is_beam else "pressed"
    _must_rest(item, checkup, did)
    if checkup.is_alone:
        return f"it is quiet; nobody tried it{note}"
    ask = "Hold a hand into the beam" if is_beam else "Press it"
    checkup.person.say(f"    {ask}, and let go.")
    if not checkup.wait_for(lambda: any(edge.level for edge in item.device.edges())):
        raise Ends(
            Verdict.WRONG,
            f"it was never {did}: look at ground and the supply of both ends, and whether the "
            f"wire is at {item.place or 'its pin'}",
        )
    if not checkup.wait_for(lambda: not item.device.read()):
        raise Ends(Verdict.WRONG, f"it stays {did}: is the beam aligned, the button free?")
    return f"it was {did} and let go{note}"


def _must_rest(item: Item, checkup: Checkup, did: str) -> None:
    """Watch an input that nobody touches: it must neither chatter nor say that somebody does."""
    checkup.person.say(f"    Nobody touches it for {REST_MS // 1000} s, please.")
    item.device.edges()
    checkup.clock.sleep_ms(REST_MS)
    changes = len(item.device.edges())
    if changes >= CHATTER_EDGES:
        raise Ends(
            Verdict.WRONG,
            f"{changes} changes while nobody touched it: the wire floats. Give it a pull: "
            'pull = "up" and a contact to ground, or a resistor of 10 kΩ',
        )
    if item.device.read():
        said = f"it says {did} while nobody touches it: {_inverted(item)}"
        raise Ends(Verdict.WRONG, said)


def _must_be_well(item: Item) -> str:
    """Return what a device that works has to say besides; end the step for one that does not."""
    health = item.device.health() if hasattr(item.device, "health") else Health(True)
    if not health.ok:
        raise Ends(Verdict.WRONG, health.detail)
    return f"; {health.detail}" if health.detail else ""


STEPS: dict[Kind, Step] = {
    Kind.READER: check_reader,
    Kind.SCANNER: check_scanner,
    Kind.PRINTER: check_printer,
    Kind.LAMP: check_output,
    Kind.SOUND: check_output,
    Kind.BEAM: check_input,
    Kind.BUTTON: check_input,
}


def _read(reader: TagReader, tag: TagSeen) -> str:
    """Return what one tag holds."""
    if is_random_uid(tag.uid):
        return "it reads; that was a phone, whose number is another each time: try a card"
    try:
        content = reader.read_content(tag.uid)
        security = reader.get_security(tag.uid)
    except HardwareError as error:
        raise Ends(Verdict.WRONG, f"it finds tags and cannot read them: {error}") from error
    named = f"it reads {content.pii!r}" if content and content.pii else "it reads a blank tag"
    if security is Security.NONE and tag.technology == ISO15693:
        return (
            f"{named}, whose AFI is neither afi_in_stock nor afi_on_loan: a new tag, or set both "
            "to what your library's other system writes"
        )
    return f"{named}, {_words(security)}"


def _switch(reader: TagReader, tag: TagSeen, checkup: Checkup) -> str:
    """Switch a tag to and fro, if it says something and the person allows it."""
    security = Security.NONE if is_random_uid(tag.uid) else reader.get_security(tag.uid)
    if security is Security.NONE:
        return ""
    if not checkup.person.agrees("    May I switch this tag to and fro? It ends as it is now."):
        return "; it was not switched"
    try:
        for wanted in (_other(security), security):
            reader.set_security(tag.uid, wanted)
    except (TagLocked, SecurityUnsupported) as error:
        said = f"it reads, but this tag cannot be switched ({error}): try another"
        raise Ends(Verdict.WRONG, said) from error
    except HardwareError as error:
        said = f"it reads, but switching fails ({error}): lay it flat in the middle, off metal"
        raise Ends(Verdict.WRONG, f"{said}{_set_back(reader, tag, security, checkup)}") from error
    return "; switched to and fro"


def _set_back(reader: TagReader, tag: TagSeen, security: Security, checkup: Checkup) -> str:
    """Make a tag say again what it said; return what to do where that fails, or nothing."""

    def is_back() -> bool:
        try:
            if reader.get_security(tag.uid) is not security:
                reader.set_security(tag.uid, security)
        except HardwareError:
            return False
        return True

    if is_back():
        return ""
    checkup.person.say(f"    Lay tag {tag.uid} there again: it must say {_words(security)} again.")
    if checkup.wait_for(is_back):
        return ""
    now = _words(_other(security))
    return f"; tag {tag.uid} may say {now} now: lend its book and return it at a kiosk"


def _about(item: Item) -> str:
    """Return what the device says of itself: its chip, its firmware's version."""
    about = item.device.about() if hasattr(item.device, "about") else ""
    return f"{about}; " if about else ""


def _some(reader: TagReader) -> Inventory | None:
    try:
        found = reader.inventory()
    except HardwareError:
        return None
    return found if found.uids else None


def _count(inventory: Inventory) -> str:
    number = len(inventory.uids)
    tags = "no tag lies there" if number == 0 else f"{number} tag{'s' * (number > 1)} in its field"
    return tags if inventory.complete else f"{tags}, and something that could not be told apart"


def _nothing_read(item: Item) -> str:
    if item.driver in ("rc522", "mfrc522"):
        return (
            "no tag was read: library tags (ISO 15693) are not read by an RC522, cards and NTAG "
            "stickers are, within 3 cm; if those are not either, raise gain or look at the antenna"
        )
    return (
        "no tag was read: cards and NTAG stickers are not read by a library pad, library tags "
        "(ISO 15693) are; look at its antenna's cable, and for metal below it"
    )


def _inverted(item: Item) -> str:
    wire = "set active_low to the other value"
    return (
        f"{wire}, or align the beam" if item.kind is Kind.BEAM else f"{wire}, or free the button"
    )


def _words(security: Security) -> str:
    return {Security.IN_STOCK: "in stock", Security.ON_LOAN: "on loan"}.get(
        security, "no security"
    )


def _other(security: Security) -> Security:
    return Security.ON_LOAN if security is Security.IN_STOCK else Security.IN_STOCK
