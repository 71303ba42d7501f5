"""Whole lists come piece by piece: paced, verified, gone on with, and never half used."""

import itertools
import random

import pytest

from circulation.wire.messages import Chunk
from firmware.gate.events import ListLoaded
from firmware.mcu.following import ListFollowing
from firmware.mcu.list_store import (
    LIST_BYTES_MAX,
    PACE_MS,
    SPREAD_FIRST_MS,
    SPREAD_MS,
    TRIES_MAX,
    ListStore,
)
from sim.mcu.flash import FlashFiles, PowerCut, Supply
from tests.firmware.mcu.list_bench import (
    LINEAGE,
    OTHER,
    THIRD,
    Rig,
    Shop,
    built,
    pointer_to,
    put_in_place,
    slots_of,
    uids,
)

LARGE = uids(5_000)  # 6,220 bytes: four pieces


def shop_with(keys=LARGE, *, version=1, lineage=LINEAGE, **said):
    """Return a gateway that has one list."""
    shop = Shop(**said)
    shop.offer(built(keys, version=version, lineage=lineage), version, lineage=lineage)
    return shop


def ops(shop):
    """Return what was asked, in order."""
    return [request.op for request in shop.asked]


def test_a_gate_without_a_list_asks_and_gets_one():
    """A first start: where is one, its pieces in order, and the list answers."""
    shop = shop_with()
    rig = Rig(shop)

    held = rig.run()

    assert [held.reach(key) for key in LARGE[:50]] == [3] * 50
    assert ops(shop) == ["since", "chunk", "chunk", "chunk", "chunk"]
    asked = shop.asked[0]
    assert (asked.format, asked.lineage, asked.version) == ("fuse8-1-3", None, 0)
    assert [request.offset for request in shop.asked[1:]] == [0, 2048, 4096, 6144]
    assert sum(request.count for request in shop.asked[1:]) == len(shop.files[LINEAGE, 1])
    assert rig.store.trouble == ""


def test_an_announced_list_need_not_be_asked_for():
    """What the broker kept is enough for a gate that has nothing."""
    shop = shop_with()
    rig = Rig(shop)
    rig.store.announced(shop.newest, 0)

    assert rig.run() is not None
    assert "since" not in ops(shop)


def test_after_a_restart_the_list_is_there_at_once():
    """It lies in flash, verified; nothing is asked."""
    shop = shop_with()
    rig = Rig(shop)
    rig.run()

    (held,) = rig.start()
    rig.run(turns=100)

    assert [held.reach(key) for key in LARGE[:50]] == [3] * 50
    assert ops(shop).count("since") == 1


@pytest.mark.parametrize("name", ["json-1", "fuse8-1-2", "fuse8-2-3"])
def test_a_list_of_another_format_is_not_for_us(name):
    """A Pi's list and another boundary's are announced beside ours."""
    shop = shop_with()
    rig = Rig(shop)
    rig.store.announced(shop.newest._replace(format=name), 0)
    shop.files.clear()

    assert rig.run(turns=50) is None
    assert ops(shop)[:1] == ["since"]


class Damaging:
    """Spoils pieces: each with a probability, in one of several ways."""

    def __init__(self, chance):
        self.chance = chance
        self.done = 0

    def __call__(self, chunk):
        if self.chance.random() < 0.6:
            return chunk
        self.done += 1
        text = chunk.data
        return self.chance.choice(
            [
                None,
                chunk._replace(data=text[:-4]),
                chunk._replace(data=("B" if text[0] == "A" else "A") + text[1:]),
                chunk._replace(data="=" * 8),
                chunk._replace(offset=chunk.offset + 1),
                chunk._replace(id="s12345678"),
                chunk._replace(version=chunk.version + 1),
                chunk._replace(kind="policy"),
                chunk._replace(sha256="0" * 64),
            ]
        )


def test_a_bad_link_costs_time_and_nothing_else(seed):
    """Lost, cut, turned, misplaced and foreign pieces: each is asked for again, by itself."""
    spoil = Damaging(random.Random(seed))
    shop = shop_with(uids(20_000), spoil=spoil)
    rig = Rig(shop)

    held = rig.run()

    assert spoil.done > 0
    assert held.reach(uids(1)[0]) == 3
    asked = [request.offset for request in shop.asked if request.op == "chunk"]
    assert len(asked) == len(set(asked)) + spoil.done
    assert rig.store.trouble == ""


