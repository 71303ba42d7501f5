"""The list in flash: its answers, its slots, its deltas, and power that fails."""

import random

import pytest

from circulation.wire.fuse import FuseInvalid, packed_key
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import ExactList, UnionList
from firmware.mcu.key_table import SHORT
from firmware.mcu.lists import ERAS, FORGET_MS, FlashList, ListRoom
from sim.mcu.flash import FlashFiles, PowerCut, Supply
from tests.firmware.mcu.list_bench import LINEAGE, OTHER, built, put_in_place, slots_of, uids

ON, OFF = 3, 0


def flash_list(keys=(), unsecured=(), *, version=1, room_bytes=4_096, files=None, **said):
    """Return a list of these keys on a flash of its own."""
    content = built(keys, unsecured, version=version, **said)
    return FlashList(put_in_place(files or FlashFiles(), content), ListRoom(room_bytes))


def delta(held, *rows):
    """Apply rows as a delta to the next version."""
    held.change([list(row) for row in rows])
    held.version += 1


def test_a_list_says_what_may_leave():
    """Listed keys have the file's boundary, others none; unsecured ones are exact."""
    held = flash_list(["e00401501a2b3c4d", "item:77"], ["e004015000000007"], boundary=2)

    assert [held.reach(key) for key in ("e00401501a2b3c4d", "item:77", "e00401500000ffff")] == [
        2,
        2,
        0,
    ]
    assert held.is_unsecured("e004015000000007")
    assert not held.is_unsecured("e00401501a2b3c4d")
    assert [held.knows(key) for key in ("item:77", "e004015000000007", "e00401500000ffff")] == [
        True,
        True,
        False,
    ]
    assert (held.lineage, held.version, held.boundary, len(held)) == (LINEAGE, 1, 2, 2)


def test_no_listed_item_is_ever_missed():
    """Twenty thousand loans: each is found. Of others one in 256 passes, and no more."""
    files = FlashFiles()
    held = flash_list(uids(20_000), files=files)

    assert all(held.reach(key) == 3 for key in uids(20_000))
    missed = sum(held.reach(key) == 3 for key in uids(20_000, 1 << 20))
    assert 40 <= missed <= 120


def test_a_look_up_reads_three_bytes_of_flash():
    """About 20 reads of a block in LittleFS, which a Pico makes in less than 5 ms."""
    files = FlashFiles()
    held = flash_list(uids(5_000), uids(100, 1 << 20), files=files)
    reads = files.reads

    for key in uids(50, 1 << 24):
        held.reach(key)
    per_look_up = (files.reads - reads) / 50
    reads = files.reads
    for key in uids(50, 1 << 24):
        held.reach(key)

    assert per_look_up <= 21  # three times 6.5, and a half
    assert files.reads == reads  # asked again at once: flash is left alone


def test_ids_are_forgotten_when_nobody_asks():
    """A stranger's tag is in memory no longer than the gate's own table has it, and once more."""
    files = FlashFiles()
    held = flash_list(uids(10), files=files)
    held.reach("e00402ffffffffff")
    reads = files.reads

    held.forget(FORGET_MS)
    held.reach("e00402ffffffffff")
    kept = files.reads
    held.forget(2 * FORGET_MS)
    held.forget(3 * FORGET_MS)
    held.reach("e00402ffffffffff")

    assert kept == reads
    assert files.reads > kept


def test_every_unsecured_key_is_found_and_no_other(seed):
    """A thousand of them, tags and labels, in one more read each."""
    files = FlashFiles()
    chance = random.Random(seed)
    names = uids(800) + [f"item:{number}" for number in range(200)]
    chance.shuffle(names)
    held = flash_list([], names, files=files)
    reads = files.reads

    assert all(held.is_unsecured(key) for key in names)
    assert (files.reads - reads) / 1_000 <= 13
    assert not any(held.is_unsecured(key) for key in uids(1_000, 800))


def test_a_delta_counts_at_once():
    """Lent, returned, unsecured, secured again: the list says each at once, also when asked
    before."""
    held = flash_list(["e00401501a2b3c4d"])
    told = [held.reach("e00401501a2b3c4d"), held.reach("item:9")]

    delta(held, ("k", "e00401501a2b3c4d", OFF), ("k", "item:9", ON))
    lent = [held.reach("e00401501a2b3c4d"), held.reach("item:9")]
    delta(held, ("u", "e00401501a2b3c4d", 1), ("k", "item:9", 1))
    back = [held.is_unsecured("e00401501a2b3c4d"), held.reach("item:9")]
    delta(held, ("u", "e00401501a2b3c4d", 0))

    assert (told, lent, back) == ([3, 0], [0, 3], [True, 1])
    assert not held.is_unsecured("e00401501a2b3c4d")
    assert held.knows("e00401501a2b3c4d")
    assert held.version == 4


