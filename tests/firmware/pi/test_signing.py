"""Updates made on a computer: taken by a device, and nothing secret to be seen."""

import os

import pytest
from click.testing import CliRunner

from circulation.wire.update import PACKAGES, UpdateRefused
from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import choose, confirm, trust, trusted
from firmware.mcu.update_install import Install
from firmware.mcu.update_state import A
from firmware.pi.__main__ import main
from firmware.pi.errors import SigningFailed
from firmware.pi.signing import (
    Release,
    in_order_of_import,
    new_signing_key,
    read_public_key,
    read_signing_key,
    sign_update,
)
from tests.firmware.mcu.both.test_update import DEVICE, Flash

PRIVATE, OTHER = bytes(32), bytes([1] * 32)


@pytest.fixture
def folder(tmp_path):
    """A compiled program, with something beside it that is none."""
    for package in PACKAGES:
        made = tmp_path / "program" / package
        made.mkdir(parents=True)
        (made / "__init__.mpy").write_bytes(b"M\x06")
        (made / "judge.mpy").write_bytes(b"M\x06" + package.encode() * 40)
    (tmp_path / "program/boot.py").write_text("print()")
    (tmp_path / "program/firmware/gate/notes.txt").write_text("not for devices")
    return tmp_path / "program"


def taken(flash, content):
    """Let a device take an update, start it and find it good; return what then runs."""
    incoming, at = Install(flash, choose(flash, 1), DEVICE), 0
    while at < len(content):
        at += incoming.feed(content[at : at + 300])
    while incoming.finish() is None:
        pass
    choose(flash, 1)
    confirm(flash)
    return choose(flash, 1)


def test_what_is_signed_here_is_taken_by_a_device(folder):
    """The whole program, from the folder to the version that runs, and the keys it brings."""
    flash = Flash()
    trust(flash, [public_key_of(PRIVATE)])
    new = [public_key_of(PRIVATE), public_key_of(OTHER)]

    content = sign_update(folder, PRIVATE, Release(version=7, minimum=3, trusted=new))

    assert taken(flash, content) == (A, 7, False, "")
    assert trusted(flash) == new
    assert b"notes" not in content
    assert b"boot" not in content


def test_a_part_is_taken_on_its_base_alone(folder):
    """With something missing the base must be named, and it must be the device's."""
    for package in PACKAGES:
        for path in (folder / package).glob("*"):
            if str(path.relative_to(folder)) != "firmware/gate/judge.mpy":
                path.unlink()
    flash = Flash()
    trust(flash, [public_key_of(PRIVATE)])

    with pytest.raises(SigningFailed, match="nor the name of its base"):
        sign_update(folder, PRIVATE, Release(version=7, minimum=3))
    with pytest.raises(UpdateRefused, match="builds on version 2"):
        taken(flash, sign_update(folder, PRIVATE, Release(version=7, minimum=3, base=2)))
    assert (
        taken(flash, sign_update(folder, PRIVATE, Release(version=7, minimum=3, base=1))).version
        == 7
    )


def test_an_update_names_its_board_and_the_bytecode_of_its_files(folder):
    """Without a board it is for every one; files of two compilers are none's."""
    named = sign_update(folder, PRIVATE, Release(version=7, minimum=3, board="pico_w"))
    assert b"\nboard pico-w-6\n" in named
    assert b"\nboard " not in sign_update(folder, PRIVATE, Release(version=7, minimum=3))

    (folder / "firmware/gate/__init__.mpy").write_bytes(b"M\x07")
    with pytest.raises(SigningFailed, match="several compilers"):
        sign_update(folder, PRIVATE, Release(version=7, minimum=3, board="pico_w"))


def test_modules_stand_behind_what_they_import():
    """A device imports them in this order, so that none finds an old one where a new one comes."""
    names = ["app", "config", "ed25519", "program", "update", "update_install", "update_state"]

    ordered = in_order_of_import([f"firmware/mcu/{name}.mpy" for name in names])

    place = {name.removeprefix("firmware/mcu/")[:-4]: at for at, name in enumerate(ordered)}
    assert sorted(place) == names
    assert place["ed25519"] < place["update"] < place["update_install"] < place["app"]
    assert place["update_state"] < place["update"] < place["program"]
    assert place["config"] < place["app"]
    with pytest.raises(SigningFailed, match="this program has no such module"):
        in_order_of_import(["firmware/mcu/rootkit.mpy"])


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"version": 2, "minimum": 3}, "version 2 with minimum 3"),
        ({"version": 1 << 30, "minimum": 1}, "is not a number"),
        ({"version": 2, "minimum": 1, "trusted": [bytes([at] * 32) for at in range(3)]}, "keys"),
    ],
)
def test_what_no_device_would_take_is_not_signed(folder, numbers, said):
    """The signer asks the device's own rules first."""
    with pytest.raises(SigningFailed, match=said):
        sign_update(folder, PRIVATE, Release(**numbers))


