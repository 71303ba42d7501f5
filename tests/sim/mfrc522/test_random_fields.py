"""Two thousand random fields; tags pulled away, and power lost, at every moment."""

import random

import pytest

from hardware.chips.iso14443a import levels_of
from hardware.chips.tag_data import encode, new_content
from hardware.errors import TagLost, WriteFailed
from hardware.ports import ISO14443A, MIFARE_CLASSIC, NTAG, Security
from tests.hardware.readers.rc522_table import CLASSIC_UIDS, NTAG_UIDS, Table, Tampered

FIELDS = 2_000
TAGS_MAX = 6
TECHNOLOGIES = {
    8: (ISO14443A, MIFARE_CLASSIC),
    14: (ISO14443A, MIFARE_CLASSIC, NTAG),
    20: (ISO14443A,),
}
OLD = new_content("30000000001", "DE-715")
NEW = new_content("30000000994", "DE-715", part=2, parts=3)
OLD_BLOCK, NEW_BLOCK = encode(OLD) + bytes(2), encode(NEW) + bytes(2)


def random_uid(chance, like=None):
    """Return a legal uid of any length; `like` one: all but a bit or two of it."""
    while True:
        raw = bytearray(chance.randbytes(chance.choice((4, 7, 10))))
        if like is not None:
            raw = bytearray.fromhex(like)
            for _ in range(chance.randrange(1, 3)):
                at = chance.randrange(8 * len(raw))
                raw[at // 8] ^= 1 << at % 8
        if levels_of(bytes(raw)):
            return raw.hex()


def random_field(chance):
    """Return one to six uids, some random and some all but the same."""
    uids = {random_uid(chance)}
    for _ in range(chance.randrange(TAGS_MAX)):
        uids.add(random_uid(chance, chance.choice((None, chance.choice(sorted(uids))))))
    return uids


@pytest.mark.parametrize("collpos", ["frame", "uid"])
def test_no_field_yields_a_wrong_uid(collpos, seed):
    """Of a thousand fields none has a stranger in it, nearly all are whole, and gaps are told."""
    chance, table = random.Random(seed), Table(collpos=collpos)
    whole = 0
    for _ in range(FIELDS // 2):
        uids = random_field(chance)
        for uid in sorted(uids):
            table.place(uid, technology=chance.choice(TECHNOLOGIES[len(uid)]))
        inventory = table.reader.inventory()
        for uid in uids:
            table.chip.field.take(uid)

        assert set(inventory.uids) <= uids
        assert not inventory.complete or set(inventory.uids) == uids
        whole += inventory.complete

    assert whole >= 995


def test_noise_makes_gaps_and_no_strangers(seed):
    """With flipping bits in the air, what is listed is there; a whole list is never claimed
    of a field that answered and was not understood."""
    chance, table = random.Random(seed), Table(seed=seed)
    listed = 0
    for _ in range(200):
        uids = random_field(chance)
        for uid in uids:
            table.place(uid, technology=ISO14443A)
            table.chip.field.weaken(uid, chance.choice((0, 0.001, 0.01)))
        inventory = table.reader.inventory()
        for uid in uids:
            table.chip.field.take(uid)

        assert set(inventory.uids) <= uids
        listed += len(inventory.uids)

    assert listed > 300


def test_tags_that_come_and_go_within_a_round_are_never_confused(seed):
    """A tag lifted or laid down at any transfer is listed or not; nothing else is listed."""
    chance, table = random.Random(seed), Table(seed=seed)
    for _ in range(300):
        staying, coming, going = random_uid(chance), random_uid(chance), random_uid(chance)
        for uid in {staying, going}:
            table.place(uid, technology=ISO14443A)
        start = table.chip.transfers
        table.chip.field.pull(going, at_transfer=start + chance.randrange(150))
        arrive_at = start + chance.randrange(150)
        transfer = table.chip.transfer

        def arriving(data, transfer=transfer, arrive_at=arrive_at, coming=coming):
            if table.chip.transfers == arrive_at:
                table.place(coming, technology=ISO14443A)
            return transfer(data)

        table.chip.transfer = arriving
        inventory = table.reader.inventory()
        table.chip.transfer = transfer
        for uid in (staying, coming, going):
            table.chip.field.take(uid)

        assert set(inventory.uids) <= {staying, coming, going}
        assert staying in inventory.uids or not inventory.complete


def test_a_brown_out_within_a_round_loses_no_tag():
    """Wherever in the round the supply dips, the round begins again with the chip set up."""
    table = Table(wire=Tampered)
    sticker, card = NTAG_UIDS[0], CLASSIC_UIDS[0]
    table.place(sticker, technology=NTAG)
    table.place(card, technology=MIFARE_CLASSIC)
    table.reader.inventory()
    transfers = table.transfers(table.reader.inventory)

    for dip in range(1, transfers + 1):
        table.wire.tamper = lambda number, sent, got: got
        table.reader.health()
        table.reader.inventory()
        at = table.wire.number + dip

        def tamper(number, sent, got, at=at):
            if number == at:
                table.chip.brown_out()
            return got

        table.wire.tamper = tamper
        assert table.reader.inventory().uids == (sticker, card), f"at transfer {dip}"


@pytest.fixture(params=[NTAG, MIFARE_CLASSIC])
def table(request):
    """A table for stickers, and one for cards."""
    return Table(request.param)


def uid_on(table):
    return (NTAG_UIDS if table.technology == NTAG else CLASSIC_UIDS)[0]


def rewrite(table, **pull):
    """Write the new content over the old one while the tag is pulled; return what is left.

    That is the tag, and the name of the error or None.
    """
    uid = uid_on(table)
    tag = table.place(uid, OLD, Security.IN_STOCK)
    table.chip.field.pull(uid, **pull)
    error = None
    try:
        table.reader.write(uid, 0, NEW_BLOCK)
    except (TagLost, WriteFailed) as raised:
        error = type(raised).__name__
    table.chip.field.take(uid)
    return tag, error


def judged(table, tag, error):
    """Return what a reader makes of the tag afterwards: "old", "new" or "none"."""
    uid = uid_on(table)
    table.place(uid, tag)
    content = table.reader.read_content(uid)
    security = table.reader.get_security(uid)
    table.chip.field.take(uid)
    assert security is Security.IN_STOCK
    assert content is None or content.pii in (OLD.pii, NEW.pii)
    name = "none" if content is None else "old" if content.pii == OLD.pii else "new"
    if name != "none":
        block = OLD_BLOCK if name == "old" else NEW_BLOCK
        assert bytes(tag.memory[: len(block)]) == block
    assert error is not None or name == "new"
    return name


def test_a_tag_pulled_at_any_transfer_of_a_write_is_old_or_new_or_told(table):
    """Wherever the hand is quicker, the tag names its old book, its new one, or none."""
    tag, error = rewrite(table)
    assert (judged(table, tag, error), error) == ("new", None)
    start = table.chip.transfers
    rewrite(table)
    outcomes = set()
    for at in range(table.chip.transfers - start + 1):
        tag, error = rewrite(table, at_transfer=table.chip.transfers + 1 + at)
        outcomes.add((judged(table, tag, error), error))

    assert outcomes == {("old", "TagLost"), ("none", "TagLost"), ("new", "TagLost"), ("new", None)}


def test_a_tag_pulled_at_any_byte_of_its_memory_is_old_or_new_or_told(table):
    """A page that was written by half is never taken for good."""
    outcomes = []
    for written in range(96):
        tag, error = rewrite(table, after_written=written)
        outcomes.append(judged(table, tag, error))

    assert outcomes[0] == "old"
    assert outcomes[-1] == "new"
    assert outcomes == sorted(outcomes, key=["old", "none", "new"].index)
    assert outcomes.count("none") > 15


def test_a_tag_pulled_at_any_bit_in_the_air_is_old_or_new_or_told(table):
    """The same for a frame that breaks off, in either direction."""
    outcomes = set()
    for bits in range(0, 3_000, 7):
        tag, error = rewrite(table, after_bits=bits)
        outcomes.add(judged(table, tag, error))

    assert outcomes == {"old", "none", "new"}


def test_security_pulled_at_any_transfer_is_one_state_or_the_other(table):
    """A tag says in stock or on loan, its content stays, and success is always true."""
    uid = uid_on(table)
    outcomes = set()
    for at in range(220):
        tag = table.place(uid, OLD, Security.IN_STOCK)
        table.chip.field.pull(uid, at_transfer=table.chip.transfers + 1 + at)
        try:
            table.reader.set_security(uid, Security.ON_LOAN)
            outcomes.add(("done", tag.security))
        except TagLost:
            outcomes.add(("told", tag.security))
        table.chip.field.take(uid)
        assert bytes(tag.memory[: len(OLD_BLOCK) - 2]) == OLD_BLOCK[:-2]

    assert outcomes == {
        ("told", Security.IN_STOCK),
        ("told", Security.ON_LOAN),
        ("done", Security.ON_LOAN),
    }
