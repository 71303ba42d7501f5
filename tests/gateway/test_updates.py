"""Programs for microcontrollers: offered as they were signed, fetched, withdrawn, and watched."""

import base64
import hashlib
import itertools

import pytest
from click.testing import CliRunner

from circulation.wire.messages import Offer, decode, is_sealed
from gateway import schema
from gateway.__main__ import main
from gateway.board import Desk
from gateway.errors import UpdateInvalid, UpdateUnknown
from gateway.hub import Hub
from gateway.snapshots import Snapshots
from gateway.store import Store
from gateway.update_views import board_of
from gateway.updates import Updates
from gateway.web.pages import render_part
from gateway.wording import event, program
from tests.firmware.mcu.both.test_update import manifest, package, whole_program
from tests.gateway.conftest import LIBRARY, START_MS, Station
from tests.gateway.test_hub import KEY, replies, request, status, telemetry
from tests.gateway.test_program import write_config

BOARD = "pico-w-6"
TOPIC = f"lg/1/{LIBRARY}/gateway/snapshot/firmware/{BOARD}"
GATE = Station("gate-2")


def signed(version=2, *, board=BOARD, minimum=1, contents=None):
    """Return an update; the gateway cannot know whether its signature is anybody's."""
    contents = whole_program(version) if contents is None else contents
    more = [f"board {board}"] if board else []
    text = manifest(version, minimum, more, contents)
    return package(text, contents, signature=bytes(64))


@pytest.fixture
def updates(store):
    """What is offered."""
    return Updates(store, LIBRARY)


@pytest.fixture
def hub(store, tmp_path):
    """The gateway without its threads."""
    snapshots = Snapshots(store, LIBRARY, tmp_path / "snapshots")
    return Hub(store, LIBRARY, snapshots, key=KEY, boot="0000000b")


def offers(sends):
    """Return what is offered in these messages."""
    found = [send for send in sends if send.topic == TOPIC]
    assert all(send.retained for send in found)
    return [decode(Offer, send.payload) for send in found]


def chunk(hub, offset=0, **fields):
    """Return the reply to a request for a piece."""
    values = {"kind": "firmware", "version": 2, "offset": offset, "count": 2048, "format": BOARD}
    sends = hub.take([request(GATE, "chunk", **values | fields)], START_MS)
    return replies(sends, GATE)


def gate_status(firmware, **more):
    """Return a gate's birth."""
    return status(GATE, role="gate", name="Main door", firmware=firmware, **more)


def said(store):
    """Return the diary, oldest first."""
    return [event(entry) for entry in reversed(Desk(store, LIBRARY).board().events)]


def test_an_offer_is_said_on_every_connect_and_sealed(hub, updates):
    """A broker that forgot it hears it again; nobody without the key can say it."""
    content = signed(minimum=1)
    made = updates.offer(content, within_ms=60_000, only=["gate-2"])

    for _ in range(2):
        (offer,) = offers(hub.on_connected())
        assert is_sealed(offer, KEY)
        assert offer[:-1] == (
            *(made.id, BOARD, 2, 1, 0),
            *(len(content), hashlib.sha256(content).hexdigest(), 60_000, ["gate-2"]),
        )


def test_a_running_gateway_hears_of_offers_made_beside_it(hub, updates):
    """Another program wrote the table: within a minute it is said, once."""
    hub.on_connected()
    updates.offer(signed())

    heard = [len(offers(hub.tick(START_MS + at * 30_000))) for at in range(6)]
    assert heard == [1, 0, 0, 0, 0, 0]

    updates.offer(signed(3))
    times = [START_MS + at * 30_000 for at in range(6, 10)]
    assert [offer.version for at in times for offer in offers(hub.tick(at))] == [3]


def test_a_withdrawn_offer_is_said_to_be_none(hub, updates):
    """Also by a gateway that starts later: the broker may have kept the old one."""
    updates.offer(signed())
    assert [update.version for update in updates.withdraw(BOARD)] == [2]

    (offer,) = offers(hub.on_connected())
    assert (offer.version, offer.bytes, is_sealed(offer, KEY)) == (0, 0, True)
    assert chunk(hub) == []
    with pytest.raises(UpdateUnknown, match="no update is offered for pico-w-6"):
        updates.withdraw(BOARD)


