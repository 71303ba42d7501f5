"""Signed updates into two folders: what is taken, what is refused, and a power cut at any byte."""

import hashlib
from binascii import hexlify

from circulation.wire.update import PACKAGES, UpdateRefused
from firmware.mcu.ed25519 import public_key_of, sign
from firmware.mcu.update import (
    TRIES_MAX,
    Choice,
    choose,
    confirm,
    give_up,
    key_id,
    trust,
    trusted,
)
from firmware.mcu.update_install import Device, Install
from firmware.mcu.update_state import BASE, FILES, A, B, load

PRIVATE = bytes(range(32))
OTHER = bytes(range(1, 33))
THIRD = bytes(range(2, 34))
BOARD = "pico-w-6"
DEVICE = Device(1, BOARD, 1 << 20, 2_048)


class PowerCut(BaseException):
    """Now it is dark."""


class Flash:
    """Files in memory, with a power that fails after so many steps: a byte, an open, a close.

    late: what is written shows when the file is closed, as on LittleFS; else at once, as on FAT.
    """

    def __init__(self, late=False):
        self.files, self.late = {}, late
        self.left, self.spent = None, 0

    def spend(self):
        if self.left is not None and self.spent >= self.left:
            raise PowerCut
        self.spent += 1

    def open(self, path, mode):
        if mode != "wb" and path not in self.files:
            raise OSError(2)
        if mode == "wb":
            self.spend()
        return File(self, path, mode)

    def free_bytes(self):
        return None

    def flash_bytes(self):
        return None

    def flip(self, path, at, bit=1):
        content = bytearray(self.files[path])
        content[at] ^= bit
        self.files[path] = bytes(content)

    def copy(self):
        copied = Flash(self.late)
        copied.files = dict(self.files)
        return copied


class File:
    """One open file."""

    def __init__(self, flash, path, mode):
        self.flash, self.path, self.mode, self.at = flash, path, mode, 0
        self.content = bytearray(b"" if mode == "wb" else flash.files[path])
        if mode == "wb" and not flash.late:
            flash.files[path] = b""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()

    def read(self, count):
        piece = bytes(self.content[self.at : self.at + count])
        self.at += len(piece)
        return piece

    def seek(self, at):
        self.at = at

    def readline(self, count):
        end = bytes(self.content).find(b"\n", self.at) + 1 or len(self.content)
        return self.read(min(count, end - self.at))

    def write(self, piece):
        flash = self.flash
        left = len(piece) if flash.left is None else flash.left - flash.spent
        written = bytes(piece[: max(0, left)])
        flash.spent += len(written)
        self.content += written
        if not flash.late:
            flash.files[self.path] = bytes(self.content)
        if len(written) < len(piece):
            raise PowerCut

    def close(self):
        if self.mode != "rb":
            self.flash.spend()
            self.flash.files[self.path] = bytes(self.content)


def whole_program(version):
    """Return the files of a small program: each package, and a file that differs."""
    made = {package + "/__init__.py": b"" for package in PACKAGES}
    made["firmware/gate/judge.py"] = b"VERSION = %d" % version
    return made


def manifest(version, minimum=1, more=(), contents=None, entries=None):
    contents = whole_program(version) if contents is None else contents
    lines = ["lendgate-update 1", f"version {version}", f"minimum {minimum}"]
    lines += more
    if entries is None:
        entries = [
            f"file {path} {len(contents[path])} {digest_of(contents[path])}"
            for path in sorted(contents)
        ]
    return ("\n".join(lines + list(entries)) + "\n").encode()


def digest_of(content):
    return hexlify(hashlib.sha256(content).digest()).decode()


def package(text, contents, private=PRIVATE, signature=None):
    if signature is None:
        signature = sign(private, hashlib.sha256(text).digest())
    head = b"LGU1" + key_id(public_key_of(private)) + signature
    head += len(text).to_bytes(2, "big") + text
    return head + b"".join([contents[path] for path in sorted(contents)])


