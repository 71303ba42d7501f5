"""Pads that fail: every fault is a named error, heals by itself, and is never believed."""

import pytest
import serial

from hardware.errors import DeviceError, DeviceGarbled, DeviceTimeout, DeviceUnavailable, TagError
from hardware.ports import Security
from hardware.readers.serial_pad import PadOptions
from sim.faults import DELAYED, GARBAGE, INTERMITTENT, OFF, SLOW, STUCK
from tests.hardware.readers.pads import BOOK, CONTENT, MAKERS, NEIGHBOUR, Table

SWITCH = {Security.ON_LOAN: Security.IN_STOCK, Security.IN_STOCK: Security.ON_LOAN}
AFI = {Security.ON_LOAN: 0xC2, Security.IN_STOCK: 0x07}


@pytest.fixture(params=sorted(MAKERS))
def table(request):
    return Table(request.param)


def attempt(action):
    """Return what an action returns, or the error by name that it ends with."""
    try:
        return action()
    except (DeviceError, TagError) as error:
        return error


def use(table, rounds):
    """Use the pad like a kiosk while another hand changes the book; check all that it says.

    Returns how many answers were believed.
    """
    book = table.pad.field.get(BOOK) or table.place()
    believed = 0
    for number in range(rounds):
        book.afi = AFI[Security.ON_LOAN if number % 3 else Security.IN_STOCK]
        seen = attempt(table.reader.inventory)
        told = attempt(lambda: table.reader.get_security(BOOK))
        content = attempt(lambda: table.reader.read_content(BOOK))
        wanted = SWITCH[book.security]
        switched = attempt(lambda wanted=wanted: table.reader.set_security(BOOK, wanted))
        if not isinstance(seen, Exception):
            believed += 1
            assert seen.uids == (BOOK,)
        if not isinstance(told, Exception):
            believed += 1
            assert told is SWITCH[wanted]
        if not isinstance(content, Exception):
            believed += 1
            assert content.pii == CONTENT.pii
        if switched is None:
            believed += 1
            assert book.security is wanted
    return believed


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (GARBAGE, {}),
        (DELAYED, {}),
        (OFF, {}),
        (STUCK, {}),
        (SLOW, {"slow_ms": 300}),
        (SLOW, {"slow_ms": 1_500}),
        (SLOW, {"slow_ms": 2_600}),
        (INTERMITTENT, {"share": 0.1, "seed": 1}),
        (INTERMITTENT, {"share": 0.5, "seed": 2}),
    ],
)
def test_nothing_untrue_is_ever_believed(table, fault, options):
    """Thirty rounds under each fault: what is said is true, or it is an error with a name."""
    use(table, 1)
    table.pad.fail(fault, **options)
    believed = use(table, 30)

    assert believed == {GARBAGE: 0, DELAYED: 0, OFF: 0}.get(fault, believed)
    if fault == SLOW and options["slow_ms"] == 300:
        assert believed == 120


@pytest.mark.parametrize("fault", [GARBAGE, DELAYED, OFF, STUCK, SLOW, INTERMITTENT])
def test_a_mended_pad_heals_without_a_restart(table, fault):
    """After any fault the second try at the latest is as good as ever, and health is green."""
    use(table, 1)
    table.pad.fail(fault, **({"slow_ms": 1_500} if fault == SLOW else {}))
    use(table, 3)
    table.pad.mend()
    table.clock.advance(2_000)
    attempt(table.reader.inventory)

    assert use(table, 3) == 12
    assert table.reader.health().ok


@pytest.mark.parametrize(
    ("fault", "error"),
    [(GARBAGE, DeviceGarbled), (OFF, DeviceTimeout), (STUCK, DeviceTimeout)],
)
def test_each_fault_has_its_own_error_and_next_step(table, fault, error):
    """The message names the pad and says what to do."""
    table.place()
    table.reader.inventory()
    table.pad.fail(fault)

    with pytest.raises(error, match=r"^pad: .*(check its|unplug it)"):
        table.reader.get_security(BOOK)
    assert not table.reader.health().ok


