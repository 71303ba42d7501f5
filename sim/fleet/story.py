"""A run told in sentences: what a librarian would have seen, and what should have been.

Readers and books get names, since nobody follows "reader-03 took book-017". What is told are
the events of a run, so a plan is best shrunk before.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sim.clock import WALL_START_MS
from sim.fleet.check import RULES, Violation
from sim.fleet.oracle import told, truth
from sim.fleet.outcome import Detail, Event, Outcome

READERS = (
    *("Anna", "Bilal", "Chen", "Dario", "Elif", "Frieda", "Goran", "Hana", "Ivo", "Jana"),
    *("Kofi", "Lena", "Mina", "Noor", "Otto", "Petra", "Quirin", "Rosa", "Samir", "Tomas"),
)
TITLES = (
    *("Heidi", "Emma", "Kim", "Dracula", "Ivanhoe", "Faust", "Candide", "Walden", "Ulysses"),
    *("Middlemarch", "Frankenstein", "Moby-Dick", "Oblomov", "Persuasion", "Villette", "Nana"),
    *("Pinocchio", "Bambi", "Peter Pan", "Black Beauty"),
)
_SILENT = frozenset(("committed", "rest"))
_FAULTS = {
    "image": "somebody copies the card of {who}",
    "roll_back": "an old copy is put in place of the card of {who}",
    "new_card": "the card of {who} is dead; it gets an empty one",
    "backup": "the gateway's store is backed up",
    "restore_backup": "the gateway is restored from that backup",
    "partition": "{who} is cut off",
    "heal": "{who} is connected again",
    "swizzle_stop": "the link of {who} stops",
    "swizzle_start": "the link of {who} works again",
    "broker_restart": "the broker restarts and has forgotten everything",
    "broker_overflow": "the broker begins to drop what it cannot hold",
    "torn_tail": "whatever {who} writes when the power goes will be torn",
    "twin": "a second station goes by the name of {who}",
    "poison": "{who} writes something nobody can read",
    "disk_full": "the disk of {who} is full",
    "disk_free": "the disk of {who} has room again",
    "slow_consumer": "the gateway is slow",
    "fast_consumer": "the gateway is fast again",
    "old_version": "{who} runs an older version from here on",
    "tag_stays": "the next tag at {who} will refuse to be switched",
    "clock_jump": "the clock of {who} jumps",
}


def tell(outcome: Outcome, violation: Violation) -> str:
    """Return the story of a run, and which promise it broke."""
    return "\n".join(
        [
            *(_line(event) for event in outcome.events if event.what not in _SILENT),
            "",
            *_book(outcome, violation.about),
            f"Found:    {_named(violation.text)}.",
            f"Promised: {promise_of(violation.rule)}.",
        ]
    )


def promise_of(rule: str) -> str:
    """Return what a rule promises; the rule's name if there is no such rule."""
    return next((one.promise for one in RULES if one.name == rule), rule)


def reader(name: str) -> str:
    """Return how the story calls a reader: `reader-01` is Anna."""
    return _nth(READERS, name)


def book(name: str) -> str:
    """Return how the story calls an item, with its number: several copies share a title."""
    return f"“{_nth(TITLES, name)}” ({name})"


def clock(at_ms: int) -> str:
    """Return the true time of day; the first day of a plan begins at 08:00."""
    at = datetime.fromtimestamp(WALL_START_MS / 1_000, UTC) + timedelta(milliseconds=at_ms)
    days = at_ms // 86_400_000
    return at.strftime("%H:%M:%S") + (f" (day {days + 1})" if days else "")


def _line(event: Event) -> str:
    sentence = _SENTENCES.get(event.what, _plainly)
    text = sentence(event)
    return f"{clock(event.at_ms)}  {text[:1].upper()}{text[1:]}."


def _book(outcome: Outcome, about: str) -> Iterator[str]:
    """Yield what was written of the item concerned, in its true order, and what is said of it."""
    fact_items = {one.fact_id: one.item for one in outcome.committed}
    item = fact_items.get(about) or about
    own = [one for one in outcome.committed if one.item == item and item]
    if not own:
        return
    yield f"What was written of {book(item)}, in the order it was:"
    applied = {one.fact_id for one in outcome.applied}
    for fact in told(own):
        one = fact.one
        known = "" if one.fact_id in applied else "; the gateway does not have it"
        to = f" to {reader(one.patron)}" if fact.kind == "checkout" else ""
        yield (
            f"  {clock(one.at_ms)}  {fact.kind}{to} at {one.station}, "
            f"row {one.epoch_n}/{one.seq}{known}"
        )
    real = truth(own).get(item)
    said = outcome.item_states.get(item)
    if real is not None and said is not None:
        yield f"  So it is {real.state}, and the catalogue says {said.state}."
    yield ""