def update(version, minimum=1, more=(), private=PRIVATE):
    return package(manifest(version, minimum, more), whole_program(version), private)


def install(flash, content, piece=64, choice=None, *, base=1, room=1 << 20, **options):
    """Bring one update in, as a device does: in pieces, with each step on its own."""
    running = Choice(BASE, 1, False, "") if choice is None else choice
    device = Device(base, BOARD, room, 2_048)
    taken, incoming = 0, Install(flash, running, device, **options)
    while taken < len(content):
        taken += incoming.feed(memoryview(content)[taken : taken + piece])
    version = incoming.finish()
    while version is None:
        version = incoming.finish()
    return version


def refusal(flash, content, **options):
    """Return what the device says to an update that it does not take."""
    try:
        install(flash, content, **options)
    except UpdateRefused as error:
        return str(error)
    return None


class Believe:
    """A signature that is looked at elsewhere."""

    def __init__(self, *_):
        self.answer = True


def provisioned(late=False, *keys):
    flash = Flash(late)
    trust(flash, keys or [public_key_of(PRIVATE)])
    return flash


def running(flash, base=1):
    """Start the device, and return what runs."""
    return choose(flash, base)


def on_version_2():
    """Return a device that runs version 2 from folder a."""
    flash = provisioned()
    install(flash, update(2), verification=Believe)
    running(flash)
    confirm(flash)
    return flash


def test_a_new_version_runs_is_confirmed_and_stays():
    """It is on trial at its first start; after the first good sync it is the version."""
    flash = provisioned()

    assert install(flash, update(2)) == 2
    assert running(flash) == (A, 2, True, "")
    confirm(flash)
    assert running(flash) == (A, 2, False, "")


def test_without_a_good_sync_the_old_version_comes_back():
    """After three starts that nobody confirmed the version before runs again, and says so."""
    flash = on_version_2()
    install(flash, update(3), choice=running(flash), verification=Believe)

    tried = [running(flash) for _ in range(TRIES_MAX)]
    back = running(flash)

    assert tried == [(B, 3, True, "")] * TRIES_MAX
    assert back == (A, 2, False, "version 3 was rolled back")
    assert running(flash) == (A, 2, False, "")


def test_a_trial_can_be_given_up():
    """When the minutes of the trial are over, the next start is the old version."""
    flash = on_version_2()
    install(flash, update(3), choice=running(flash), verification=Believe)
    running(flash)

    assert give_up(flash)
    assert running(flash)[:2] == (A, 2)
    assert not give_up(flash)


def test_a_version_that_failed_three_times_is_not_taken_again():
    """A program that never syncs does not wear the flash out; a higher one is taken."""
    flash = on_version_2()
    for _ in range(3):
        install(flash, update(3), choice=running(flash), verification=Believe)
        running(flash)
        give_up(flash)

    said = refusal(flash, update(3), choice=running(flash))

    assert said == "update: version 3 was rolled back 3 times"
    assert install(flash, update(4), choice=running(flash)) == 4


def test_a_downgrade_is_refused():
    """Neither an older version is taken nor the same one, however well it is signed."""
    flash = on_version_2()
    before = dict(flash.files)

    for version in (1, 2):
        said = refusal(flash, update(version), choice=running(flash))
        assert said == f"update: version {version} is old; 3 or higher is taken"
    assert refusal(provisioned(), update(6), base=6, choice=Choice(BASE, 6, False, ""))
    assert running(flash)[:2] == (A, 2)
    assert {path: flash.files[path] for path in before} == before


def test_nothing_below_the_minimum_runs_again():
    """What a confirmed version declared too old is no way back, though it lies there whole."""
    flash = on_version_2()
    install(flash, update(3, minimum=3), choice=running(flash), verification=Believe)
    running(flash)
    confirm(flash)

    flash.flip("program-b", 300)

    assert running(flash) == (BASE, 1, False, "version 3 is damaged")


