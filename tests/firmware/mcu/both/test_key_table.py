"""The exact table of keys, against a dictionary; runs on both Pythons."""

from circulation.wire.fuse import packed_key
from firmware.mcu.key_table import LONG, NONE, SHORT, KeyTable


class Dice:
    """Numbers that are the same on both Pythons."""

    def __init__(self, seed):
        self.at = seed

    def below(self, limit):
        self.at = (self.at * 25_173 + 13_849) & 0xFFFF
        return self.at % limit


def keys(count):
    """Return tags of 4, 7, 8 and 12 bytes and numbers from labels, packed."""
    found = []
    for number in range(count):
        found.append((f"{number:08x}", f"04{number:012x}", f"e00401{number:010x}",
                      f"3039{number:020x}", f"item:{number}")[number % 5])  # fmt: skip
    return [packed_key(key) for key in found]


def test_a_table_answers_like_a_dictionary():
    """Two thousand puts in any order: every key has its own value, and no other has one."""
    dice, table, model, known = Dice(7), KeyTable(4_096), {}, keys(300)
    for _ in range(2_000):
        key, value = known[dice.below(200)], dice.below(256)
        if table.put(key, value):
            model[key] = value

    for key in known:
        assert table.get(key) == model.get(key, NONE)
    assert len(table) == len(model)


def test_a_full_table_refuses_and_keeps_what_it_has():
    """No room is no error of memory: the new key is refused, the old ones stay and change."""
    table, known = KeyTable(3 * SHORT + 2 * LONG + 5), keys(60)
    taken = [key for key in known if table.put(key, 1)]

    assert table.percent > 90
    assert table.free_bytes < LONG
    refused = [key for key in known if key not in taken]
    assert refused
    for key in taken:
        assert table.put(key, 2)
        assert table.cost(key) == 0
    for key in refused:
        assert table.get(key) == NONE
    assert table.cost(packed_key("e004011111111111")) == SHORT
    assert table.cost(packed_key("item:9999999")) == LONG


def test_what_is_dropped_makes_room():
    """Every second value is dropped, the others are changed: all are found again, in order."""
    table, known = KeyTable(4_096), keys(200)
    for number, key in enumerate(known):
        table.put(key, number)
    free_before = table.free_bytes

    table.keep(lambda value: NONE if value % 2 else value // 2)

    for number, key in enumerate(known):
        assert table.get(key) == (NONE if number % 2 else number // 2)
    assert len(table) == 100
    assert table.free_bytes > free_before
    for number, key in enumerate(known):
        assert table.put(key, number)
    for number, key in enumerate(known):
        assert table.get(key) == number


def test_a_cleared_table_is_empty():
    """Nothing is left, and all of the room is there."""
    table = KeyTable(100)
    table.put(packed_key("e00401501a2b3c4d"), 3)
    table.put(packed_key("item:30218001234567"), 2)

    table.clear()

    assert len(table) == 0
    assert (table.free_bytes, table.percent) == (100, 0)
    assert table.get(packed_key("e00401501a2b3c4d")) == NONE


def test_a_key_that_begins_like_another_is_another():
    """Short keys are filled up with zeros, and their length keeps them apart."""
    table = KeyTable(200)
    for number, key in enumerate(("e0", "e000", "e00000", "\0", "\0\0")):
        table.put(packed_key(key), number)

    found = [
        table.get(packed_key(key)) for key in ("e0", "e000", "e00000", "\0", "\0\0", "e0000000")
    ]
    assert found == [0, 1, 2, 3, 4, NONE]


def test_what_is_said_of_one_key_is_said_of_no_other():
    """Keys that differ in one byte alone, whichever it is, short and long: none is another."""
    table, model = KeyTable(8_192), {}
    for base in ("e00401501a2b3c4d", "303400000000000000000001", "item:30218001234567"):
        first = packed_key(base)
        for at in range(1, len(first)):
            other = bytearray(first)
            other[at] ^= 1
            model[bytes(other)] = at
        model[first] = 99
    for key, at in model.items():
        assert table.put(key, at)

    for key, at in model.items():
        assert table.get(key) == at
    assert len(table) == len(model)