@pytest.mark.parametrize(
    "rows",
    [[["k", "item:1", 4]], [["x", "item:1", 1]], [["k", 1, 1]], [["u", "item:1", 2]], [["k"]]],
)
def test_a_delta_that_makes_no_sense_changes_nothing(rows):
    """Good rows before a bad one are not taken either."""
    held = flash_list([])

    with pytest.raises(EventInvalid):
        held.change([["k", "item:5", 3], *rows])

    assert held.reach("item:5") == 0


def test_a_delta_without_room_is_refused_whole():
    """The list stays as it was, at its version: the gate is then STALE, and says so."""
    held = flash_list([], room_bytes=4 * SHORT)
    delta(held, *[("k", key, ON) for key in uids(3)])

    with pytest.raises(EventInvalid, match="no room for 2 changes"):
        held.change([["k", key, ON] for key in uids(2, 50)])

    assert [held.reach(key) for key in uids(2, 50)] == [0, 0]
    assert held.percent == 75
    delta(held, *[("k", key, OFF) for key in uids(3)])  # what has a record can always change
    assert [held.reach(key) for key in uids(3)] == [0, 0, 0]


def test_one_key_twice_in_a_delta_needs_room_once():
    """The last row about a key is the one that counts."""
    held = flash_list([], room_bytes=SHORT)

    delta(held, ("k", "e00401501a2b3c4d", ON), ("k", "e00401501a2b3c4d", 2))

    assert held.reach("e00401501a2b3c4d") == 2


class Gateway:
    """The truth at every version, and the deltas between."""

    def __init__(self, chance, keys):
        self.chance = chance
        self.keys = keys
        self.states = [({}, set())]
        self.deltas = []

    def step(self):
        """Change one to six keys, as one delta."""
        reach, unsecured = dict(self.states[-1][0]), set(self.states[-1][1])
        rows = []
        for key in self.chance.sample(self.keys, self.chance.randint(1, 6)):
            if self.chance.random() < 0.8:
                value = self.chance.choice((0, 3))
                reach[key] = value
                rows.append(["k", key, value])
            else:
                value = self.chance.randint(0, 1)
                (unsecured.add if value else unsecured.discard)(key)
                rows.append(["u", key, value])
        self.states.append((reach, unsecured))
        self.deltas.append(rows)

    @property
    def version(self):
        return len(self.deltas)

    def file(self, files, version):
        """Return the file of a version, in a slot."""
        reach, unsecured = self.states[version]
        listed = [key for key, value in reach.items() if value]
        return put_in_place(files, built(listed, unsecured, version=version))


def false_alarms(held, exact, keys):
    """Return the keys a gate would sound for although they may leave, or call unsecured."""
    return [
        key
        for key in keys
        if held.reach(key) < exact.reach(key) or held.is_unsecured(key) != exact.is_unsecured(key)
    ]


def test_files_and_deltas_in_any_order_make_the_same_list(seed):
    """New files older and newer than the deltas taken: never one false alarm, few misses."""
    chance = random.Random(seed)
    keys = uids(120) + [f"item:{number}" for number in range(30)]
    for _ in range(20):
        truth, files = Gateway(chance, keys), FlashFiles()
        truth.step()
        held = FlashList(truth.file(files, 1), ListRoom(1_400))
        passed = checked = 0
        for _ in range(60):
            truth.step()
            if held.version < truth.version - 1 or held.percent > 80:
                first = held.file.header.version + 1
                version = chance.randint(first, truth.version)
                before = held.file
                held.rebase(truth.file(files, version))
                before.close()
            while held.version < truth.version:
                held.change(truth.deltas[held.version])
                held.version += 1
            exact = ExactList(LINEAGE, truth.version)
            reach, unsecured = truth.states[-1]
            exact.loaded(list(reach.items()), list(unsecured))
            assert false_alarms(held, exact, keys) == []
            passed += sum(held.reach(key) > exact.reach(key) for key in keys)
            checked += len(keys)
        assert passed / checked < 0.03  # 0.4 % in the mean; few keys, so chance is large


def test_a_newer_file_frees_the_room_of_what_it_contains():
    """Records of eras before its version go, those after it stay."""
    files = FlashFiles()
    held = flash_list([], room_bytes=80 * SHORT, files=files)
    for number in range(80):
        delta(held, ("k", uids(1, number)[0], ON))
    assert held.percent == 100

    held.rebase(put_in_place(files, built(uids(60), version=61)))

    assert 20 <= held.changed <= 20 + 80 // ERAS
    assert held.version == 81
    assert [held.reach(key) for key in uids(80)] == [3] * 80


def test_a_file_ahead_of_the_deltas_is_the_list():
    """What was changed before is in it; the version is the file's."""
    files = FlashFiles()
    held = flash_list([], files=files)
    delta(held, ("k", "item:1", ON))

    held.rebase(put_in_place(files, built(["item:2"], version=9)))

    assert [held.reach(key) for key in ("item:1", "item:2")] == [0, 3]
    assert (held.version, held.changed) == (9, 0)