def test_the_same_file_offered_anew_is_another_offer(updates):
    """A gate tries each id once; whoever wants it tried again offers it again."""
    assert updates.offer(signed()).id != updates.offer(signed()).id
    assert len(updates.all()) == 1


def test_it_is_fetched_in_pieces_that_fit_a_gate(hub, updates):
    """Each with its own SHA-256; together they are the file, byte for byte."""
    contents = whole_program(2) | {"firmware/gate/judge.py": bytes(5_000)}
    content = signed(contents=contents)
    updates.offer(content)

    got = b""
    for _ in itertools.repeat(None, 10):
        (piece,) = chunk(hub, len(got))
        data = base64.b64decode(piece.data)
        assert piece.sha256 == hashlib.sha256(data).hexdigest()
        got += data
        if piece.last:
            break
    assert got == content


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 3},
        {"format": "esp32-6"},
        {"format": None},
        {"version": None},
        {"offset": 1 << 40},
        {"kind": "program"},
    ],
)
def test_a_question_that_makes_no_sense_has_no_answer(hub, updates, fields):
    """Another version, another board, a byte behind its end: silence, and nothing else stops."""
    updates.offer(signed())

    assert chunk(hub, **fields) == []
    assert len(chunk(hub)) == 1


HURT = {
    "is no update": b"LGU2" + signed()[4:],
    "no device would take it": signed()[:78] + signed()[79:],
    "is not as it was signed": signed()[:-1] + b"3",
    "its manifest says": signed() + b"x",
    "names no board": signed(board=""),
    "at most": bytes(400_000),
    "bytes": signed()[:-1],
}


@pytest.mark.parametrize("why", HURT)
def test_what_no_device_would_take_is_not_offered(updates, why):
    """Whoever offers it hears at once what is wrong with the file."""
    with pytest.raises(UpdateInvalid, match=why):
        updates.offer(HURT[why])
    assert updates.all() == []


def test_a_flipped_bit_in_a_file_is_found_before_it_is_offered(updates):
    """The gateway holds no key; what it can see without one, it sees."""
    content = signed()
    for at in range(len(content) - len(b"VERSION = 2"), len(content)):
        bent = bytearray(content)
        bent[at] ^= 1 << at % 8
        with pytest.raises(UpdateInvalid, match="is not as it was signed"):
            updates.offer(bytes(bent))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"within_ms": -1}, "within a week"),
        ({"within_ms": 8 * 86_400_000}, "within a week"),
        ({"only": ["Gate 2"]}, "element 0 must be"),
        ({"only": ["gate"] * 33}, "at most 32"),
    ],
)
def test_bad_options_are_refused(updates, options, why):
    """A station's name that none can have, or a spread of years."""
    with pytest.raises(UpdateInvalid, match=why):
        updates.offer(signed(), **options)


def test_staff_see_who_has_taken_it_and_who_refused(hub, updates, store, clock):
    """On the page and in the diary: the gate's own words, told once."""
    kiosk = Station("kiosk-1")
    hub.take([gate_status("lendgate 1 pico-w-6"), status(kiosk)], START_MS)
    updates.offer(signed())

    def view():
        clock.now_ms += 2_000
        hub.contacts.save(clock.now_ms, at_once=True)
        return Desk(store, LIBRARY).board().updates[0]

    assert (view().taken, view().waiting) == ([], ["Main door"])
    for _ in range(2):
        hub.take([telemetry(GATE, 0, update="the signature is wrong")], START_MS)
    assert view().refused == {"Main door": "the signature is wrong"}
    hub.take([telemetry(GATE, 0)], START_MS)
    hub.take([gate_status("lendgate 2 pico-w-6 on trial")], START_MS)
    assert view().waiting == ["Main door"]
    for _ in range(2):
        hub.take([gate_status("lendgate 2 pico-w-6")], START_MS)

    assert (view().taken, view().refused) == (["Main door"], {})
    told = [line for line in said(store) if "update" in line or "another program" in line]
    assert told == [
        "Main door does not take the update: the signature is wrong",
        "Main door runs another program: lendgate 2 pico-w-6 on trial, before lendgate 1 pico-w-6",
        "Main door runs another program: lendgate 2 pico-w-6, before lendgate 2 pico-w-6 on trial",
    ]
    page = render_part("stations", Desk(store, LIBRARY).board())
    assert "Version 2 is offered to gates on pico-w-6" in page
    assert "taken by Main door" in page