def test_a_flipped_bit_in_what_runs_leaves_the_version_before():
    """Every byte is hashed at every start, and one too many or too few counts too."""
    flash = on_version_2()
    install(flash, update(3), choice=running(flash), verification=Believe)
    running(flash)
    confirm(flash)

    for path in sorted(flash.files):
        for at in range(0, len(flash.files[path]), 7):
            hurt = flash.copy()
            hurt.flip(path, at, 1 << at % 8)
            expected = (A, 2) if path == "program-b" else (B, 3)
            assert running(hurt)[:2] == expected, (path, at)
    whole = flash.files["program-b"]
    for content in (whole + b"x", whole[:-1], whole[:40], b""):
        flash.files["program-b"] = content
        assert running(flash)[:2] == (A, 2)


def test_one_flipped_bit_anywhere_in_an_update_is_refused():
    """Header, signature, manifest, contents: the old version goes on and says why."""
    flash = on_version_2()
    content = update(3)
    last_of_signed = len(content) - len(b"VERSION = 3")
    places = list(range(0, 78, 7)) + list(range(78, last_of_signed, 101))
    places += range(last_of_signed, len(content))

    for at in places:
        bent = bytearray(content)
        bent[at] ^= 1 << at % 8
        assert refusal(flash, bytes(bent) + 80 * b"\0", choice=running(flash)), at
        assert running(flash)[:2] == (A, 2)


def test_an_update_that_ends_too_early_or_too_late_is_refused():
    """Bytes that are missing or behind the end make no version."""
    flash = on_version_2()

    for content in (update(3)[:-1], update(3)[:40], b"", update(3) + b"x"):
        assert refusal(flash, content, choice=running(flash))
        assert running(flash)[:2] == (A, 2)


def test_a_stranger_signs_nothing():
    """A key that this device does not know, and a device that knows none."""
    assert "does not trust" in refusal(provisioned(), update(2, private=OTHER))
    assert "does not trust" in refusal(Flash(), update(2))


def test_keys_are_rotated_with_two_of_them():
    """The second key signs when the first is lost, and a confirmed update brings the next two."""
    first, second, third = [public_key_of(key) for key in (PRIVATE, OTHER, THIRD)]
    flash = provisioned(False, first, second)
    new = [f"trust {hexlify(key).decode()}" for key in (second, third)]

    install(flash, update(2, more=new, private=OTHER))
    assert trusted(flash) == [first, second]  # not before it is confirmed
    running(flash)
    confirm(flash)

    assert trusted(flash) == [second, third]
    assert running(flash)[:2] == (A, 2)
    assert "does not trust" in refusal(flash, update(3), choice=running(flash))
    assert install(flash, update(3, private=THIRD), choice=running(flash)) == 3


def test_a_program_flashed_over_usb_wins_over_older_updates():
    """Whoever flashes a newer base gets it, whatever lies in the folders."""
    flash = on_version_2()

    assert running(flash, base=2) == (BASE, 2, False, "")
    assert running(flash, base=1)[:2] == (A, 2)


def test_a_part_of_the_program_names_its_base():
    """One package may come alone, if it names what it builds on; on another base it never runs."""
    part = {"firmware/gate/__init__.py": b"", "firmware/gate/judge.py": b"x = 1"}
    flash = provisioned()

    assert refusal(flash, package(manifest(5, contents=part), part))
    assert refusal(flash, package(manifest(5, more=["base 2"], contents=part), part))
    assert install(flash, package(manifest(5, more=["base 1"], contents=part), part)) == 5
    assert running(flash)[:3] == (A, 5, True)
    assert running(flash, base=4)[:2] == (BASE, 4)