def test_silence_ends_a_download_and_what_came_is_kept():
    """After some tries the gate asks anew, and goes on at the byte where it stopped."""
    shop = shop_with()
    rig = Rig(shop)
    answer = shop.answer
    shop.answer = lambda request: answer(request) if len(shop.asked) < 3 else count(request)
    asked = []

    def count(request):
        asked.append(request)

    rig.run(lambda rig: rig.store.trouble, turns=9_000)
    told = rig.store.trouble
    shop.answer = answer
    held = rig.run()

    assert told == f"list: no answer to {TRIES_MAX} requests"
    assert [request.offset for request in asked] == [4096] * TRIES_MAX
    later = [request.offset for request in shop.asked[3:] if request.op == "chunk"]
    assert (later[0], later) == (4096, sorted(set(later)))
    assert held.reach(LARGE[0]) == 3


@pytest.mark.parametrize("room_bytes", [1_500, 800, 400])
def test_a_board_without_room_for_large_pieces_gets_small_ones(room_bytes):
    """What is too long for its memory never arrives; it asks for less, and the list comes."""
    shop = Shop(spoil=lambda chunk: chunk if len(chunk.data) <= room_bytes else None)
    content = built(uids(6_000))
    rig = Rig(shop)
    rig.store.announced(shop.offer(content, 1), 0)

    made = rig.run(turns=6_000)

    assert (made.version, len(made)) == (1, 6_000)
    counts = [request.count for request in shop.asked if request.op == "chunk"]
    assert counts[:2] == [2_048, 2_048]
    assert counts.count(2_048) == 2  # it learns, and does not try again at every piece
    assert min(counts[:-1]) >= 256


def test_pieces_that_were_not_asked_for_change_nothing():
    """A piece before, between and twice is not written."""
    shop = shop_with()
    rig = Rig(shop)
    stray = Chunk("s00000000", "may_leave", 1, 0, "AAAA", False, None)
    assert rig.store.on_chunk(stray, 0) == []
    answer, told = shop.answer, []

    def twice(request):
        reply = answer(request)
        told.append(reply)
        if isinstance(reply, Chunk):
            rig.hear(reply)
        return reply

    shop.answer = twice
    held = rig.run()

    assert held.reach(LARGE[0]) == 3
    assert ops(shop).count("chunk") == 4


def wrong_digest(content):
    """Return an announcement of other bytes."""
    return pointer_to(content, 1)._replace(sha256="0" * 64)


@pytest.mark.parametrize(
    ("content", "announce", "problem"),
    [
        (built(LARGE), wrong_digest, "not what was announced"),
        (built(LARGE, version=2), lambda it: pointer_to(it, 1), "another list than was announced"),
        (built(LARGE, lineage=OTHER), lambda it: pointer_to(it, 1), "another list than was"),
        (built(LARGE, boundary=2), lambda it: pointer_to(it, 1), "another list than was"),
        (built(LARGE) + b"x", lambda it: pointer_to(it, 1), "another list than was"),
        (built(LARGE)[:-1] + b"x", lambda it: pointer_to(it, 1), "damaged"),
        (b"PK" * 3_000, lambda it: pointer_to(it, 1), "CRC"),
        (b"x", lambda it: pointer_to(it, 1), "at most"),
        (bytes(LIST_BYTES_MAX + 1), lambda it: pointer_to(it, 1), "at most"),
    ],
    ids="digest version lineage boundary longer inner other tiny huge".split(),
)
def test_a_list_that_lies_is_never_used(content, announce, problem):
    """Whatever it lies about: the list before it stays in use, and staff are told."""
    files = FlashFiles()
    put_in_place(files, built(["item:1"], version=0))
    shop = Shop()
    shop.files[LINEAGE, 1] = content
    shop.newest = announce(content)
    rig = Rig(shop, files)
    (held,) = rig.lists
    rig.store.wanted(0)

    made = rig.run(lambda rig: rig.store.trouble, turns=4_000)

    assert made is None
    assert problem in rig.store.trouble
    assert (held.reach("item:1"), held.version) == (3, 0)
    assert [one.version for one in rig.start()] == [0]


