"""What a device is, as an update must fit it: its board, its room, and what it refused before."""

from circulation.wire.update import PROGRAM_BYTES_MAX, board_format
from firmware.mcu.update import confirm, give_up, refuse, slot_bytes
from firmware.mcu.update_state import load
from tests.firmware.mcu.both.test_update import (
    BOARD,
    Believe,
    install,
    manifest,
    package,
    provisioned,
    refusal,
    running,
    update,
    whole_program,
)


def test_an_update_for_another_board_is_refused():
    """What is compiled for another board stays out, however well it is signed; named none, it
    is for every board."""
    flash = provisioned()
    other = manifest(2, more=["board esp32-6"])
    said = refusal(flash, package(other, whole_program(2)), verification=Believe)

    assert said == "update: it is for esp32-6, and this is pico-w-6"
    own = manifest(2, more=["board pico-w-6"])
    assert install(flash, package(own, whole_program(2)), verification=Believe) == 2


def test_an_update_too_large_for_its_slot_is_refused():
    """Two of them must fit beside the lists; one byte more is left outside."""
    flash, content = provisioned(), update(2)
    said = refusal(flash, content, room=len(content) - 1, verification=Believe)

    assert said == f"update: {len(content)} bytes; {len(content) - 1} have room here"
    assert install(flash, content, room=len(content), verification=Believe) == 2


def test_a_board_is_named_with_its_bytecode():
    """What is compiled for another version of MicroPython's files stays out as well."""
    assert board_format("pico_w", 6) == BOARD
    assert board_format("esp32", 7) == "esp32-7"


def test_a_slot_is_what_the_flash_has_left():
    """60 KB on a Pico W; more than a program ever has on larger ones, nothing on smaller."""
    assert slot_bytes(848 * 1024) == 57_232
    assert slot_bytes(2_048 * 1024) == slot_bytes(None) == PROGRAM_BYTES_MAX
    assert slot_bytes(512 * 1024) == 0


def test_an_offer_that_was_refused_is_remembered():
    """Over restarts, with the reason; what is installed after it takes its place."""
    flash = provisioned()
    refuse(flash, b"offer--1", "update: " + 80 * "x")
    state = load(flash)
    assert (state.offer, state.why) == (b"offer--1", "update: " + 56 * "x")

    install(flash, update(2), verification=Believe)
    assert load(flash).offer == b"offer--1"  # that one came over USB
    running(flash)
    confirm(flash)
    install(flash, update(3), choice=running(flash), verification=Believe, offer=b"offer--2")
    state = load(flash)
    assert (state.offer, state.why) == (b"offer--2", "")
    running(flash)
    give_up(flash)
    assert (load(flash).offer, load(flash).why) == (b"offer--2", "version 3 was rolled back")