def test_two_histories_together_let_out_what_either_does():
    """After a restore the gate asks the old list and the new one."""
    files = FlashFiles()
    old = flash_list(["item:1"], ["item:3"], files=files)
    new = flash_list(["item:2"], lineage=OTHER, version=5, files=files)

    both = UnionList(old, new)
    both.change([["k", "item:4", ON]])
    both.version = 6

    assert [both.reach(f"item:{number}") for number in (1, 2, 3, 4)] == [3, 3, 0, 3]
    assert both.is_unsecured("item:3")
    assert (both.lineage, new.version, old.version) == (OTHER, 6, 1)


def test_without_a_file_everything_may_pass():
    """A list whose flash was given to another history accuses nobody."""
    held = flash_list(["item:1"], ["item:2"])
    delta(held, ("k", "item:3", OFF))

    held.withdraw()

    assert [held.reach(f"item:{number}") for number in (1, 2, 3)] == [3, 3, 0]
    assert not held.is_unsecured("item:2")
    assert len(held) == 0


class Deaf:
    """A file whose flash answers no more."""

    def __init__(self, file):
        self._file = file

    def seek(self, place):
        raise OSError(5)


def test_flash_that_does_not_answer_accuses_nobody():
    """A failed read lets pass, and is counted for staff."""
    held = flash_list(["item:1"], ["item:2"])
    held.file._file = Deaf(held.file._file)

    assert (held.reach("item:9"), held.is_unsecured("item:2")) == (3, False)
    assert held.failed == 2


def test_a_list_takes_the_parts_of_a_snapshot():
    """As an exact list does; what is said twice is said once."""
    held = flash_list([]).loaded([["item:1", 3], ["item:2", 1]], ["item:3"])

    assert [held.reach(f"item:{number}") for number in (1, 2, 3)] == [3, 1, 0]
    assert held.is_unsecured("item:3")


def every_cut(play, *, is_torn):
    """Yield the files after a cut at every step of something that is played on new ones."""
    supply = Supply()
    files = play(FlashFiles(supply=supply, is_torn=is_torn), prepare=True)
    before = supply.steps
    play(files, prepare=False)
    for steps in range(supply.steps - before):
        supply = Supply(seed=steps + 1)
        files = play(FlashFiles(supply=supply, is_torn=is_torn), prepare=True)
        supply.cut_after(steps)
        with pytest.raises(PowerCut):
            play(files, prepare=False)
        supply.restore()
        yield files


@pytest.mark.parametrize("is_torn", [False, True], ids=["LittleFS", "FAT"])
def test_a_power_cut_at_any_byte_leaves_one_whole_list(is_torn):
    """The old one until the last byte of the new is written, and then the new one."""
    old, new = built(uids(20), version=1), built(uids(30), uids(2, 50), version=2)

    def play(files, *, prepare):
        if prepare:
            put_in_place(files, old)
            return files
        slots = slots_of(files)
        slots.begin(slots.slots[1])
        for at in range(0, len(new), 64):
            slots.append(slots.slots[1], new[at : at + 64])
        return files

    versions = []
    for files in every_cut(play, is_torn=is_torn):
        slots = slots_of(files)
        found = [slots.open(slot) for slot in slots.slots]
        whole = [file for file in found if file is not None]
        versions.append(max(file.header.version for file in whole))
        assert all(file.has(key) for file in whole for key in uids(20))

    assert versions[0] == 1
    assert versions == sorted(versions)
    assert len(versions) > len(new) // (1 if is_torn else 64)


@pytest.mark.parametrize("at", [0, 4, 8, 12, 40, 56, 90, -33, -1])
def test_one_turned_bit_anywhere_is_noticed(at):
    """Prefix, header, filter, unsecured keys, digest: the slot does not count."""
    files = FlashFiles()
    put_in_place(files, built(uids(9), uids(3, 50)))
    (name,) = files.contents
    files.contents[name][at] ^= 0x10

    slots = slots_of(files)

    assert [slots.open(slot) for slot in slots.slots] == [None, None]


def test_a_slot_whose_file_vanished_or_lies_is_empty():
    """A file that cannot be opened, and unsecured keys that are longer than the header says."""
    files = FlashFiles()
    put_in_place(files, built(uids(3)))
    slots = slots_of(files)
    files.contents.clear()

    assert slots.open(slots.slots[0]) is None


def test_keys_that_lie_outside_their_section_are_refused(seed):
    """A file with a right digest and wrong inner lengths is no list."""
    import hashlib

    content = bytearray(built([], ["item:1", "item:2"])[:-32])
    content[44] += 3  # the first key's length
    content += hashlib.sha256(content).digest()

    assert put_in_place(FlashFiles(), bytes(content)) is None


def test_a_piece_that_begins_no_list_is_not_written():
    """The header is looked at before anything is written."""
    files = FlashFiles()
    slots = slots_of(files)
    slots.begin(slots.slots[0])

    with pytest.raises(FuseInvalid):
        slots.append(slots.slots[0], b"x" * 100)

    assert slots.slots[0].size == 0
    assert packed_key("item:1")[0] == 6
