"""Lists come over a bad network whole, or not at all; lending goes on from the old one."""

import hashlib
import http.server
import sqlite3
import threading

import pytest

from circulation.errors import SnapshotInvalid, SnapshotUnreachable
from kiosk.fetching import Fetcher, SnapshotFailed, SnapshotReady
from kiosk.snapshot import Shelf, check_pointer, open_snapshot, read_policies
from tests.kiosk.library import GOOSE, Kiosk, pointer, write_catalogue, write_patrons

BODY = bytes(range(256)) * 4_000


class Gateway(http.server.BaseHTTPRequestHandler):
    """Serves BODY with ranges, as unreliably as the test says."""

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        plan = self.server.plan
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked[6:-1]) if asked and plan.get("ranges", True) else 0
        body = plan.get("body", BODY)[start:]
        self.send_response(plan.get("status", 206 if start else 200))
        if start:
            self.send_header("Content-Range", plan.get("range", f"bytes {start}-/*"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: plan.get("cut", len(body))])
        plan.pop("cut", None)


@pytest.fixture
def gateway():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.plan, server.ranges = {}, []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shelf(tmp_path, gateway):
    return Shelf(tmp_path / "lists", f"http://127.0.0.1:{gateway.server_port}")


def body_pointer(version=3, **changed):
    found = pointer("catalogue", version, size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
    return found._replace(**changed)


def test_a_list_is_fetched_checked_and_named(shelf):
    """The file gets its name only after every byte was right."""
    file = shelf.fetch(body_pointer())

    assert file.read_bytes() == BODY
    assert [path.name for path in shelf.folder.iterdir()] == [file.name]


def test_a_broken_transfer_goes_on_where_it_stopped(shelf, gateway):
    """A school's line that breaks every minute still brings the catalogue."""
    gateway.plan["cut"] = 700_000
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())

    file = shelf.fetch(body_pointer())

    assert file.read_bytes() == BODY
    assert gateway.ranges == [None, "bytes=700000-"]


def test_a_server_without_ranges_sends_it_all_again(shelf, gateway):
    """An answer of the whole file replaces the half one."""
    gateway.plan["cut"] = 700_000
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())
    gateway.plan["ranges"] = False

    assert shelf.fetch(body_pointer()).read_bytes() == BODY


def test_wrong_bytes_are_thrown_away(shelf, gateway):
    """A list with another SHA-256 never gets a name, and the next try starts anew."""
    gateway.plan["body"] = b"x" * len(BODY)
    with pytest.raises(SnapshotInvalid, match="SHA-256"):
        shelf.fetch(body_pointer())
    gateway.plan.clear()

    assert shelf.fetch(body_pointer()).read_bytes() == BODY


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        ({"status": 404}, "404"),
        ({"status": 500}, "500"),
        ({"body": BODY + b"more"}, "more bytes than it promised"),
    ],
)
def test_a_gateway_that_answers_nonsense_is_told_by_name(shelf, gateway, plan, error):
    """Each failure says what came; none leaves a list behind."""
    gateway.plan.update(plan)

    with pytest.raises((SnapshotUnreachable, SnapshotInvalid), match=error):
        shelf.fetch(body_pointer())
    assert list(shelf.folder.glob("*.db")) == []


def test_a_range_that_was_not_asked_for_is_not_glued_on(shelf, gateway):
    """Bytes of another place would make a wrong list."""
    gateway.plan["cut"] = 700_000
    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())
    gateway.plan["range"] = "bytes 5-/*"

    with pytest.raises(SnapshotUnreachable, match="another range"):
        shelf.fetch(body_pointer())


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/etc/passwd"},
        {"path": "//evil.example/snapshot/catalogue/sqlite-1/3"},
        {"path": "/snapshot/catalogue/sqlite-1/3?x=1"},
        {"path": "/snapshot/../../secret"},
        {"bytes": 0},
        {"bytes": 1 << 40},
        {"format": "sqlite-2"},
        {"kind": "may_leave"},
    ],
)
def test_a_pointer_to_anything_else_is_not_followed(changed):
    """A hostile pointer makes the kiosk ask nobody for anything."""
    with pytest.raises(SnapshotInvalid):
        check_pointer(body_pointer(**changed))


def test_an_unreachable_gateway_is_worth_another_try(tmp_path):
    """No network is an ordinary day."""
    shelf = Shelf(tmp_path, "http://127.0.0.1:1")

    with pytest.raises(SnapshotUnreachable):
        shelf.fetch(body_pointer())


