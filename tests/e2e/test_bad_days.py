"""Bad days at a site: things nobody knows, messages nobody can read, disks that take no more.

After each of them the site goes on, and what was wrong has a name in a log or on a screen.
"""

import paho.mqtt.client as mqtt
import pytest

from circulation.wire.topics import Topics
from sim.demo_files import LIBRARY, SITE
from tests.support.brokers import amqtt_broker
from tests.support.journals import facts_in
from tests.support.programs import WITHIN_S, NotSo, Program
from tests.support.site import (
    AMARA,
    BACK_S,
    DUNE,
    EMIL,
    HOBBIT,
    IDA,
    LENA,
    MATILDA,
    MOMO,
    YUSUF,
    Site,
)

STRANGE_CARD, STRANGE_BOOK = "20999000000017", "39999000000017"
ROOM_BYTES = 200_000  # for the write-ahead log: a few loans
APPLIED_S = 4.0  # a loan of a kiosk that is online; who is slower is not yet full
TRACE = "Traceback (most recent call last)"
PROGRAMS = ("kiosk-1", "gate-1", "gateway")

HOSTILE = (
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"{}",
    b'{"v":1}',
    b'{"v":99,"reply":"ack"}',
    b'{"v":1,"station":7,"on":"yes","events":{},"n":-1}',
    b'{"v":1,"reply":"fork","epoch":"\\u0000","hw":1e400}',
    b'{"v":1,"station":"\\ud800","mac":"' + b"f" * 200 + b'"}',
    b'{"v":1,"events":[' + b'"x",' * 200 + b'"x"],"seq0":99999999999999999999}',
    b"[" * 20_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"v":1,"pad":"' + b"x" * 70_000 + b'"}',
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A gateway, a kiosk and a street gate on the demo's broker."""
    with amqtt_broker() as broker, Site(tmp_path_factory.mktemp("site"), broker) as site:
        site.start("gateway")
        site.start("kiosk-1", "gate-1")
        yield site


def goes_on(site, card, book, thief):
    """Show that the site works: a loan arrives, and a book nobody lent is named."""
    site.lend("kiosk-1", card, book)
    site.wait("the loan arrives", lambda: site.state(book), "on_loan", within_s=BACK_S)
    site.walk_out("gate-1", thief)
    assert site.rang("gate-1")


def all_topics():
    """Return every topic of the protocol, as a sender may misuse it."""
    topics = Topics(LIBRARY)
    mine = [
        getattr(topics, name)(station)
        for name in ("status", "journal", "request", "telemetry", "reply", "config")
        for station in ("kiosk-1", "gate-1", "stranger")
    ]
    of_site = [topics.site_loan(SITE), topics.site_ask(SITE), topics.site_alarm(SITE)]
    kinds = ("catalogue", "patrons", "policy", "may_leave")
    lists = [topics.snapshot(kind, form) for kind in kinds for form in ("sqlite-1", "json-1")]
    changes = [topics.change(kind) for kind in kinds]
    gateway = [topics.gateway_status(), topics.head(), topics.applied(SITE)]
    return [*mine, *of_site, *lists, *changes, *gateway]