def test_a_list_is_asked_for_before_the_room_is_full():
    """At three quarters; deltas go on meanwhile, and after it only what it lacks is in memory."""
    shop = shop_with(LARGE, version=1)
    rig = Rig(shop)
    held = rig.run()
    number = 0

    def change():
        nonlocal number
        key = uids(1, 1 << 20 | number)[0]
        held.change([["k", key, 3]])
        held.version += 1
        number += 1

    while held.percent < 75:
        change()
    asked = len(shop.asked)
    new = [*LARGE, *uids(number, 1 << 20)]
    shop.offer(built(new, version=held.version), held.version)
    for _ in range(5):
        rig.run(turns=1)
        change()
    assert rig.run() is held

    assert ops(shop)[asked] == "since"
    assert shop.asked[asked].version == 1
    assert held.changed <= 5 + 102 // 8
    assert all(held.reach(key) == 3 for key in uids(number, 1 << 20))
    assert held.file.header.version == 1 + number - 5


def test_once_a_day_a_list_with_changes_is_made_new():
    """So that a restart does not need a week of deltas; one without changes stays."""
    shop = shop_with()
    rig = Rig(shop)
    held = rig.run()
    asked = len(shop.asked)
    rig.now_ms += 86_400_000
    rig.run(turns=10)
    unchanged = len(shop.asked)
    held.change([["k", "item:1", 3]])
    held.version += 1
    shop.offer(built([*LARGE, "item:1"], version=2), 2)

    assert rig.run() is held
    assert unchanged == asked
    assert (held.version, held.changed) == (2, 0)


def test_a_new_history_stands_beside_the_old_one_until_it_recovered():
    """Both lie in flash, also over a restart; a newer list waits until the old one may go."""
    shop = shop_with(["item:1"])
    rig = Rig(shop)
    old = rig.run()
    rig.store.announced(
        shop.offer(built(["item:2"], version=5, lineage=OTHER), 5, lineage=OTHER), 0
    )
    rig.store.wanted(rig.now_ms)
    new = rig.run()
    shop.offer(built(["item:2", "item:3"], version=6, lineage=OTHER), 6, lineage=OTHER)
    rig.store.wanted(rig.now_ms)
    blocked = rig.run(lambda rig: rig.store.trouble, turns=9_000)
    told = rig.store.trouble
    kept = [one.lineage for one in rig.start()]
    rig.store.recovered()
    rig.store.wanted(rig.now_ms)
    newest = rig.run()

    assert [old.reach(f"item:{n}") for n in (1, 2)] == [3, 0]
    assert [new.reach(f"item:{n}") for n in (1, 2)] == [0, 3]
    assert (blocked, told) == (None, "list: both slots are in use until the gateway has recovered")
    assert kept == [LINEAGE, OTHER]
    assert newest.reach("item:3") == 3
    assert [one.lineage for one in rig.start()] == [OTHER]


def test_what_changes_in_the_new_history_says_nothing_of_the_old():
    """Each of the two has room of its own for changes; a third takes that of the second."""
    shop = shop_with(uids(50))
    rig = Rig(shop)
    old = rig.run()
    for version, lineage in ((1, OTHER), (1, THIRD)):
        shop.offer(built(uids(10), version=version, lineage=lineage), version, lineage=lineage)
        rig.store.announced(shop.newest, rig.now_ms)
        rig.store.wanted(rig.now_ms)
        new = rig.run()
        new.change([["k", uids(1)[0], 0]])

        assert (new.lineage, new.changed, new.reach(uids(1)[0])) == (lineage, 1, 0)
        assert (old.changed, old.reach(uids(1)[0])) == (0, 3)


def test_a_third_history_takes_the_place_of_the_second():
    """While it comes, what the second listed is not accused: nobody can look it up."""
    shop = shop_with(["item:1"])
    rig = Rig(shop)
    rig.run()
    for lineage, key in ((OTHER, "item:2"), (THIRD, "item:3")):
        content = built([key], version=5, lineage=lineage)
        rig.store.announced(shop.offer(content, 5, lineage=lineage), rig.now_ms)
        rig.store.wanted(rig.now_ms)
        rig.run()

    old, second, third = rig.lists
    assert second.reach("item:9") == 3
    assert [third.reach("item:3"), old.reach("item:1")] == [3, 3]
    assert [one.lineage for one in rig.start()] == [LINEAGE, THIRD]


