"""Lists from the gateway: verified, renamed into place, kept beside the history before."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from circulation.gateway_http import plain
from circulation.wire.messages import Pointer
from firmware.pi.errors import ListRefused
from firmware.pi.lists import Fetched, ListFolder, NotFetched, download, fetch, parse_list

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
            content = self.server.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files = {}
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
        (pointer(snapshot(), size=len(snapshot()) + 1), "were announced"),
        (pointer(snapshot(), size=3), "more than"),
        (pointer(snapshot(), size=1 << 40), "at most"),
        (pointer(snapshot(), path="/elsewhere"), "cannot be fetched"),
        (pointer(snapshot(), path="elsewhere"), "must begin with /"),
    ],
)
def test_anything_else_than_announced_is_refused(web, tmp_path, announced, words):
    """Another hash, length or address is named, and the old list stays."""
    web.files["/snapshot/may_leave/json-1/5"] = snapshot()
    folder = ListFolder(tmp_path)
    folder.keep(snapshot(version=4))

    with pytest.raises(ListRefused, match=words):
        download(base_url(web), announced, plain)
    assert isinstance(fetch(base_url(web), announced, folder, plain), NotFetched)
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


def test_a_damaged_file_is_left_out(tmp_path):
    """A torn list on the disk is no list; the gate starts without and fetches another."""
    folder = ListFolder(tmp_path)
    folder.keep(snapshot())
    (tmp_path / "may_leave.json").write_bytes(snapshot()[:20])

    assert folder.kept() == []
