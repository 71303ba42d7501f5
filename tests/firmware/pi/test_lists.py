"""Lists from the gateway: verified, renamed into place, kept beside the history before."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import zstandard

from circulation.gateway_http import plain
from circulation.wire.messages import Pointer
from firmware.pi.errors import ListRefused
from firmware.pi.lists import Fetched, ListFolder, NotFetched, fetch, parse_list

PATH = "/snapshot/may_leave/json-1/5"
AA, BB = "00000000000000aa", "00000000000000bb"


def snapshot(lineage=AA, version=5, keys=(("e001", 3),), unsecured=()):
    document = {"lineage": lineage, "version": version}
    return json.dumps(document | {"keys": list(keys), "unsecured": list(unsecured)}).encode()


def pointer(content, *, sha256=None, size=None, path="/snapshot/may_leave/json-1/5"):
    digest = sha256 or hashlib.sha256(content).hexdigest()
    size = len(content) if size is None else size
    return Pointer("may_leave", "json-1", AA, 5, size, digest, path)


@pytest.fixture
def web():
    """A web server of our own that offers what is put into `files`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(dict(self.headers))
            if self.server.busy_s:
                self.send_response(503)
                self.send_header("Retry-After", str(self.server.busy_s))
                self.end_headers()
                return
            content = self.server.files.get(self.path)
            packed = self.server.packed.get(self.path)
            self.send_response(200 if content is not None else 404)
            if packed is not None and self.headers["Accept-Encoding"] == "zstd":
                self.send_header("Content-Encoding", "zstd")
                self.send_header("Content-Length", str(len(packed)))
                content = packed[: self.server.cut]
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.packed, server.asked = {}, {}, []
    server.busy_s, server.cut = 0, None
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def base_url(web):
    return f"http://127.0.0.1:{web.server_port}"


def test_a_list_is_fetched_verified_and_kept(web, tmp_path):
    """What was announced is in use, and on the disk for the next start."""
    content = snapshot()
    web.files["/snapshot/may_leave/json-1/5"] = content
    folder = ListFolder(tmp_path / "lists")

    result = fetch(base_url(web), pointer(content), folder, plain)
    assert isinstance(result, Fetched)
    assert result.list.reach("e001") == 3
    assert [kept.version for kept in folder.kept()] == [5]


@pytest.mark.parametrize(
    ("announced", "words"),
    [
        (pointer(snapshot(), sha256="0" * 64), "SHA-256"),
        (pointer(snapshot(), size=len(snapshot()) + 1), "bytes came"),
        (pointer(snapshot(), size=3), "more bytes than it promised"),
        (pointer(snapshot(), size=1 << 40), "at most"),
        (pointer(snapshot(), path="/elsewhere"), "answered 404"),
        (pointer(snapshot(), path="elsewhere"), "must begin with /"),
    ],
)
def test_anything_else_than_announced_is_refused(web, tmp_path, announced, words):
    """Another hash, length or address is named, and the old list stays."""
    web.files["/snapshot/may_leave/json-1/5"] = snapshot()
    folder = ListFolder(tmp_path)
    folder.keep(snapshot(version=4))

    result = fetch(base_url(web), announced, folder, plain)

    assert isinstance(result, NotFetched)
    assert words in result.why
    assert result.again_ms is None
    assert [kept.version for kept in folder.kept()] == [4]


def test_a_list_comes_packed_and_goes_on_where_the_line_broke(web, tmp_path):
    """A quarter of the bytes; those that came are not asked for again."""
    content, path = snapshot(keys=[(f"e{n:03}", 3) for n in range(500)]), PATH
    web.files[path], web.packed[path] = content, zstandard.compress(content)
    web.cut = 100
    folder = ListFolder(tmp_path)

    first = fetch(base_url(web), pointer(content), folder, plain)
    second = fetch(base_url(web), pointer(content), folder, plain)

    assert isinstance(first, NotFetched)
    assert [asked["Accept-Encoding"] for asked in web.asked] == ["zstd", "zstd"]
    assert web.asked[1]["Range"] == "bytes=100-"
    assert isinstance(second, NotFetched)  # this server knows no ranges, and broke again
    web.cut = None
    assert isinstance(fetch(base_url(web), pointer(content), folder, plain), Fetched)
    assert [file.name for file in tmp_path.iterdir()] == ["may_leave.json"]


