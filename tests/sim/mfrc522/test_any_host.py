"""Whatever a host writes, whatever a hand does meanwhile: the chip answers and nothing breaks."""

import random
import threading

import pytest

from hardware.ports import ISO14443A, MIFARE_CLASSIC, NTAG
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.mfrc522.trace import describe, describe_air
from sim.tags import SimTag
from tests.sim.mfrc522.host import REQA, WUPA, Host

ROUNDS, STEPS = 8, 500
KEY = b"\xff" * 6
COMMANDS = (0, 1, 2, 3, 4, 8, 0x0C, 0x0E, 0x0F, 0x10, 0x20, 0x07, 0x0B)
FRAMES = (
    *(REQA, WUPA, b"\x93\x20", b"\x95\x20", b"\x93\x70", b"\x30\x04", b"\x50\x00"),
    b"\x60\x04" + KEY + bytes.fromhex("deadbeef"),
)


def tags():
    return [
        SimTag("04a1b2c3d4e580", technology=NTAG),
        SimTag("04a1b2c3d4e581", technology=NTAG),
        SimTag("deadbeef", technology=MIFARE_CLASSIC),
        SimTag("00112233445566778899", technology=ISO14443A),
    ]


def random_transfer(chance):
    """Return what some host might send: sense more often than nonsense."""
    return chance.choice(
        (
            chance.randbytes(chance.randrange(6)),
            bytes((0x02, chance.choice(COMMANDS))),
            bytes((0x1A, 0x80 | chance.choice((0, 7, 0x13, 0x70)))),
            bytes((0x12,)) + chance.choice((*FRAMES, chance.randbytes(chance.randrange(70)))),
            bytes((0x28, 0x83)),
            bytes((0x2A, 0x40)),
            b"\x92" * chance.randrange(70),
        )
    )


def random_hand(chance, chip, lying):
    """Do something to the field, the supply or the clock."""
    tag = chance.choice(lying)
    field = chip.field

    def move():
        field.take(tag.uid)
        field.put(tag, coupling=chance.choice((100, 25)), stack=chance.choice(("", "pile")))

    def dip():
        chip.reset_pin(False)
        chip.reset_pin(True)

    chance.choice(
        (
            *(move, dip, chip.brown_out),
            lambda: field.pull(tag.uid, after_bits=chance.randrange(100)),
            lambda: field.pull(tag.uid, after_written=chance.randrange(5)),
            lambda: setattr(field, "metal", chance.randrange(100)),
            lambda: chip.overheat(chance.random() < 0.3),
        )
    )()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_host_breaks_the_chip(number, seed):
    """As many bytes come back as went out, the FIFO keeps its size, all can be said in words."""
    chance = random.Random(seed + number)
    clock = VirtualClock()
    chip = SimMfrc522(clock, seed=seed, collpos=chance.choice(("frame", "uid")))
    lying = tags()
    for tag in lying:
        chip.field.put(tag)
    for _ in range(STEPS):
        sent = random_transfer(chance)
        assert len(chip.transfer(sent)) == len(sent)
        assert chip.register(0x0A) <= 64
        assert chip.irq_level in (True, False)
        if chance.random() < 0.1:
            random_hand(chance, chip, lying)
        clock.advance(chance.choice((0, 0, 0, 1, 30)))

    assert all(describe(transfer) for transfer in chip.history)
    assert all(describe_air(entry) for entry in chip.field.air)


def test_a_hand_in_another_thread_disturbs_nothing():
    """The bench's hand moves tags while a kiosk's thread reads: every answer is whole or none."""
    host = Host().start_radio()
    book = SimTag("04a1b2c3d4e580", technology=NTAG)
    answers = set()

    def move():
        for _ in range(300):
            host.field.put(book)
            host.field.tags()
            host.field.take(book.uid)

    hand = threading.Thread(target=move)
    hand.start()
    while hand.is_alive():
        answers.add(host.exchange(REQA, bits=7))
    hand.join()
    host.field.put(book)
    answers.add(host.exchange(REQA, bits=7) or host.exchange(REQA, bits=7))

    assert answers <= {b"", b"\x44\x00"}
    assert b"\x44\x00" in answers