ZERO = digest_of(b"")
WHOLE = [f"file {package}/__init__.py 0 {ZERO}" for package in PACKAGES]
HOSTILE = (
    [f"file ../boot.py 0 {ZERO}"],
    [f"file /boot.py 0 {ZERO}"],
    [f"file boot.py 0 {ZERO}"],
    [f"file firmware/mcu/../../boot.py 0 {ZERO}"],
    [f"file firmware/gate/Judge.py 0 {ZERO}"],
    [f"file firmware/gate/.py 0 {ZERO}"],
    [f"file firmware/gate/a.sh 0 {ZERO}"],
    [f"file firmware/gate/{80 * 'a'}.py 0 {ZERO}"],
    [f"file firmware/gate/a.py 99999999999999999999 {ZERO}"],
    [f"file firmware/gate/a.py 32769 {ZERO}"],
    [f"file firmware/gate/a.py -1 {ZERO}"],
    [f"file firmware/gate/a.py 00 {ZERO}"],
    [f"file firmware/gate/a.py 0 {ZERO[:-1]}"],
    [f"file firmware/gate/a.py 0 {ZERO.upper()}"],
    [f"file firmware/gate/a.py  0 {ZERO}"],
    ["reboot now"],
    [200 * "x"],
    [f"file firmware/gate/a{at:03}.py 0 {ZERO}" for at in range(124)],
    [f"file firmware/gate/a{at}.py 32768 {ZERO}" for at in range(9)],
)


def test_a_hostile_manifest_is_refused_though_it_is_signed():
    """Ways out of the folder, giants, strange names, unknown lines: refused before any file."""
    for lines in HOSTILE:
        entries = sorted(WHOLE + [line for line in lines if line.startswith("file ")])
        entries += [line for line in lines if not line.startswith("file ")]
        flash = provisioned()
        said = refusal(flash, package(manifest(2, entries=entries), {}), verification=Believe)
        assert said, lines
        assert [path for path in flash.files if path not in FILES] == ["program-a"], lines
        assert running(flash)[:2] == (BASE, 1)


def test_names_twice_and_out_of_order_are_refused():
    """One name stands once, also as source and compiled, and always in its order."""
    twice = [f"file firmware/gate/a.{kind} 0 {ZERO}" for kind in ("mpy", "py")]
    for entries in (WHOLE[::-1], WHOLE + WHOLE[-1:], WHOLE[:3] + twice + WHOLE[3:]):
        content = package(manifest(2, entries=entries), {})
        assert "out of order" in refusal(provisioned(), content, verification=Believe)
    content = package(manifest(2, more=["base 1"], entries=twice), {})
    assert "stands twice" in refusal(provisioned(), content, verification=Believe)


def test_a_flash_without_room_is_left_alone():
    """The journal needs room to be rewritten: an update that would take it is not begun."""
    flash = provisioned()
    size = sum([len(content) for content in whole_program(2).values()])
    flash.free_bytes = lambda: size + 12 * 1024 - 1
    said = refusal(flash, update(2))

    flash.free_bytes = lambda: size + 12 * 1024

    assert said == "update: the flash has no room for it"
    assert running(flash)[:2] == (BASE, 1)
    assert install(flash, update(2)) == 2


def test_a_hostile_heading_is_refused():
    """Versions that are none, a minimum above them, keys too many: nothing is taken."""
    keys = [f"trust {hexlify(public_key_of(bytes([at] * 32))).decode()}" for at in range(3)]
    headings = (
        manifest(0),
        manifest(1 << 30),
        manifest(2, minimum=3),
        manifest(2, more=["base 0"]),
        manifest(2, more=keys),
        manifest(2, more=keys[:1] * 2),
        manifest(2, more=["colour blue"]),
        manifest(2, more=["board Pico"]),
        manifest(2, more=["board pico-w-6", "base 1"]),
        manifest(2).replace(b"\n", b"\r\n"),
        manifest(2)[:-1],
        b"lendgate-update 2\n" + manifest(2)[18:],
    )
    for text in headings:
        assert refusal(provisioned(), package(text, whole_program(2)), verification=Believe), text


def test_nothing_new_comes_in_during_a_trial():
    """The way back must not be written over before the new version has proved itself."""
    flash = on_version_2()
    install(flash, update(3), choice=running(flash), verification=Believe)

    assert "still on trial" in refusal(flash, update(4), choice=running(flash))


