"""A list comes whole or not at all, cut wherever, and never at the cost of a fact."""

import errno
import hashlib
import http.client
import io
import random
import resource

import pytest
import zstandard

from circulation.download import PARTS, SPARE_BYTES
from circulation.errors import (
    NoRoomForSnapshot,
    SnapshotBusy,
    SnapshotError,
    SnapshotInvalid,
    SnapshotUnreachable,
)
from kiosk.fetching import Fetcher, SnapshotFailed
from kiosk.lists import ASK_WHERE_MS, RETRY_MS_MAX
from kiosk.snapshot import Shelf
from tests.kiosk.library import (
    ANNA,
    ANNAS_CARD,
    BEN,
    GOOSE,
    LINEAGE,
    MOMO,
    Kiosk,
    item_row,
    pointer,
    write_catalogue,
)

BODY = b"".join(b"item %d stands at QA %d\n" % (n, n % 97) for n in range(2_000))
PACKED = zstandard.ZstdCompressor().compress(BODY)
SHA256 = hashlib.sha256(BODY).hexdigest()
MUCH = 1 << 40


class Gateway:
    """Answers as the gateway's route does, until the line breaks after `cut` bytes."""

    def __init__(self, *, body=BODY, packed=PACKED, sha256=SHA256, cut=None):
        self.body, self.packed, self.sha256 = body, packed, sha256
        self.cut = cut
        self.asked = []
        self.refusal = None
        self.stream = io.BytesIO

    def connect(self, _url):
        return Connection(self)

    def answer(self, headers):
        """Return head and body of the answer to a request with these headers."""
        self.asked.append(headers)
        if self.refusal:
            return self.refusal, b""
        is_packed = self.packed is not None and "zstd" in headers.get("Accept-Encoding", "")
        body = self.packed if is_packed else self.body
        tag = f'"{self.sha256}-zstd"' if is_packed else f'"{self.sha256}"'
        start = 0
        if headers.get("If-Range", tag) == tag:
            start = int(headers.get("Range", "bytes=0-")[6:-1])
        if start >= len(body):
            return "HTTP/1.1 416 Range Not Satisfiable\r\n", b""
        head = f"HTTP/1.1 {206 if start else 200} OK\r\nContent-Length: {len(body) - start}\r\n"
        if is_packed:
            head += "Content-Encoding: zstd\r\n"
        if start:
            head += f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}\r\n"
        return head, body[start:][: self.cut]


class Connection:
    """A connection without a socket."""

    def __init__(self, gateway):
        self.gateway = gateway

    def request(self, _method, _path, headers):
        self.head, self.body = self.gateway.answer(headers)

    def getresponse(self):
        stream = self.gateway.stream(self.head.encode() + b"\r\n" + self.body)

        class Socket:
            def makefile(self, _mode):
                return stream

        response = http.client.HTTPResponse(Socket())
        response.begin()
        return response

    def close(self):
        """Nothing is open."""


class Pieces(io.BytesIO):
    """Bytes that come a kilobyte at a time; something happens before the third."""

    def __init__(self, content, meanwhile):
        super().__init__(content)
        self.before = [lambda: None, lambda: None, meanwhile]

    def read(self, size):
        if self.before:
            self.before.pop(0)()
        return super().read(min(size, 1_024))


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def shelf(tmp_path, gateway):
    return Shelf(tmp_path / "lists", "http://gateway", gateway.connect, free_bytes=lambda _: MUCH)


def body_pointer(version=3, **changed):
    return pointer("catalogue", version, size=len(BODY), sha256=SHA256)._replace(**changed)


def names(shelf):
    return sorted(file.suffix for file in shelf.folder.iterdir())


def test_a_list_comes_packed_and_is_unpacked(shelf, gateway):
    """A quarter of the bytes on the line, the promised ones on the disk, nothing beside them."""
    file = shelf.fetch(body_pointer())

    assert file.read_bytes() == BODY
    assert names(shelf) == [".db"]
    assert gateway.asked == [{"Accept-Encoding": "zstd"}]