class OneLatePort:
    """A port whose device answers the question before, from the first moment on.

    It begins with the last answer from when all was well: nothing on the line ever looks wrong.
    """

    def __init__(self, port, clock):
        self.port = port
        self.clock = clock
        self.is_late = False
        self.held = b""
        self.arrived = b""
        self.timeout = 0.0

    @property
    def in_waiting(self):
        return len(self.arrived)

    def write(self, data):
        self.port.reset_input_buffer()
        self.port.write(data)
        self.port.timeout = 0.05
        answer = self.port.read(4_096)
        if self.is_late:
            answer, self.held = self.held, answer
        else:
            self.held = answer
        self.arrived += answer
        return len(data)

    def read(self, size=1):
        found, self.arrived = self.arrived[:size], self.arrived[size:]
        if len(found) < size:
            self.clock.advance(int(self.timeout * 1_000))
        return found

    def reset_input_buffer(self):
        self.arrived = b""

    def close(self):
        self.port.close()


@pytest.fixture(params=sorted(MAKERS))
def late_table(request):
    ports = []

    def open_port(url, **settings):
        ports.append(OneLatePort(serial.serial_for_url(url, **settings), table.clock))
        return ports[-1]

    table = Table(request.param, open_port=open_port)
    table.ports = ports
    return table


@pytest.mark.parametrize("security", sorted(AFI, key=str))
@pytest.mark.parametrize(
    "last",
    [
        lambda reader: reader.inventory(),
        lambda reader: reader.get_security(BOOK),
        lambda reader: reader.get_security(NEIGHBOUR),
        lambda reader: reader.read_content(NEIGHBOUR),
        lambda reader: reader.read(NEIGHBOUR, 0, 4),
        lambda reader: reader.set_security(BOOK, Security.ON_LOAN),
        lambda reader: reader.write(NEIGHBOUR, 0, bytes(36)),
    ],
    ids=["inventory", "own", "other", "content", "blocks", "switched", "written"],
)
def test_a_late_answer_is_never_taken_for_this_one(late_table, last, security):
    """Whatever was asked last, its answer coming now is no book's security and no content."""
    table = late_table
    book, _ = table.place(), table.place(NEIGHBOUR, content=None)
    last(table.reader)
    table.ports[0].is_late = True
    book.afi = AFI[security]

    for _ in range(4):
        for ask in (
            lambda: table.reader.get_security(BOOK),
            lambda: table.reader.read_content(BOOK),
            lambda: table.reader.read(BOOK, 0, 4),
            lambda: table.reader.set_security(BOOK, SWITCH[security]),
        ):
            with pytest.raises(DeviceError):
                ask()
    assert not table.reader.health().ok


def test_a_late_pad_is_found_out_by_its_inventories_alone(late_table):
    """A gate that asks nothing else notices within some seconds, and says so."""
    table = late_table
    table.reader.inventory()
    table.ports[0].is_late = True
    errors = 0
    for _ in range(50):
        table.clock.advance(100)
        errors += isinstance(attempt(table.reader.inventory), DeviceError)

    assert errors > 0
    assert isinstance(attempt(table.reader.inventory), DeviceError)


def test_after_silence_nothing_is_believed_before_the_pad_is_in_step(table):
    """A pad that falls behind fails every inventory from its first silence on."""
    book = table.place()
    table.reader.inventory()
    table.pad.fail(DELAYED)
    table.pad.lift(book.uid)
    for _ in range(5):
        with pytest.raises(DeviceError):
            table.reader.inventory()


def test_what_came_before_a_question_is_no_answer_to_it(table):
    """An old inventory that still lies in the port does not bring a book back."""
    table.place()
    table.reader.inventory()
    old = table.pad.history[-1].raw
    table.pad.lift(BOOK)
    table.pad.say(old)
    table.clock.advance(10)

    assert table.reader.inventory().uids == ()


