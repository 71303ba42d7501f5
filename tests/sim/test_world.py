"""The simulated library: things have one place, and walking takes time."""

import json

import pytest

from hardware.errors import TagLost
from hardware.ports import Edge, Security
from sim.clock import VirtualClock
from sim.errors import WorldError
from sim.world import World

MOMO = "30000000001"
KRABAT = "30000000002"
LENA = "2000001"


@pytest.fixture
def clock():
    return VirtualClock(1_000)


@pytest.fixture
def world(clock):
    world = World(clock, seed=7)
    world.add_kiosk("kiosk-1")
    world.add_gate("gate-1", lanes=("lane-1", "lane-2"))
    world.add_book(MOMO, "Momo", author="Michael Ende")
    world.add_book(KRABAT, "Krabat", uid="")
    world.add_card(LENA, "Lena")
    return world


def test_a_new_book_is_tagged_and_in_stock(world):
    """A book added to the world carries its barcode and alarms at gates."""
    tag = world.thing(MOMO).tag

    assert tag.content.pii == MOMO
    assert tag.security is Security.IN_STOCK
    assert world.thing(KRABAT).tag is None


def test_the_same_seed_makes_the_same_tags(world):
    """A scenario can name uids: they depend on the seed alone."""
    again = World(VirtualClock(), seed=7)
    again.add_book(MOMO, "Momo")

    assert again.thing(MOMO).tag.uid == world.thing(MOMO).tag.uid


def test_a_book_put_on_the_pad_is_in_its_field(world):
    """Moving a book moves its tag, out of one field and into the other."""
    pad, uid = world.kiosks["kiosk-1"].pad, world.thing(MOMO).tag.uid
    world.move(MOMO, "kiosk-1/pad")
    assert pad.inventory().uids == (uid,)

    world.move(MOMO, "gate-1/lane-2")

    assert pad.inventory().uids == ()
    assert world.gates["gate-1"].lanes["lane-2"].antenna.inventory().uids == (uid,)


def test_a_card_is_seen_by_the_card_spot_alone(world):
    """A reader's card on the pad is air, on the card spot it is read."""
    kiosk, uid = world.kiosks["kiosk-1"], world.thing(LENA).tag.uid
    world.move(LENA, "kiosk-1/pad")
    assert kiosk.pad.inventory().uids == ()

    world.move(LENA, "kiosk-1/card")

    assert kiosk.card_reader.inventory().uids == (uid,)


def test_a_book_without_a_tag_can_still_be_scanned(world):
    """A book nobody tagged is carried and scanned like any other."""
    world.move(KRABAT, "kiosk-1/pad")
    world.scan("kiosk-1", KRABAT)

    assert world.kiosks["kiosk-1"].pad.inventory().uids == ()
    assert world.kiosks["kiosk-1"].scanner.poll() == [KRABAT]


def test_walking_out_breaks_the_inner_beam_first(world, clock):
    """A walk is beams with times and a tag that comes and goes, wherever anybody looks."""
    world.move(MOMO, "hand")
    lane = world.gates["gate-1"].lanes["lane-1"]
    world.walk("gate-1", "lane-1", "out")
    assert lane.antenna.inventory().uids == (world.thing(MOMO).tag.uid,)

    clock.advance(5_000)

    assert lane.beam_inner.edges() == [Edge(True, 1_250), Edge(False, 1_550)]
    assert lane.beam_outer.edges() == [Edge(True, 1_450), Edge(False, 1_750)]
    assert lane.antenna.inventory().uids == ()
    assert world.thing(MOMO).place == "outside"


def test_walking_in_breaks_the_outer_beam_first_and_ends_in_the_hand(world, clock):
    """Coming in is the mirror image, and the books are then in the hand."""
    world.move(MOMO, "outside")
    lane = world.gates["gate-1"].lanes["lane-1"]
    world.walk("gate-1", "lane-1", "in", [MOMO])

    clock.advance(1_000)

    assert lane.beam_outer.edges()[0] == Edge(True, 1_250)
    assert lane.beam_inner.edges()[0] == Edge(True, 1_450)
    assert world.thing(MOMO).place == "hand"


def test_a_trolley_is_pushed_through_and_keeps_its_books(world, clock):
    """Books on the trolley pass the antenna and lie on the trolley still; the hand's do not."""
    world.move(MOMO, "trolley")
    world.move(KRABAT, "hand")
    antenna = world.gates["gate-1"].lanes["lane-1"].antenna
    world.walk("gate-1", "lane-1", "in", [MOMO, MOMO])
    in_the_field = antenna.inventory().uids
    clock.advance(1_000)

    assert in_the_field == (world.thing(MOMO).tag.uid,)
    assert (world.thing(MOMO).place, world.thing(KRABAT).place) == ("trolley", "hand")
    assert antenna.inventory().uids == ()


def test_the_trolley_and_the_slot_have_no_antenna(world):
    """What lies on the trolley or in the book slot is seen by nobody until it is carried on."""
    world.move(MOMO, "kiosk-1/pad")
    world.move(MOMO, "slot")
    world.move(KRABAT, "trolley")

    assert world.kiosks["kiosk-1"].pad.inventory().uids == ()
    assert [thing.key for thing in world.at("slot")] == [MOMO]
    assert "dropped into the book slot" in world.log[-2].text


