"""A program from the gateway: asked for in quiet moments, taken or refused, each offer once."""

import hashlib
from binascii import b2a_base64, hexlify

from circulation.wire.messages import Chunk, Offer, Request, decode, encode
from firmware.mcu.ed25519 import Verification
from firmware.mcu.update import Choice, choose, confirm, give_up
from firmware.mcu.update_following import PACE_MS, TRIES_MAX, UpdateFollowing
from firmware.mcu.update_install import Device
from firmware.mcu.update_state import BASE, A, B
from tests.firmware.mcu.both.test_update import (
    BOARD,
    OTHER,
    Believe,
    PowerCut,
    digest_of,
    manifest,
    on_version_2,
    package,
    provisioned,
    running,
    update,
    whole_program,
)

HOUR_MS = 3_600_000


class Rig:
    """A device and a gateway that hands out one file, with a clock that the test moves.

    spoil: what becomes of a piece on its way, None if it is lost.
    """

    def __init__(self, flash, piece=2_048, verification=Believe):
        self.flash, self.room, self.piece = flash, 57_232, piece
        self.verification = verification
        self.now_ms = self.number = 0
        self.content, self.asked, self.spoil = b"", [], lambda chunk: chunk
        self.last = None
        self.start()

    def start(self):
        """Start, as after a reset; return what runs."""
        self.choice = choose(self.flash, 1)
        self.following = UpdateFollowing(
            self.flash,
            self.choice,
            Device(1, BOARD, self.room, self.piece),
            station="gate-2",
            random_below=self.random_below,
            verification=self.verification,
        )
        if self.last is not None:
            self.following.on_offer(self.last, self.now_ms)
        return self.choice

    def random_below(self, limit):
        """Count on, so that ids differ."""
        self.number += 1
        return self.number % limit

    def offer(self, content, version=2, **more):
        """Offer a file under a new id."""
        self.number += 1
        self.content = content
        values = {
            "id": f"{self.number:016x}",
            "format": BOARD,
            "version": version,
            "minimum": 1,
            "base": 0,
            "bytes": len(content),
            "sha256": digest_of(content),
            "within_ms": 0,
            "only": [],
            "mac": 32 * "0",
        }
        values.update(more)
        self.last = decode(Offer, encode(Offer(*[values[name] for name, _ in Offer.SHAPE])))
        self.following.on_offer(self.last, self.now_ms)
        return self

    def run(self, ms=600_000, quiet=True):
        """Let time pass until there is something to restart for; an hour passes in longer turns,
        and one in which nothing may be done in the longest."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms and not self.following.is_ready:
            self.now_ms += 100 if ms < HOUR_MS else 1_000 if quiet else 60_000
            for effect in self.following.tick(self.now_ms, quiet):
                self.answer(decode(Request, encode(effect.message)))
        return self.following.is_ready

    def answer(self, request):
        """Reply as the gateway does."""
        self.asked.append(request)
        block = self.content[request.offset : request.offset + request.count]
        data = b2a_base64(block).decode().strip()
        digest = hexlify(hashlib.sha256(block).digest()).decode()
        last = request.offset + len(block) >= len(self.content)
        chunk = self.spoil(
            Chunk(request.id, request.kind, request.version, request.offset, data, last, digest)
        )
        if chunk is not None:
            self.following.on_chunk(decode(Chunk, encode(chunk)), self.now_ms)


def big(version, private=None):
    """Return an update of several pieces."""
    contents = whole_program(version)
    contents["firmware/gate/rules.py"] = bytes(range(250)) * 20
    text = manifest(version, contents=contents, more=["board " + BOARD])
    return package(text, contents) if private is None else package(text, contents, private)


def test_an_offer_is_fetched_checked_and_tried_at_the_next_start():
    """By the real check of its signature; while it comes the old version runs and says so."""
    rig = Rig(provisioned(), verification=Verification)
    assert rig.following.firmware == "lendgate 1 pico-w-6"
    rig.offer(big(2))
    rig.run(ms=200)
    assert rig.following.is_updating
    assert rig.choice == (BASE, 1, False, "")

    assert rig.run()
    assert (rig.asked[0].kind, rig.asked[0].format) == ("firmware", BOARD)
    assert [one.offset for one in rig.asked] == list(range(0, len(big(2)), 2_048))

    assert rig.start() == (A, 2, True, "")
    assert rig.following.firmware == "lendgate 2 pico-w-6 on trial"
    confirm(rig.flash)
    rig.following.confirmed()
    assert (rig.following.firmware, rig.following.trouble) == ("lendgate 2 pico-w-6", "")
    assert not rig.run(HOUR_MS)


def test_a_small_heap_asks_for_small_pieces():
    """As long as the board's own file says, and the last one shorter."""
    rig = Rig(provisioned(), piece=512).offer(big(2))
    assert rig.run()

    counts = [one.count for one in rig.asked]
    assert (counts[:-1], counts[-1]) == ([512] * (len(big(2)) // 512), len(big(2)) % 512)


def test_nothing_is_asked_or_written_while_somebody_passes():
    """Neither a question nor a byte; what has come waits, and goes on when they are gone."""
    rig = Rig(provisioned()).offer(big(2))
    rig.run(HOUR_MS, quiet=False)
    assert rig.asked == []

    rig.run(200)
    spent = rig.flash.spent
    rig.run(HOUR_MS, quiet=False)
    assert (len(rig.asked), rig.flash.spent) == (1, spent)
    assert rig.run()


def test_a_step_is_short():
    """In one turn at most one question, and at most two KB written."""
    rig, spent = Rig(provisioned()).offer(big(2)), 0
    for _ in range(2_000):
        before = len(rig.asked)
        rig.run(100)
        assert len(rig.asked) - before <= 1
        assert rig.flash.spent - spent <= 2_100
        spent = rig.flash.spent


def test_gates_begin_within_the_time_that_is_offered():
    """At a moment that each draws for itself, and with a rest after each piece."""
    begun = []
    for drawn in (0, 1_000_000, 1_800_000):
        rig = Rig(provisioned())
        rig.random_below = lambda limit, drawn=drawn: min(drawn, limit - 1)
        rig.start()
        rig.offer(big(2), within_ms=1_800_000)
        while not rig.asked:
            rig.run(100)
        begun.append(rig.now_ms // 1000)
        times = []
        while not rig.following.is_ready:
            before = len(rig.asked)
            rig.run(100)
            times += [rig.now_ms] if len(rig.asked) > before else []
        rests = [times[at + 1] - times[at] for at in range(len(times) - 1)]
        assert min(rests) >= PACE_MS
    assert begun == [0, 1000, 1800]


def test_an_offer_for_other_gates_or_other_boards_is_not_ours():
    """Nothing is asked, and nothing is wrong."""
    for more in ({"only": ["gate-7"]}, {"format": "esp32-6"}, {"version": 0}):
        rig = Rig(provisioned()).offer(big(2), **more)
        assert not rig.run(HOUR_MS)
        assert (rig.asked, rig.following.trouble) == ([], "")
    assert Rig(provisioned()).offer(big(2), only=["gate-7", "gate-2"]).run()


def test_what_cannot_fit_is_refused_without_a_question():
    """An older version, another base, more than a slot holds: said, and nothing fetched."""
    cases = (
        ({"version": 1}, "version 1 is offered, and 2 runs"),
        ({"version": 3, "base": 2}, "version 3 builds on 2, and this is 1"),
        ({"version": 3, "bytes": 57_233}, "57233 bytes; 57232 have room here"),
        ({"version": 3, "bytes": 1 << 50}, f"{1 << 50} bytes; 57232 have room here"),
    )
    for more, said in cases:
        rig = Rig(on_version_2()).offer(big(3), **more)
        assert not rig.run(HOUR_MS)
        assert (rig.asked, rig.following.trouble) == ([], said)
        assert running(rig.flash)[:2] == (A, 2)


def refused(rig):
    """Let it run; return why it was refused, and see that what ran goes on."""
    before = rig.choice
    assert not rig.run(HOUR_MS)
    why, asked = rig.following.trouble, len(rig.asked)
    assert rig.start() == before
    rig.run(HOUR_MS)
    assert (len(rig.asked), rig.following.trouble) == (asked, why[:64]), "tried again"
    return why


def test_what_is_not_what_was_announced_is_refused():
    """A file with another SHA-256, one that is shorter or longer than said."""
    content = big(3)
    for more in ({"sha256": 64 * "0"}, {"bytes": len(content) - 1}, {"bytes": 90}, {"bytes": 0}):
        rig = Rig(on_version_2()).offer(content, 3, **more)
        assert refused(rig), more


def test_one_flipped_bit_anywhere_is_refused():
    """Though every SHA-256 of the gateway fits it: only the owner's signature counts."""
    content = update(3)
    for at in [4, 20, 75, 76, 80, 96, 110, 150, len(content) - 1, len(content) - 11]:
        bent = bytearray(content)
        bent[at] ^= 1 << at % 8
        rig = Rig(on_version_2(), verification=Verification).offer(bytes(bent), 3)
        assert "update: " in refused(rig), at


def test_strangers_wrong_boards_and_other_bases_are_refused_whatever_the_offer_says():
    """What is signed decides, not what is said of it."""
    other = package(manifest(3, more=["board esp32-6"]), whole_program(3))
    based = package(manifest(3, more=["base 2"]), whole_program(3))
    old = update(1)
    for content, said in (
        (big(3, OTHER), "a key that this device does not trust"),
        (other, "it is for esp32-6, and this is pico-w-6"),
        (based, "it builds on version 2, and this is 1"),
        (old, "version 1 is old; 3 or higher is taken"),
    ):
        assert said in refused(Rig(on_version_2()).offer(content, 3))


def test_another_offer_is_tried_after_one_that_was_refused():
    """The same file under a new id too: staff may have mended what was wrong."""
    rig = Rig(on_version_2()).offer(big(3, OTHER), 3)
    assert refused(rig)

    assert rig.offer(big(3), 3).run()
    assert (rig.following.trouble, rig.start()) == ("", (B, 3, True, ""))


def test_a_version_that_was_rolled_back_is_not_tried_again_until_it_is_offered_anew():
    """It says so for as long as it is offered."""
    rig = Rig(on_version_2()).offer(big(3), 3)
    assert rig.run()
    assert rig.start()[:3] == (B, 3, True)
    give_up(rig.flash)
    assert rig.start()[:2] == (A, 2)
    assert rig.following.trouble == "version 3 was rolled back"
    asked = len(rig.asked)
    assert not rig.run(HOUR_MS)
    assert len(rig.asked) == asked

    rig.offer(b"", 0)
    assert rig.following.trouble == ""
    assert rig.offer(big(3), 3).run()
    assert rig.start()[:3] == (B, 3, True)


def test_a_damaged_version_is_fetched_again():
    """A bit flips in the flash after it was confirmed: the base guards, and the offer stands."""
    rig = Rig(provisioned()).offer(big(2))
    assert rig.run()
    rig.start()
    confirm(rig.flash)
    rig.flash.flip("program-a", 400)

    assert rig.start() == (BASE, 1, False, "version 2 is damaged")
    assert rig.run()
    assert rig.start()[:2] == (A, 2)


def test_nothing_new_comes_in_during_a_trial():
    """The next offer waits until this version has proved itself, then it is fetched."""
    rig = Rig(on_version_2()).offer(big(3), 3)
    rig.run()
    rig.start()
    rig.offer(big(4), 4)
    asked = len(rig.asked)
    assert not rig.run(HOUR_MS)
    assert len(rig.asked) == asked

    confirm(rig.flash)
    rig.following.confirmed()
    assert rig.run()
    assert rig.start()[:2] == (A, 4)


def test_pieces_that_are_lost_or_damaged_are_asked_for_again():
    """Every second one is lost, cut short, changed, or an answer to somebody else."""
    rig, count = Rig(provisioned()), [0]

    def spoil(chunk):
        count[0] += 1
        values = list(chunk)
        if count[0] % 2:
            return chunk
        place, value = ((4, "AAAA"), (6, 64 * "0"), (0, "other"), (3, 9))[count[0] // 2 % 4]
        values[place] = value
        return None if count[0] % 5 == 0 else Chunk(*values)

    rig.spoil = spoil
    assert rig.offer(big(2)).run(HOUR_MS)
    assert len(rig.asked) > 4
    assert rig.start()[:2] == (A, 2)


def test_a_gateway_that_does_not_answer_is_asked_less_and_less():
    """Some tries, a rest, and from the beginning; staff are not told of it."""
    rig = Rig(provisioned())
    rig.random_below = lambda limit: limit - 1
    rig.start()
    rig.spoil = lambda chunk: None
    rig.offer(big(2)).run(HOUR_MS)

    count = len(rig.asked)
    assert TRIES_MAX < count < 100
    assert rig.following.trouble == ""
    rig.spoil = lambda chunk: chunk
    assert rig.run(2 * HOUR_MS)


def test_an_offer_that_is_withdrawn_or_replaced_is_dropped():
    """In the middle of it; what came counts for nothing, and the power may be switched off."""
    rig = Rig(provisioned()).offer(big(2))
    rig.run(1_000)
    assert rig.following.is_updating
    rig.offer(b"", 0)
    assert not rig.following.is_updating
    asked = len(rig.asked)
    rig.run(HOUR_MS)
    assert len(rig.asked) == asked

    rig.offer(big(2))
    rig.run(1_000)
    rig.offer(big(3), 3)
    rig.following.on_offer(rig.last, rig.now_ms)  # as after each connect
    assert rig.run()
    assert rig.start()[:2] == (A, 3)


def test_a_flash_that_refuses_is_told_and_tried_again():
    """The gate guards on; an hour later it may be well."""
    rig = Rig(provisioned())
    write, rig.flash.open = rig.flash.open, _full
    rig.offer(big(2)).run(5_000)
    assert rig.following.trouble.startswith("update: flash cannot be written")

    rig.flash.open = write
    assert rig.run(HOUR_MS)


def _full(path, mode):
    raise OSError(28)


def sweep_downloads(cuts, late=False):
    """Cut the power at these steps of a download; return what ran after each, without doubles."""
    before, ran = on_version_2(), []
    before.late = late
    for cut in cuts:
        rig = Rig(before.copy())
        rig.flash.left = cut
        try:
            rig.offer(big(3), 3).run()
            rig.start()
            confirm(rig.flash)
        except PowerCut:
            pass
        rig.flash.left = None
        first = rig.start()
        assert first[:2] in ((A, 2), (B, 3)), cut
        if first[1] == 2:
            assert rig.run(HOUR_MS), cut  # the offer still stands, and nothing is in its way
            first = rig.start()
        confirm(rig.flash)
        assert rig.start() == (B, 3, False, ""), cut
        ran.append(first)
    return len(ran)


def test_a_power_cut_at_any_byte_leaves_the_old_version_or_the_new():
    """And the download begins anew by itself. More of them: test_update_cuts.py."""
    assert sweep_downloads(range(0, 7_000, 293)) == 24


def test_a_choice_that_failed_is_said_at_once():
    """Whatever the program that guards was told at its start."""
    rig = Rig(provisioned())
    choice = Choice(BASE, 1, False, "ValueError: 7")
    rig.following = UpdateFollowing(
        rig.flash,
        choice,
        Device(1, BOARD, 0, 2_048),
        station="gate-2",
        random_below=rig.random_below,
    )
    assert rig.following.trouble == "ValueError: 7"