def test_a_folder_without_a_program_is_refused(tmp_path):
    """Nothing to sign says so, instead of signing nothing."""
    with pytest.raises(SigningFailed, match="see make firmware"):
        sign_update(tmp_path, PRIVATE, Release(version=2, minimum=1))


def test_a_file_too_large_for_a_device_is_refused(folder):
    """What its heap cannot hold in one piece is found here and not there."""
    (folder / "firmware/gate/judge.mpy").write_bytes(bytes(32_769))

    with pytest.raises(SigningFailed, match="32769 is not a number from 0 to 32768"):
        sign_update(folder, PRIVATE, Release(version=2, minimum=1))


def test_a_key_belongs_to_its_owner_alone(tmp_path):
    """Its file is for its owner's eyes whatever the umask, and is never written over."""
    path = tmp_path / "signing.key"
    before = os.umask(0)
    try:
        public = new_signing_key(path)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert public_key_of(read_signing_key(path)) == public
    with pytest.raises(SigningFailed, match="never written over"):
        new_signing_key(path)


def test_two_keys_are_never_the_same(tmp_path):
    """Each is drawn anew."""
    assert new_signing_key(tmp_path / "one") != new_signing_key(tmp_path / "two")


def test_a_key_that_others_may_read_is_refused(tmp_path):
    """Whoever copied it with wide rights is told how to mend it."""
    path = tmp_path / "signing.key"
    new_signing_key(path)
    path.chmod(0o640)

    with pytest.raises(SigningFailed, match="chmod 600"):
        read_signing_key(path)


@pytest.mark.parametrize("text", ["", "00" * 32, "lendgate signing key, keep it secret: 00", "é"])
def test_another_file_is_no_key(tmp_path, text):
    """A file that is none is named, and what stands in it is not repeated."""
    path = tmp_path / "signing.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(SigningFailed, match=r"signing.key: (is no|cannot be read)") as refused:
        read_signing_key(path)
    assert "00" * 32 not in str(refused.value)


def test_a_weak_public_key_is_refused():
    """Neither too short nor one with which anybody could sign."""
    for text in ("", "zz", "ab" * 31, "01" + "00" * 31):
        with pytest.raises(SigningFailed, match="is no public key"):
            read_public_key(text)
    assert read_public_key(public_key_of(PRIVATE).hex()) == public_key_of(PRIVATE)


def test_the_commands_sign_and_never_print_the_key(folder, tmp_path):
    """From a new key to an update that a device takes, as one types it."""
    key, out = tmp_path / "signing.key", tmp_path / "out.lgu"

    made = CliRunner().invoke(main, ["new-signing-key", str(key)])
    arguments = [str(folder), "--key", str(key), "--version", "2", "--minimum", "1"]
    signed = CliRunner().invoke(main, ["sign-update", *arguments, "--out", str(out)])

    private = read_signing_key(key)
    assert (made.exit_code, signed.exit_code) == (0, 0), made.output + signed.output
    assert public_key_of(private).hex() in made.output
    assert private.hex() not in made.output + signed.output
    flash = Flash()
    trust(flash, [public_key_of(private)])
    assert taken(flash, out.read_bytes()).version == 2


def test_the_commands_say_what_is_wrong(folder, tmp_path):
    """A missing key and a bad folder are sentences, not tracebacks."""
    arguments = [str(folder), "--key", str(tmp_path / "none"), "--minimum", "1"]
    signed = CliRunner().invoke(main, ["sign-update", *arguments])

    assert signed.exit_code == 1
    assert "cannot be read as a signing key" in signed.output


def test_a_device_without_keys_takes_nothing(folder):
    """Until it was provisioned with a key, no update is anybody's."""
    content = sign_update(folder, PRIVATE, Release(version=2, minimum=1))

    with pytest.raises(UpdateRefused, match="does not trust"):
        taken(Flash(), content)