def _nth(names: tuple[str, ...], name: str) -> str:
    number = int(name.rpartition("-")[2]) - 1
    more = number // len(names)
    return names[number % len(names)] + (f" {more + 1}" if more else "")


def _named(text: str) -> str:
    """Return a text with the readers' names beside their numbers."""
    words = text.split(" ")
    return " ".join(
        f"{word} ({reader(word)})" if word.startswith("reader-") and word[7:].isdigit() else word
        for word in words
    )


def _plainly(event: Event) -> str:
    details = ", ".join(str(part) for part in event.detail)
    return f"{event.who}: {event.what.replace('_', ' ')} {details}".rstrip()


def _about_reader(words: str) -> Callable[[Event], str]:
    def sentence(event: Event) -> str:
        patron, item, *_ = _texts(event.detail)
        return words.format(who=event.who, reader=reader(patron), book=book(item))

    return sentence


def _about_book(words: str) -> Callable[[Event], str]:
    def sentence(event: Event) -> str:
        return words.format(who=event.who, book=book(_texts(event.detail)[0]))

    return sentence


def _carried(event: Event) -> str:
    item, holder, sounded = event.detail[:3]
    who = reader(str(holder)) if str(holder).startswith("reader-") else "somebody"
    if event.what == "carried_in":
        return f"{who} brings {book(str(item))} in through {event.who}"
    heard = "and it sounds" if sounded else "and it stays silent"
    return f"{who} carries {book(str(item))} out through {event.who}, {heard}"


def _refused(event: Event) -> str:
    act, item, *reasons = _texts(event.detail)
    return f"{event.who} refuses to {act} {book(item)}: {', '.join(reasons)}"


def _skipped(event: Event) -> str:
    act, item, *why = _texts(event.detail)
    what = book(item) if item.startswith("book-") else item
    return f"nobody can {act.replace('_', ' ')} {what} at {event.who}: {', '.join(why)}"


def _decided(event: Event) -> str:
    item, entry, state, *_ = _texts(event.detail)
    return f"staff decide “{entry.partition(':')[0]}”: {book(item)} is {state}"


def _sounded(event: Event) -> str:
    item, row = event.detail[:2]
    return f"{event.who} sounds for {book(str(item))}, by row {row} of its table"


def _fault(event: Event) -> str:
    kind, *more = _texts(event.detail)
    known = _FAULTS.get(kind)
    if known is None:
        return f"{event.who}: {kind.replace('_', ' ')} {', '.join(more)}".rstrip()
    beside = f" ({', '.join(more)})" if more else ""
    return known.format(who=event.who) + beside


def _why(verb: str) -> Callable[[Event], str]:
    def sentence(event: Event) -> str:
        why = ", ".join(text for text in _texts(event.detail) if text)
        return f"{event.who} {verb}" + (f": {why}" if why else "")

    return sentence


def _texts(detail: Detail) -> list[str]:
    return [str(part) for part in detail]


_SENTENCES: dict[str, Callable[[Event], str]] = {
    "lent": _about_reader("{reader} borrows {book} at {who} and sees the tick"),
    "renewed": _about_reader("{reader} renews {book} at {who}"),
    "returned": _about_book("{book} is returned at {who}"),
    "used_in_house": _about_book("staff scan {book} from the trolley at {who}"),
    "left_behind": _about_book("{who} has written the loan of {book}, but shows no tick"),
    "took": _about_book("the reader goes with {book} before {who} has shown the tick"),
    "refused": _refused,
    "skipped": _skipped,
    "carried_out": _carried,
    "carried_in": _carried,
    "decided": _decided,
    "alarm": _sounded,
    "started": _why("starts"),
    "stopped": _why("stops"),
    "fault": _fault,
    "healed": lambda event: "from here on nothing fails any more",
}