def test_an_answer_behind_a_damaged_one_is_not_believed(table):
    """Bytes of a tag may look like an answer: behind a wrong checksum none is taken for one."""
    table.place(security=Security.ON_LOAN)
    table.reader.inventory()
    table.reader.get_security(BOOK)
    good = table.pad.history[-1].raw
    table.reader.inventory()
    table.pad.make_noise(good[:-1] + bytes((good[-1] ^ 1,)) + good)
    with pytest.raises(DeviceGarbled):
        table.reader.get_security(BOOK)


def test_an_answer_cut_at_any_byte_is_a_named_error(table):
    """Half an answer, wherever it ends: damaged or missing, never half a truth."""
    table.place(security=Security.ON_LOAN)
    table.reader.inventory()
    table.reader.get_security(BOOK)
    for cut in range(len(table.pad.history[-1].raw)):
        table.reader.inventory()
        table.pad.cut_answer(cut)
        with pytest.raises((DeviceGarbled, DeviceTimeout)):
            table.reader.get_security(BOOK)
        assert table.reader.get_security(BOOK) is Security.ON_LOAN


@pytest.mark.parametrize("noise", [b"\x00", b"\xff" * 7, b"\xd6\x00", b"\x7e\x81" * 20])
def test_noise_before_an_answer_costs_at_most_that_answer(table, noise):
    """A bad contact crackles: the next question is answered, and nothing wrong is heard."""
    table.place(security=Security.ON_LOAN)
    table.reader.inventory()
    table.pad.make_noise(noise)
    told = attempt(lambda: table.reader.get_security(BOOK))

    assert told is Security.ON_LOAN or isinstance(told, DeviceError)
    assert table.reader.get_security(BOOK) is Security.ON_LOAN


def test_answers_in_pieces_are_put_together(table):
    """A bridge that hands over two bytes every 20 ms is slow and right."""
    table.pad.split_answers(2, 2, 2, 2, 2, gap_ms=20)

    assert use(table, 3) == 12