@pytest.mark.parametrize("is_torn", [False, True], ids=["LittleFS", "FAT"])
def test_a_power_cut_anywhere_in_a_download_costs_no_list(is_torn):
    """At many a step of it: after the restart the old list guards, and the new one arrives."""
    old, keys = built(uids(20), version=1), uids(3_000)
    content = built(keys, version=2)
    resumed = 0
    for steps in range(0, 4_100, 101):
        supply = Supply(seed=steps + 1)
        files = FlashFiles(supply=supply, is_torn=is_torn)
        put_in_place(files, old)
        shop = Shop()
        rig = Rig(shop, files)
        rig.store.announced(shop.offer(content, 2), 0)
        rig.store.wanted(0)
        supply.cut_after(steps)
        try:
            rig.run(turns=400)
        except PowerCut:
            supply.restore()
        asked = len(shop.asked)
        lists = rig.start()
        assert all(lists[-1].reach(key) == 3 for key in uids(20))
        if lists[-1].version == 1:
            rig.store.wanted(rig.now_ms)
            held = rig.run()
            assert held.version == 2
            offsets = [request.offset for request in shop.asked[asked:] if request.op == "chunk"]
            resumed += offsets[0] > 0
    assert resumed > 0


def test_a_full_flash_is_said_and_the_old_list_stays():
    """No block is free: nothing is begun twice a second, and staff read why."""
    files = FlashFiles(blocks=4)
    put_in_place(files, built(["item:1"], version=0))
    shop = shop_with(uids(9_000))
    rig = Rig(shop, files)
    rig.store.wanted(0)

    rig.run(lambda rig: rig.store.trouble, turns=4_000)

    assert "No space left" in rig.store.trouble
    assert rig.lists[0].reach("item:1") == 3


def test_a_thousand_gates_do_not_ask_in_one_second(seed):
    """All want a list in the same minute: their first questions and their pieces are spread."""
    chance = random.Random(seed)
    begun, paces = [], []
    for _ in range(1_000):
        files = FlashFiles()
        rig_slots = slots_of(files)
        put_in_place(files, built(["item:1"], version=0), rig_slots)
        store = ListStore(rig_slots, 3, chance.randrange, 64)
        store.kept()
        store.wanted(0)
        begun.append(next(t for t in range(0, SPREAD_MS + 1_000, 1_000) if store.tick(t)))
    shop = shop_with()
    rig = Rig(shop, random_below=chance.randrange)
    times = []
    answer = shop.answer
    shop.answer = lambda request: times.append(rig.now_ms) or answer(request)
    rig.run()

    busiest = max(begun.count(second) for second in set(begun))
    assert busiest <= 20
    assert times[0] <= SPREAD_FIRST_MS + 100
    paces = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
    assert all(PACE_MS <= pace <= 2 * PACE_MS + 100 for pace in paces)


class Told:
    """What a machine was told."""

    def __init__(self):
        self.lists = []

    def __call__(self, event):
        if isinstance(event, ListLoaded):
            self.lists.append((event.list.lineage, event.list.version))
        return True


def test_the_follower_gives_wishes_and_pointers_to_the_store():
    """A gate's follower with this store: the first list is fetched and becomes the machine's."""
    shop, files, told = shop_with(), FlashFiles(), Told()
    store = ListStore(slots_of(files), 3, lambda limit: 0, 1_024)
    following = ListFollowing(store, told, lambda limit: 0)
    following.start()
    now_ms = 0
    while not told.lists and now_ms < 60_000:
        now_ms += 100
        for effect in following.tick(now_ms):
            reply = shop.answer(effect.message)
            if isinstance(reply, Chunk):
                following.on_chunk(reply, now_ms)
            else:
                following.on_pointer(reply, now_ms)

    assert told.lists == [(LINEAGE, 1)]
    assert (following.lineage, following.version, following.trouble) == (LINEAGE, 1, "")


def test_no_memory_at_the_end_of_a_download_costs_no_piece_of_it():
    """What came is kept, staff read why, and a later verification puts the list into use."""
    shop = shop_with()
    files = FlashFiles()
    rig = Rig(shop, files)
    slots = slots_of(files)
    opened, refusals = slots.opened, [MemoryError("allocating 1168 bytes")]

    def once_without_memory(slot, verified):
        if refusals:
            raise refusals.pop()
        return opened(slot, verified)

    slots.opened = once_without_memory
    rig.store = ListStore(slots, 3, lambda limit: 0, rig.room_bytes)
    assert rig.run(lambda rig: rig.store.trouble) is None
    told, asked = rig.store.trouble, ops(shop).count("chunk")
    held = rig.run()

    assert told == "list: no memory for it just now"
    assert ops(shop).count("chunk") == asked
    assert held.reach(LARGE[0]) == 3
    assert rig.store.trouble == ""