def test_a_busy_gateway_names_the_time(web, tmp_path):
    """The appointment is handed on, and what lies on the disk stays."""
    web.busy_s = 17
    folder = ListFolder(tmp_path)
    folder.keep(snapshot(version=4))

    result = fetch(base_url(web), pointer(snapshot()), folder, plain)

    assert result == NotFetched(
        "may_leave: the gateway serves other stations first", again_ms=17_000
    )
    assert [kept.version for kept in folder.kept()] == [4]


def test_a_card_without_room_for_another_list_is_told(web, tmp_path):
    """Alarms are written on the same card, and go before lists."""
    web.files[PATH] = snapshot()
    folder = ListFolder(tmp_path, free_bytes=lambda _: 64 << 20)

    result = fetch(base_url(web), pointer(snapshot()), folder, plain)

    assert "make room on the card" in result.why
    assert web.asked == []


def test_what_was_announced_but_is_no_list_is_deleted(web, tmp_path):
    """Its hash is right and it cannot be read: the old one stays, and no card fills."""
    web.files[PATH] = b"[]"
    folder = ListFolder(tmp_path)
    folder.keep(snapshot(version=4))

    result = fetch(base_url(web), pointer(b"[]"), folder, plain)

    assert "must be an object" in result.why
    assert [file.name for file in tmp_path.iterdir()] == ["may_leave.json"]
    assert [kept.version for kept in folder.kept()] == [4]


def test_no_gateway_is_a_sentence_and_no_error(tmp_path):
    """Nobody listens: the download says so and raises nothing."""
    result = fetch("http://127.0.0.1:1", pointer(snapshot()), ListFolder(tmp_path), plain)

    assert "cannot be fetched" in result.why


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[]",
        b"[" * 100_000,
        snapshot(lineage="aa"),
        snapshot(version=-1),
        b'{"lineage":"00000000000000aa","version":1,"keys":{},"unsecured":[]}',
        snapshot(keys=[["e001", 9]]),
        snapshot(keys=["e001"]),
        snapshot(keys=[[["e0"], 3]]),
        snapshot(unsecured=[["u"]]),
        snapshot(unsecured=["u"] * 1_001),
    ],
)
def test_a_file_that_is_no_list_is_refused(content):
    """Every hostile file is a named error."""
    with pytest.raises(ListRefused, match="may_leave"):
        parse_list(content)


def test_the_history_before_is_kept_until_recovered(tmp_path):
    """After a restore old and new lie side by side, the old first; then only the new."""
    folder = ListFolder(tmp_path)
    folder.keep(snapshot(version=500))
    folder.keep(snapshot(BB, 401))
    folder.keep(snapshot(BB, 402))
    assert [(kept.lineage, kept.version) for kept in folder.kept()] == [(AA, 500), (BB, 402)]

    folder.recovered()
    assert [kept.version for kept in folder.kept()] == [402]


def test_a_gate_that_starts_anew_still_lets_the_history_before_go(tmp_path):
    """Whether there is one is known from the disk, and after each new list."""
    ListFolder(tmp_path).keep(snapshot(version=500))
    ListFolder(tmp_path).keep(snapshot(BB, 401))

    folder = ListFolder(tmp_path)
    folder.recovered()
    assert [kept.version for kept in folder.kept()] == [401]
    folder.keep(snapshot(version=501))
    assert [kept.version for kept in folder.kept()] == [401, 501]

    folder.recovered()
    assert [kept.version for kept in folder.kept()] == [501]


def test_a_damaged_file_is_left_out(tmp_path):
    """A torn list on the disk is no list; the gate starts without and fetches another."""
    folder = ListFolder(tmp_path)
    folder.keep(snapshot())
    (tmp_path / "may_leave.json").write_bytes(snapshot()[:20])

    assert folder.kept() == []