def test_an_installation_that_was_refused_is_over():
    """After a refusal it takes nothing more, and never becomes a version."""
    flash = provisioned()
    incoming = Install(flash, Choice(BASE, 1, False, ""), DEVICE)
    content, said = b"x" * 100, []
    for _ in range(6):
        try:
            incoming.feed(content)
        except UpdateRefused as error:
            said.append(str(error))

    assert said[0] == "update: this is no update"
    assert said[1:] == ["update: this installation is over; begin another"] * len(said[1:])
    assert running(flash)[:2] == (BASE, 1)


def test_no_step_is_long():
    """However large the piece that is offered, a call writes at most it and hashes 512 bytes."""
    flash = provisioned()
    incoming = Install(flash, Choice(BASE, 1, False, ""), DEVICE)
    content, taken, idle = update(2), 0, 0
    while taken < len(content):
        count = incoming.feed(memoryview(content)[taken : taken + 100])
        assert count <= 100
        taken, idle = taken + count, idle + (count == 0)

    assert idle > 256  # a step for each bit of the signature's check


def everything(flash, content):
    """Do what a device does from the first byte of an update to its being confirmed."""
    install(flash, content, piece=512, choice=running(flash), verification=Believe)
    running(flash)
    confirm(flash)


def until_dark(call, *arguments):
    try:
        call(*arguments)
    except PowerCut:
        return


def sweep(late, stride):
    """Cut the power after each step of an update; return how many cuts there were."""
    before = on_version_2()
    before.late = late
    content = update(3)
    trial = before.copy()
    everything(trial, content)
    cuts = range(0, trial.spent, stride)
    for cut in cuts:
        flash = before.copy()
        flash.left = cut
        until_dark(everything, flash, content)
        flash.left = None
        first = running(flash)
        assert first[:2] in ((A, 2), (B, 3)), cut
        assert trusted(flash) == [public_key_of(PRIVATE)], cut
        if cut % 7 == 0:
            if not load(flash).trial and first.version == 2:
                everything(flash, content)
            confirm(flash)
            assert running(flash) == (B, 3, False, ""), cut
    return len(cuts)


def test_a_power_cut_at_any_byte_leaves_a_device_that_starts():
    """With the old version or the new one, never with less; and the update can go on."""
    assert sweep(late=False, stride=31) > 50
    assert sweep(late=True, stride=31) > 50


def test_a_power_cut_while_keys_are_taken_leaves_the_old_or_the_new():
    """Neither record is ever the only one in writing."""
    first, second = public_key_of(PRIVATE), public_key_of(OTHER)
    for cut in range(460):
        flash = provisioned(False, first)
        flash.left, flash.spent = cut, 0
        until_dark(trust, flash, [second])
        assert trusted(flash) in ([first], [second]), cut


def test_a_second_power_cut_meets_no_last_copy():
    """A record torn by one cut is mended first, so the next cut never meets the only whole one."""
    first, second = public_key_of(PRIVATE), public_key_of(OTHER)
    for torn in FILES:
        for cut in range(0, 460, 3):
            flash = provisioned(False, first)
            flash.files[torn] = flash.files[torn][:100]
            flash.left, flash.spent = cut, 0
            until_dark(trust, flash, [second])
            assert trusted(flash) in ([first], [second]), (torn, cut)


def test_the_way_back_is_what_ran():
    """After damage the version before runs; a new one on trial that fails leads back to that."""
    flash = on_version_2()
    install(flash, update(3), choice=running(flash), verification=Believe)
    running(flash)
    confirm(flash)
    flash.flip("program-b", 300)
    assert running(flash)[:2] == (A, 2)

    install(flash, update(4), choice=running(flash), verification=Believe)
    assert running(flash)[:3] == (B, 4, True)
    give_up(flash)

    assert running(flash)[:2] == (A, 2)