def test_the_fetcher_delivers_what_became_of_a_list(shelf, gateway):
    """The engine hears of success and of failure, and of nothing else."""
    heard = []
    fetcher = Fetcher(shelf, lambda event: heard.append(event) or True)
    fetcher.work(body_pointer())
    gateway.plan["status"] = 500
    fetcher.work(body_pointer(version=4))

    assert isinstance(heard[0], SnapshotReady)
    assert isinstance(heard[1], SnapshotFailed)
    assert "500" in heard[1].why


@pytest.mark.parametrize(
    "content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"x" * 90]
)
def test_a_file_that_is_no_list_is_not_opened(tmp_path, content):
    """Garbage is an error, never an empty catalogue."""
    file = tmp_path / "x.db"
    file.write_bytes(content)

    with pytest.raises(SnapshotInvalid):
        open_snapshot(file, "catalogue")


def test_a_list_of_another_schema_is_not_opened(tmp_path):
    """A newer gateway's format is told to staff, the old list stays."""
    file = tmp_path / "x.db"
    write_catalogue(file, version=1)
    with sqlite3.connect(file) as base:
        base.execute("PRAGMA user_version=9")
    base.close()

    with pytest.raises(SnapshotInvalid, match="schema 9"):
        open_snapshot(file, "catalogue")


def test_an_opened_list_cannot_be_written(tmp_path):
    """What the gateway said is never changed here."""
    file = tmp_path / "x.db"
    write_catalogue(file, version=1)
    opened = open_snapshot(file, "catalogue")

    with pytest.raises(sqlite3.OperationalError):
        opened.execute("DELETE FROM item")
    opened.close()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"policies": 3}', '{"policies": [1]}'])
def test_a_policy_file_that_is_none_is_refused(tmp_path, content):
    """Rules that do not read are never guessed."""
    file = tmp_path / "policy.json"
    file.write_text(content)

    with pytest.raises(SnapshotInvalid):
        read_policies(file)


def test_a_bad_new_list_leaves_the_old_one_in_use(tmp_path):
    """Lending goes on from the old list, and staff are told."""
    kiosk = Kiosk(tmp_path).load(version=5)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"nothing")
    kiosk.ready(pointer("catalogue", 6), broken)

    assert kiosk.engine.lists.beliefs.item(GOOSE) is not None
    assert kiosk.engine.lists.version("catalogue") == 5
    assert "catalogue" in kiosk.engine.lists.trouble
    assert "list catalogue" in kiosk.engine.feelings().health


def test_a_list_that_was_just_fetched_survives_the_adoption_of_another(tmp_path):
    """Two lists arrive together; taking the first into use must not delete the second."""
    kiosk = Kiosk(tmp_path)
    folder = kiosk.engine.lists.fetcher.shelf.folder
    folder.mkdir()
    catalogue, patrons = folder / "catalogue-x-1.db", folder / "patrons-x-1.db"
    older = folder / "catalogue-x-0.db"
    older.write_bytes(b"old")
    write_catalogue(catalogue, version=1)
    write_patrons(patrons)

    kiosk.ready(pointer("catalogue", 1), catalogue)
    kiosk.ready(pointer("patrons", 1), patrons)

    assert kiosk.engine.lists.versions() == {"catalogue": 1, "patrons": 1}
    assert not older.exists()


def test_a_failed_fetch_is_tried_again_later_each_time(tmp_path):
    """The first wait is short, the longest five minutes."""
    kiosk = Kiosk(tmp_path).connect()
    asked = []

    class Asked(Fetcher):
        def fetch(self, found):
            asked.append(found.version)
            return True

    kiosk.engine.lists.fetcher = Asked(Shelf(tmp_path, "http://127.0.0.1:1"), lambda event: True)
    kiosk.hear(kiosk.topics.snapshot("catalogue", "sqlite-1"), pointer("catalogue", 5))
    assert asked == [5]

    for _ in range(3):
        kiosk.engine.inbox.deliver(SnapshotFailed("catalogue", "no route"))
        kiosk.run(30_000)

    assert asked == [5, 5, 5, 5]


def test_the_lists_of_the_last_run_are_there_at_once(tmp_path):
    """A kiosk that starts without any network lends."""
    kiosk = Kiosk(tmp_path).load(version=5)
    kiosk.power_cut()
    kiosk.run(600).show_card()
    kiosk.place(GOOSE)

    assert kiosk.tiles == {"The Snow Goose": "done"}