@pytest.mark.parametrize("packed", [PACKED, None], ids=["packed", "plain"])
@pytest.mark.parametrize("seed", range(3))
def test_a_list_cut_at_any_byte_goes_on_there(tmp_path, packed, seed):
    """However often the line breaks, and wherever, no byte that came is asked for again."""
    chance, gateway = random.Random(f"{seed} cuts"), Gateway(packed=packed)
    shelf = Shelf(tmp_path, "http://gateway", gateway.connect, free_bytes=lambda _: MUCH)
    sent = PACKED if packed else BODY
    have = tries = 0
    while True:
        gateway.cut = chance.choice([1, 2, chance.randrange(1, len(sent))])
        tries += 1
        try:
            file = shelf.fetch(body_pointer())
            break
        except SnapshotUnreachable:
            have += gateway.cut
            (part,) = tmp_path.iterdir()
            assert part.stat().st_size == have, seed

    assert file.read_bytes() == BODY, seed
    assert len(gateway.asked) == tries
    assert all("If-Range" in headers for headers in gateway.asked[1:])


@pytest.mark.parametrize("cut", [1, len(PACKED) // 2, len(PACKED) - 1])
def test_another_list_under_the_same_name_is_not_glued_on(shelf, gateway, cut):
    """The gateway was restored meanwhile: it sends all of it, and the beginning is dropped."""
    gateway.cut = cut
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())
    gateway.cut, gateway.sha256 = None, "0" * 64

    assert shelf.fetch(body_pointer()).read_bytes() == BODY


def test_a_power_cut_while_unpacking_costs_no_byte_of_the_line(shelf, gateway):
    """What was packed is all here; the gateway says so, and it is unpacked again."""
    shelf.folder.mkdir()
    stem = shelf.folder / f"catalogue-{SHA256[:16]}"
    stem.with_suffix(".packed").write_bytes(PACKED)
    stem.with_suffix(".whole").write_bytes(BODY[:1000])

    file = shelf.fetch(body_pointer())

    assert file.read_bytes() == BODY
    assert names(shelf) == [".db"]
    assert gateway.asked[0]["Range"] == f"bytes={len(PACKED)}-"


@pytest.mark.parametrize(
    "packed",
    [
        PACKED[:50] + b"\xff" * 20 + PACKED[70:],
        b"no zstd at all" * 100,
        zstandard.ZstdCompressor().compress(b"x" * len(BODY)),
    ],
    ids=["damaged", "not packed", "another list"],
)
def test_what_unpacks_to_nonsense_is_fetched_anew(shelf, gateway, packed):
    """Nothing of it stays, and the next try has the list."""
    gateway.packed = packed
    with pytest.raises(SnapshotError):
        shelf.fetch(body_pointer())
    assert names(shelf) == []
    gateway.packed = PACKED

    assert shelf.fetch(body_pointer()).read_bytes() == BODY


@pytest.fixture
def small_files():
    """Let no file of this process grow beyond a megabyte, as a full card would not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_unpacks_to_a_mountain_fills_no_disk(shelf, gateway, small_files):
    """A few kilobytes may unpack to gigabytes: no more is written than was promised."""
    gateway.packed = zstandard.ZstdCompressor().compress(bytes(64 << 20))

    with pytest.raises(SnapshotInvalid):
        shelf.fetch(body_pointer())

    assert names(shelf) == []


def test_more_than_could_ever_be_packed_is_not_taken(shelf, gateway):
    """A stream without an end is cut off soon after the promised size."""
    gateway.packed = random.Random(1).randbytes(2 * len(BODY) + (1 << 20))

    with pytest.raises(SnapshotInvalid, match="more bytes than it promised"):
        shelf.fetch(body_pointer())
    assert names(shelf) == []


def test_a_card_without_room_for_a_second_list_is_told(tmp_path, gateway):
    """The list in use stays; nothing is asked for, and the sentence says what to do."""
    room = SPARE_BYTES + len(BODY) - 1
    shelf = Shelf(tmp_path, "http://gateway", gateway.connect, free_bytes=lambda _: room)

    with pytest.raises(NoRoomForSnapshot, match="make room on the card"):
        shelf.fetch(body_pointer())
    assert gateway.asked == []


def test_what_is_here_already_needs_no_room_again(tmp_path):
    """Nine tenths came yesterday; the last tenth fits, though the whole list would not."""
    gateway = Gateway(packed=None, cut=len(BODY) - 1_000)
    room = [MUCH]
    shelf = Shelf(tmp_path, "http://gateway", gateway.connect, free_bytes=lambda _: room[0])
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())
    room[0] = SPARE_BYTES + 1_000

    assert shelf.fetch(body_pointer()).read_bytes() == BODY


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_card_that_fills_meanwhile_loses_the_list_and_not_a_fact(tmp_path, gateway, code):
    """What has come is deleted at once: the journal needs the room more."""

    class Full(Connection):
        def getresponse(self):
            raise OSError(code, "No space left on device")

    part = tmp_path / f"catalogue-{SHA256[:16]}.packed"
    part.write_bytes(PACKED[:100])
    shelf = Shelf(tmp_path, "http://gateway", lambda _: Full(gateway), free_bytes=lambda _: MUCH)

    with pytest.raises(NoRoomForSnapshot):
        shelf.fetch(body_pointer())
    assert list(tmp_path.iterdir()) == []


def test_the_beginning_of_an_older_list_makes_room_for_the_newer(shelf, gateway):
    """Nobody will ask for the rest of it; lists of other kinds are left alone."""
    gateway.cut = 100
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer(sha256="1" * 64))
    (shelf.folder / "patrons-ab.part").write_bytes(b"begun")
    gateway.cut = None

    shelf.fetch(body_pointer(version=4))

    assert names(shelf) == [".db", ".part"]


def test_a_busy_gateway_names_the_time(shelf, gateway):
    """Its appointment is kept to; what had come stays."""
    gateway.cut = 100
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())
    waits = []
    for told in ("Retry-After: 17\r\n", "", "Retry-After: soon\r\n", "Retry-After: 99999\r\n"):
        gateway.refusal = "HTTP/1.1 503 Busy\r\n" + told
        with pytest.raises(SnapshotBusy) as busy:
            shelf.fetch(body_pointer())
        waits.append(busy.value.again_ms)

    assert waits == [17_000, 60_000, 60_000, 3_600_000]
    assert names(shelf) == [PARTS[1]]


class Asked(Fetcher):
    """Notes what is to be fetched, and fetches nothing."""

    def __init__(self, folder):
        super().__init__(Shelf(folder, "http://127.0.0.1:1"), lambda event: True)
        self.pointers = []

    def fetch(self, found):
        self.pointers.append((found.lineage, found.version))
        return True


@pytest.fixture
def kiosk(tmp_path):
    """A connected kiosk that fetches nothing, but wants to."""
    kiosk = Kiosk(tmp_path).load(version=5).connect()
    kiosk.engine.lists.fetcher = Asked(tmp_path)
    return kiosk


def hear_pointer(kiosk, version, lineage=LINEAGE):
    found = pointer("catalogue", version, lineage=lineage)
    return kiosk.hear(kiosk.topics.snapshot("catalogue", "sqlite-1"), found)


def test_an_appointment_is_kept_and_is_no_trouble(kiosk):
    """Not before its second, soon after it, whatever else reminds of the list; lending goes on."""
    asked = kiosk.engine.lists.fetcher.pointers
    hear_pointer(kiosk, 1, lineage="b" * 16)
    assert len(asked) == 1
    kiosk.engine.inbox.deliver(SnapshotFailed("catalogue", "busy", again_ms=120_000))

    for n in range(7):
        kiosk.hear_head(n=n + 1, lineage="b" * 16, catalogue=1)
        kiosk.run(17_000)
    before = len(asked)
    kiosk.run(3_000)

    assert (before, len(asked)) == (1, 2)
    assert kiosk.engine.lists.trouble == {}
    assert kiosk.engine.lists.beliefs.item(GOOSE) is not None


def test_failures_are_tried_again_at_times_of_one_s_own(kiosk):
    """Kiosks that lost the gateway together do not come back together; none waits for ever."""
    lists = kiosk.engine.lists
    hear_pointer(kiosk, 1, lineage="b" * 16)
    waits = []
    for _ in range(8):
        kiosk.engine.inbox.deliver(SnapshotFailed("catalogue", "no route"))
        began = len(lists.fetcher.pointers)
        began_ms = kiosk.engine.time.mono_ms
        while len(lists.fetcher.pointers) == began:
            kiosk.run(100)
        waits.append(kiosk.engine.time.mono_ms - began_ms)

    assert 2_000 <= waits[0] <= 5_200
    assert max(waits) <= RETRY_MS_MAX + 200
    assert len(set(waits)) > 4


def test_a_kiosk_that_was_told_of_no_list_asks_where_it_is(kiosk):
    """The broker lost what it had kept, or had no room to hand it out; without a list nothing
    can be lent, so somebody has to be asked."""
    lists = kiosk.engine.lists
    kiosk.hear_head(n=1, lineage="b" * 16, catalogue=1)
    kiosk.run(500)
    began_ms = kiosk.engine.time.mono_ms
    lists.tick(began_ms)

    before = lists.tick(began_ms + ASK_WHERE_MS - 1_000)
    (asked,) = lists.tick(began_ms + ASK_WHERE_MS)
    again = lists.tick(began_ms + ASK_WHERE_MS + 1_000)

    said = asked.message
    assert (said.op, said.kind, said.version, said.format) == ("since", "catalogue", 0, "sqlite-1")
    assert before == again == []
    hear_pointer(kiosk, 1, lineage="b" * 16)
    assert len(lists.fetcher.pointers) == 1
    assert lists.tick(began_ms + 3 * ASK_WHERE_MS) == []


def test_a_list_of_a_history_that_is_past_is_not_fetched(kiosk):
    """The gateway was restored; what is still announced is half a gigabyte of yesterday."""
    asked = kiosk.engine.lists.fetcher.pointers
    kiosk.hear_head(n=1, lineage="b" * 16, catalogue=1)
    kiosk.run(2_000)
    hear_pointer(kiosk, 9, lineage="c" * 16)
    past = list(asked)

    hear_pointer(kiosk, 1, lineage="b" * 16)

    assert past == []
    assert asked == [("b" * 16, 1)]


def test_what_was_lent_and_returned_while_a_new_list_came_is_known_beside_it(tmp_path):
    """People borrow by the old list until the last byte; the new one was made before they did,
    and un-lends nothing of it."""
    other, loan = "b" * 16, {"state": "on_loan", "patron_id": BEN, "loan": "1" * 16, "due_at": 1}
    rows = [item_row(MOMO, reach=3, **loan)]
    write_catalogue(tmp_path / "new.db", version=1, items=rows, lineage=other)
    body = (tmp_path / "new.db").read_bytes()
    sha256 = hashlib.sha256(body).hexdigest()
    gateway = Gateway(body=body, packed=None, sha256=sha256)
    shelf = Shelf(tmp_path / "lists", "http://gateway", gateway.connect, free_bytes=lambda _: MUCH)
    kiosk = Kiosk(tmp_path).load(version=5, items=rows).connect()
    fetcher = kiosk.engine.lists.fetcher = Fetcher(shelf, kiosk.engine.inbox.deliver)
    meanwhile = []

    def lend_and_take_back():
        kiosk.show_card(ANNAS_CARD).place(GOOSE).press("finish")
        kiosk.lift(GOOSE).press("mode", mode="return")
        kiosk.place(MOMO)
        meanwhile.extend([*names(shelf), kiosk.engine.lists.lineage, dict(kiosk.tiles)])

    gateway.stream = lambda content: Pieces(content, lend_and_take_back)
    new = pointer("catalogue", 1, lineage=other, size=len(body), sha256=sha256)
    kiosk.hear(kiosk.topics.snapshot("catalogue", "sqlite-1"), new)
    for found in fetcher.take_wanted():
        fetcher.work(found)
    kiosk.engine.step()

    assert meanwhile == [".part", LINEAGE, {"Momo": "done"}]
    assert kiosk.engine.lists.lineage == other
    assert (kiosk.loan(GOOSE), kiosk.loan(MOMO)) == (ANNA, None)
    assert [fact["item"] for fact in kiosk.facts("checkout", "checkin")] == [GOOSE, MOMO]