def send(port, messages, *, retained=False):
    """Publish (topic, payload) pairs as a stranger at the broker, and wait until it has them."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="a-stranger")
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for topic, payload in messages:
            sent = client.publish(topic, payload, qos=1, retain=retained)
            sent.wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()


def beside_the_clock(site):
    """Return a kiosk's facts without the gateway's time, which is noted whenever it comes."""
    return [fact for fact in facts_in(site.folder / "kiosk-1.db") if fact["kind"] != "clock"]


def test_a_card_nobody_knows_is_told_and_lends_nothing(site):
    """An unknown card gets a sentence on the screen; no visit opens and nothing is written."""
    before = beside_the_clock(site)
    site.world.add_card(STRANGE_CARD, "A bank card")
    site.place("kiosk-1/card", STRANGE_CARD)

    site.wait("a notice", lambda: bool(site.screen("kiosk-1").get("notice")))

    view = site.screen("kiosk-1")
    assert (view["state"], view["patron"]) == ("idle", None)
    assert beside_the_clock(site) == before
    site.finish("kiosk-1", STRANGE_CARD)


def test_a_tag_nobody_knows_is_told_and_lends_nothing(site):
    """A book of nobody's on the pad gets a tile that says so; the reader's own book is lent."""
    site.world.add_book(STRANGE_BOOK, "A book of nobody's", owner="ZZ-ELSEWHERE")
    site.show_card("kiosk-1", LENA)
    site.place("kiosk-1/pad", STRANGE_BOOK, MOMO)

    site.wait("Momo is lent", lambda: site.tiles("kiosk-1").get(MOMO, {}).get("state"), "done")

    site.wait("the other one is told", lambda: len(strangers(site)), 1)
    (other,) = strangers(site)
    assert other["notice"] or other["reasons"]
    assert site.tag(STRANGE_BOOK) == "in_stock"
    site.finish("kiosk-1", LENA)


def strangers(site):
    """Return the tiles of what is nobody's and was refused or told so."""
    tiles = site.screen("kiosk-1").get("items", [])
    return [tile for tile in tiles if tile["state"] in ("notice", "refused")]


def test_messages_nobody_can_read_end_nothing_and_are_named(site):
    """Garbage on every topic: each program lives, names the topic in its log, and goes on."""
    topics = all_topics()
    send(site.broker.port, [(topic, payload) for topic in topics for payload in HOSTILE])

    def named():
        return {name: "lg/1/" in site.running(name).said() for name in PROGRAMS}

    site.wait("each names what it refused", named, dict.fromkeys(PROGRAMS, True))
    goes_on(site, YUSUF, EMIL, DUNE)
    said = {name: site.running(name).said() for name in PROGRAMS}
    assert {
        name: text[text.find(TRACE) :][:1_500] for name, text in said.items() if TRACE in text
    } == {}


def test_garbage_that_the_broker_keeps_stops_no_start(site):
    """Retained garbage in place of every true word: kiosk and gate start from what they have."""
    send(site.broker.port, [(topic, b"{") for topic in all_topics()], retained=True)
    for name in ("kiosk-1", "gate-1"):
        site.stop(name)
        site.start(name)
    site.lend("kiosk-1", IDA, HOBBIT)
    site.walk_out("gate-1", MATILDA)
    rang = site.rang("gate-1")
    site.kill9("broker")
    site.broker.start()

    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    assert rang
    assert site.state(HOBBIT) == "on_loan"


def largest(site, pattern):
    """Return the size of the largest file whose name is like that."""
    return max(file.stat().st_size for file in site.folder.glob(pattern))


def lends(site, book):
    """Lend a book; return whether it was ticked before the kiosk stopped."""

    def is_so(seen):
        return seen(site) or site.screen("kiosk-1").get("state") == "stopped"

    def ticked(site):
        return site.tiles("kiosk-1").get(book, {}).get("state") == "done"

    site.place("kiosk-1/card", AMARA)
    site.wait("a greeting", lambda: is_so(lambda site: bool(site.screen("kiosk-1").get("patron"))))
    site.place("kiosk-1/pad", book)
    site.wait("a tick", lambda: is_so(ticked))
    if not ticked(site):
        return False
    site.finish("kiosk-1", AMARA, until=("idle", "stopped"))
    return True