def test_a_gateway_that_starts_anew_tells_nothing_twice(hub, updates, store, tmp_path):
    """What a gate refused or ran before is read from the tables."""
    updates.offer(signed())
    hub.take([gate_status("lendgate 1 pico-w-6"), telemetry(GATE, 0, update="no")], START_MS)
    hub.contacts.save(START_MS, at_once=True)
    before = said(store)

    anew = Hub(store, LIBRARY, Snapshots(store, LIBRARY, tmp_path), key=KEY, boot="0000000c")
    anew.take([gate_status("lendgate 1 pico-w-6"), telemetry(GATE, 0, update="no")], START_MS)
    anew.contacts.save(START_MS, at_once=True)

    assert [line for line in said(store)[len(before) :] if "update" in line] == []


def test_an_offer_for_some_gates_counts_those_alone(hub, updates, store):
    """First one gate: the others are not waited for."""
    updates.offer(signed(), only=["gate-7"])
    hub.take([gate_status("lendgate 1 pico-w-6")], START_MS)
    hub.contacts.save(START_MS, at_once=True)

    view = Desk(store, LIBRARY).board().updates[0]
    assert (view.waiting, view.taken, view.only) == ([], [], ("gate-7",))
    assert "no such gate has reported" in render_part("stations", Desk(store, LIBRARY).board())


def test_a_program_is_named_in_words():
    """A kiosk or a gate on a Pi is on no board that takes updates from here."""
    assert program("lendgate 2 pico-w-6") == "version 2 on pico-w-6"
    assert board_of("lendgate 0.1.0") == (0, "")
    assert board_of(None) == (0, "")


def test_offers_stay_in_the_database(updates, store):
    """A gateway that starts anew offers what was offered, whole."""
    content = signed()
    updates.offer(content)
    again = Store(store.url, clock=store.clock)

    piece, last = Updates(again, LIBRARY).piece(BOARD, 2, 0, 1 << 20)
    assert (piece, last) == (content, True)
    with again.read() as connection:
        rows = connection.execute(schema.PROGRAM_OFFER.select()).all()
    assert len(rows) == 1
    again.close()


def lendgate_gateway(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_commands_offer_show_and_withdraw(tmp_path):
    """As one types them; a file that is none is a sentence, not a traceback."""
    config = write_config(tmp_path)
    good, bad = tmp_path / "lendgate-2.lgu", tmp_path / "bad.lgu"
    good.write_bytes(signed())
    bad.write_bytes(b"x")

    none = lendgate_gateway("updates", "-c", config)
    refused = lendgate_gateway("offer-update", bad, "-c", config)
    offered = lendgate_gateway("offer-update", good, "-c", config, "--within", 5, "--only", "g-1")
    shown = lendgate_gateway("updates", "-c", config)
    withdrawn = lendgate_gateway("withdraw-update", "-c", config, "--board", BOARD)
    nothing = lendgate_gateway("withdraw-update", "-c", config)

    assert none.output == "No update is offered.\n"
    assert (refused.exit_code, "bad.lgu: no device would take it" in refused.output) == (1, True)
    assert offered.output.startswith(f"pico-w-6: version 2 is offered, {len(signed())} bytes\n")
    assert shown.output.startswith(f"pico-w-6: version 2, {len(signed())} bytes, offered ")
    assert withdrawn.output == "pico-w-6: version 2 is withdrawn\n"
    assert (nothing.exit_code, nothing.output) == (1, "Error: no update is offered\n")