def test_a_pad_that_never_stops_talking_is_a_named_error(table):
    """Some other device on that port: told apart within a second, and no memory is eaten."""
    table.reader.inventory()

    class Babble:
        timeout = 0.0
        in_waiting = 1

        def read(self, size=1):
            return b"\xd6\x00\x10\xb0" * (size // 4) + b"\x00" * (size % 4)

        def write(self, data):
            return len(data)

        def reset_input_buffer(self):
            pass

        def close(self):
            pass

    babbling = Table(table.maker, open_port=lambda *_, **__: Babble())
    with pytest.raises(DeviceGarbled, match="never stops talking"):
        babbling.reader.inventory()


@pytest.mark.parametrize("settings", [{"baudrate": 9_600}, {"baudrate": 57_600}, {"parity": "O"}])
def test_a_line_set_wrongly_says_what_to_compare(table, settings):
    """Another baud rate or parity than the pad's: a named error with both words in it."""

    def open_port(port, **told):
        return serial.serial_for_url(port, **{**told, **settings})

    wrong = Table(table.maker, open_port=open_port)
    with pytest.raises((DeviceTimeout, DeviceGarbled), match="baud rate and parity"):
        wrong.reader.inventory()
    assert "baud rate and parity" in wrong.reader.health().detail


def test_an_answer_just_too_late_costs_no_second_question():
    """A 3M pad hears nothing while it works: who asks on at once is not heard either."""
    table = Table("3m")
    table.reader.inventory()
    table.pad.fail(SLOW, slow_ms=1_015)
    with pytest.raises(DeviceTimeout):
        table.reader.inventory()
    table.pad.mend()

    assert table.reader.inventory().complete


def test_a_silent_pad_is_asked_for_a_second_and_no_longer(table):
    """A dead pad costs a program one timeout at a time."""
    quick = Table(table.maker, options=PadOptions(timeout_ms=250))
    quick.reader.inventory()
    quick.pad.fail(OFF)
    before_ms = quick.clock.now_ms()
    with pytest.raises(DeviceTimeout, match="within 250 ms"):
        quick.reader.inventory()

    assert quick.clock.now_ms() - before_ms == 250


def test_health_costs_a_busy_pad_nothing(table):
    """While the pad is in use its last answer tells how it is; nothing more is asked."""
    table.reader.inventory()
    asked = len(table.asked())
    for _ in range(19):
        table.clock.advance(100)
        assert table.reader.health().ok

    assert len(table.asked()) == asked


def test_health_of_an_idle_pad_is_never_older_than_two_seconds(table):
    """Nobody reads; its power goes: red within two seconds and a timeout, and green again."""
    assert table.reader.health().ok
    table.pad.fail(OFF)
    seen = []
    for _ in range(40):
        table.clock.advance(100)
        before_ms = table.clock.now_ms()
        seen.append(table.reader.health().ok)
        assert table.clock.now_ms() - before_ms <= 40
    assert seen.index(False) <= 32
    assert not any(seen[seen.index(False) :])
    table.pad.mend()
    green = []
    for _ in range(30):
        table.clock.advance(100)
        green.append(table.reader.health().ok)

    assert green.index(True) <= 20
    assert all(green[green.index(True) :])


def test_a_patient_site_sees_a_dead_pad_all_the_same(table):
    """With ten seconds for an answer a dead pad is still red within five."""
    patient = Table(table.maker, options=PadOptions(timeout_ms=10_000))
    assert patient.reader.health().ok
    patient.pad.fail(OFF)
    for _ in range(50):
        patient.clock.advance(100)
        patient.reader.health()

    assert not patient.reader.health().ok


def test_health_of_a_late_pad_stays_red(late_table):
    """One question late, each greeting is answered with the other: never taken for well."""
    table = late_table
    table.reader.inventory()
    table.ports[0].is_late = True
    seen = []
    for _ in range(100):
        table.clock.advance(100)
        seen.append(table.reader.health().ok)

    assert not any(seen[40:])


def test_a_pulled_plug_is_told_and_heals(table):
    """Unavailable at once, with what to do; in use again as soon as the plug is back."""
    use(table, 1)
    table.pad.unplug()
    with pytest.raises(DeviceUnavailable, match="check its plug"):
        table.reader.inventory()
    for _ in range(50):
        table.clock.advance(100)
        assert not table.reader.health().ok
    table.pad.plug_in()
    table.clock.advance(2_000)

    assert use(table, 3) == 12
    assert table.reader.health().ok


def test_a_replugged_pad_is_green_without_being_asked(table):
    """A pad that nobody uses just then: its health alone finds it again, within 5 s."""
    assert table.reader.health().ok
    table.pad.unplug()
    red = []
    for _ in range(50):
        table.clock.advance(100)
        red.append(table.reader.health().ok)
    table.pad.plug_in()
    green = []
    for _ in range(50):
        table.clock.advance(100)
        green.append(table.reader.health().ok)

    assert red.index(False) <= 20
    assert green[-1]


def test_a_plug_pulled_within_a_switch_is_no_success(table):
    """Pulled while the tag is written: unavailable, and the truth is read afterwards."""
    book = table.place(security=Security.IN_STOCK)
    table.reader.inventory()
    table.pad.watchers.append(lambda frame: None if frame.to_host else table.pad.unplug())
    with pytest.raises(DeviceUnavailable):
        table.reader.set_security(BOOK, Security.ON_LOAN)
    table.pad.watchers.clear()
    table.pad.plug_in()
    table.clock.advance(2_000)

    assert table.reader.get_security(BOOK) is book.security