def test_a_kiosk_whose_disk_takes_no_more_ticks_nothing(site):
    """When a write fails there is no tick and no loan, and the kiosk stays up and says so."""
    site.stop("kiosk-1")
    room = largest(site, "kiosk-1.db*") + 40_000
    site.start_limited("kiosk-1", room)
    ticked, refused = [], None
    for book in [key for key in site.world.things if key.startswith("30715")][10:30]:
        if not lends(site, book):
            refused = book
            break
        ticked.append(book)
    assert refused is not None, "the disk was never full"
    assert site.running("kiosk-1").code is None
    assert site.tiles("kiosk-1").get(refused, {}).get("state") != "done"
    assert site.screen("kiosk-1")["state"] == "stopped"
    site.kill9("kiosk-1")
    site.place("cards", AMARA)

    site.start("kiosk-1")
    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    # The disk may have been full between loan and tick: who leaves the book there owes nothing.
    site.wait("nobody has it", lambda: site.state(refused) != "on_loan")
    site.wait("its tag says so", lambda: site.tag(refused), "in_stock")
    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    assert [site.state(book) for book in ticked] == ["on_loan"] * len(ticked)
    assert TRACE not in site.running("kiosk-1").said()
    site.finish("kiosk-1")


def test_a_gateway_whose_disk_takes_no_more_acknowledges_nothing(site):
    """What the gateway cannot write it does not acknowledge; with room again it takes it all."""
    site.wait("nothing waits", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    site.stop("gateway")
    site.start_limited("gateway", ROOM_BYTES)
    site.wait("the kiosk is back", lambda: site.screen("kiosk-1").get("online"), within_s=BACK_S)
    lent, waiting = [], 0
    for book in [key for key in site.world.things if key.startswith("30715")][30:]:
        site.lend("kiosk-1", IDA, book)
        lent.append(book)
        try:
            # What is short still fits when something long did not: the kiosk's own loan must wait.
            site.wait("it is applied", lambda: site.drained("kiosk-1"), within_s=APPLIED_S)
        except NotSo:
            waiting = site.screen("kiosk-1")["waiting"]
            if waiting and "disk" in site.running("gateway").said():
                break
    said = site.running("gateway").said()
    alive = site.running("gateway").code is None
    site.kill9("gateway")
    site.start("gateway")

    site.wait("everything has gone", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    assert alive
    assert waiting > 0
    assert "disk" in said
    assert [site.state(book) for book in lent] == ["on_loan"] * len(lent)


def ended(program: Program, within_s=WITHIN_S):
    """Return how a program ended by itself: its exit code and what it said."""
    return program.wait(within_s), program.said()


@pytest.mark.parametrize("name", ["kiosk-2", "gate-2", "gateway"])
def test_a_misspelt_option_ends_the_program_with_one_sentence(site, name):
    """An option nobody reads is named, with the file, before anything is started."""
    with site.config_changed(name, 'databse = "elsewhere.db"\n') as program:
        code, said = ended(program)

    assert code != 0
    assert "databse" in said
    assert f"{name}-changed.toml" in said
    assert TRACE not in said


@pytest.mark.parametrize("name", ["kiosk-1", "gateway"])
def test_a_port_in_use_ends_the_program_with_one_sentence(site, name):
    """A second program on one port names the port and what to do, and ends."""
    with site.config_changed(name, "") as program:
        code, said = ended(program)

    assert code != 0
    assert "in use" in said or "another" in said
    assert str(site.port(name)) in said
    assert TRACE not in said


ANY = ("--broker-port", "--gateway-port", "--kiosk-1-port", "--kiosk-2-port")
DEMO = ("sim", "demo", "--folder", "demo", *(part for option in ANY for part in (option, "0")))


@pytest.mark.parametrize(
    "command",
    [("gateway", "broker", "--port"), ("sim", "bench", "--port"), (*DEMO, "--bench-port")],
    ids=["broker", "bench", "demo"],
)
def test_a_program_of_the_demo_names_a_port_in_use(site, command):
    """The broker, the bench and the demo name the port they cannot have, and end."""
    taken = str(site.port("gateway"))
    code, said = ended(site.program(command[1], *command, taken))

    assert code != 0
    assert taken in said
    assert TRACE not in said


def test_the_site_has_gone_on(site):
    """After all of this a reader borrows, and the gate stops a thief."""
    assert [site.running(name).code for name in PROGRAMS] == [None] * len(PROGRAMS)
    site.wait("nothing waits", lambda: site.drained("kiosk-1"), within_s=BACK_S)
    goes_on(site, YUSUF, "30715000000072", "30715000000080")