def test_a_beam_is_broken_while_somebody_stands_in_it(world, clock):
    """In the middle of a walk the first beam is broken and the second not yet."""
    world.walk("gate-1", "lane-1", "out")
    clock.advance(300)
    lane = world.gates["gate-1"].lanes["lane-1"]

    assert (lane.beam_inner.read(), lane.beam_outer.read()) == (True, False)


def test_two_lanes_are_walked_at_once_and_one_lane_is_not(world, clock):
    """A busy lane refuses the next person until the first one is through."""
    world.walk("gate-1", "lane-1", "out")
    world.walk("gate-1", "lane-2", "in")

    with pytest.raises(WorldError, match="wait a second"):
        world.walk("gate-1", "lane-1", "out")
    clock.advance(1_000)
    world.walk("gate-1", "lane-1", "out")


def test_a_book_on_its_way_through_a_gate_cannot_be_grabbed(world, clock):
    """Nobody takes a book out of somebody's hand in the middle of the gate."""
    world.walk("gate-1", "lane-1", "out", [MOMO])

    with pytest.raises(WorldError, match="being carried"):
        world.move(MOMO, "shelf")
    clock.advance(1_000)
    world.move(MOMO, "shelf")


def test_a_book_left_at_the_gate_stays_there(world, clock):
    """A book put down at a gate stands in its field and breaks no beam."""
    world.move(MOMO, "gate-1/lane-1")
    clock.advance(60_000)
    lane = world.gates["gate-1"].lanes["lane-1"]

    assert lane.antenna.inventory().uids == (world.thing(MOMO).tag.uid,)
    assert lane.beam_inner.edges() == []


def test_the_guards_button_is_pressed_and_let_go(world, clock):
    """A press is two edges, a fifth of a second apart."""
    world.press("gate-1")
    clock.advance(200)

    assert world.gates["gate-1"].button.edges() == [Edge(True, 1_000), Edge(False, 1_200)]


def test_taking_a_book_off_the_pad_loses_its_tag(world):
    """A kiosk that is still busy with a lifted book is told so."""
    world.move(MOMO, "kiosk-1/pad")
    world.move(MOMO, "hand")

    with pytest.raises(TagLost):
        world.kiosks["kiosk-1"].pad.set_security(world.thing(MOMO).tag.uid, Security.ON_LOAN)


@pytest.mark.parametrize(
    ("impossible", "says"),
    [
        (lambda world: world.move("nothing", "hand"), "'nothing': no book and no card"),
        (lambda world: world.move(MOMO, "attic"), "'attic': no such place.*shelf"),
        (lambda world: world.scan("kiosk-9", MOMO), "'kiosk-9': no such kiosk.*kiosk-1"),
        (lambda world: world.walk("gate-9", "lane-1", "out"), "'gate-9': no such gate"),
        (lambda world: world.walk("gate-1", "lane-9", "out"), "'lane-9': no such lane of gate-1"),
        (lambda world: world.walk("gate-1", "lane-1", "up"), "'up': one walks 'out' or 'in'"),
        (lambda world: world.press("kiosk-1"), "'kiosk-1': no such gate"),
        (lambda world: world.add_book(MOMO, "Momo"), "cannot have one label"),
        (lambda world: world.add_gate("gate-1"), "station of this name"),
    ],
)
def test_what_cannot_be_done_is_named_and_changes_nothing(world, impossible, says):
    """An impossible request says what there is instead, and the world stays as it was."""
    before = world.to_doc()

    with pytest.raises(WorldError, match=says):
        impossible(world)
    assert world.to_doc() == before


def test_the_log_tells_what_happened(world):
    """The running log reads as sentences, with the station each belongs to."""
    world.move(MOMO, "kiosk-1/pad")
    world.kiosks["kiosk-1"].pad.set_security(world.thing(MOMO).tag.uid, Security.ON_LOAN)
    world.gates["gate-1"].siren.on()
    world.kiosks["kiosk-1"].printer.print_lines(["Momo"])

    assert [(line.station, line.text) for line in world.log] == [
        ("kiosk-1", "Momo: on the pad"),
        ("kiosk-1", "Momo: the tag now says on loan"),
        ("gate-1", "siren on"),
        ("kiosk-1", "printer prints a slip"),
    ]
    assert [line.n for line in world.log] == [1, 2, 3, 4]


def test_a_world_is_kept_and_brought_back(world, clock):
    """Places and tags survive a restart of the bench, through JSON; a walk starts over."""
    world.move(MOMO, "kiosk-1/pad")
    world.kiosks["kiosk-1"].pad.set_security(world.thing(MOMO).tag.uid, Security.ON_LOAN)
    world.walk("gate-1", "lane-1", "out", [KRABAT])
    kept = json.loads(json.dumps(world.to_doc()))

    again = World(VirtualClock(), seed=7)
    again.add_kiosk("kiosk-1")
    again.add_gate("gate-1")
    again.add_book(MOMO, "Momo")
    again.add_book(KRABAT, "Krabat", uid="")
    again.restore(kept)

    assert again.thing(MOMO).place == "kiosk-1/pad"
    assert again.thing(MOMO).tag.security is Security.ON_LOAN
    assert len(again.kiosks["kiosk-1"].pad.inventory().tags) == 1
    assert again.thing(KRABAT).place == "shelf"
