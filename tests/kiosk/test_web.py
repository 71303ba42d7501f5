"""The screen's server: one machine, few buttons, and nothing for strangers."""

import asyncio
import json
import threading

import httpx
import pytest

from circulation.errors import ConfigInvalid
from kiosk.board import WATCHERS_MAX, Board, BoardFull
from kiosk.web.actions import NAMES, ActionInvalid, read_action
from kiosk.web.app import build_app
from kiosk.web.server import WebServer, take_port
from kiosk.wording import texts


@pytest.fixture
def pressed():
    return []


@pytest.fixture
def board():
    made = Board()
    made.put({"state": "idle", "texts": {"a": "b"}})
    return made


@pytest.fixture
def client(board, pressed):
    async def press(action):
        pressed.append((action.name, dict(action.values)))
        return {"ok": action.name != "stay", "error": "not now"}

    app = build_app(board, press)

    def ask(method, path, **options):
        async def once():
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as c:
                return await c.request(method, path, **options)

        return asyncio.run(once())

    return ask


def test_the_page_and_its_parts_come_from_the_kiosk_itself(client):
    """A kiosk must draw with the cable pulled: no part is loaded from anywhere else."""
    page = client("GET", "/")
    assert page.status_code == 200
    for name in ("kiosk.css", "kiosk.js", "pictures.js", "kiosk.svg"):
        part = client("GET", f"/static/{name}")
        assert part.status_code == 200
        assert "https://" not in part.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_state_is_there_for_programs(client):
    """The newest view, without the screen's own words."""
    assert client("GET", "/api/state").json() == {"state": "idle"}


def test_a_press_reaches_the_engine_with_checked_values(client, pressed):
    """The answer says whether it meant anything."""
    answer = client("POST", "/session/renew", json={"item": "0" * 16})

    assert answer.json()["ok"] is True
    assert pressed == [("renew", {"item": "0" * 16})]


def test_a_press_that_means_nothing_now_is_a_conflict(client):
    """A program sees that nothing happened."""
    answer = client("POST", "/session/stay", json={})

    assert (answer.status_code, answer.json()["error"]) == (409, "not now")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"3", b'"x"', b"\xff\xfe", b'{"item": 3}', b'{"item": null}', b"{}",
     b'{"item": "a", "more": 1}', b'{"item": "' + b"a" * 100 + b'"}', b"[" * 1_900,
     b'{"item": "' + b"a" * 5_000 + b'"}', b'{"item": "\\u0000"}', b'{"item": "\\ud800"}'],
)  # fmt: skip
def test_a_hostile_body_is_named_and_reaches_nobody(client, pressed, body):
    """Whatever is sent, only the buttons there are can be pressed."""
    headers = {"content-type": "application/json"}
    answer = client("POST", "/session/renew", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert pressed == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:18081"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_page_cannot_press_buttons(client, pressed, headers, status):
    """Neither a rebound name nor a form on a web page reaches the kiosk."""
    usual = {"content-type": "application/json"}
    answer = client("POST", "/session/finish", content=b"{}", headers=usual | headers)

    assert answer.status_code == status
    assert pressed == []


@pytest.mark.parametrize(
    "path", ["/session/nothing", "/session/%2e%2e", "/session/finish%00", "/session/" + "a" * 500]
)
def test_an_action_that_does_not_exist_is_named(client, path):
    """The error says which actions there are."""
    answer = client("POST", path, json={})

    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/nothing"]
)
def test_no_other_file_is_served(client, path):
    """The folder of the page is the only one there is."""
    assert client("GET", path).status_code == 404


def test_buttons_are_pressed_with_post_only(client, pressed):
    """A link or an image cannot press anything."""
    assert client("GET", "/session/finish").status_code == 405
    assert pressed == []


@pytest.mark.parametrize("name", NAMES)
def test_every_action_refuses_fields_it_does_not_have(name):
    """A typing mistake in a program is found, not ignored."""
    with pytest.raises(ActionInvalid, match="no field 'extra'"):
        read_action(name, json.dumps({"extra": 1}).encode())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_the_screen_is_served_to_this_machine_only(host):
    """An address of the network is a configuration error."""
    with pytest.raises(ConfigInvalid, match="this machine only"):
        take_port(host, 0)


def test_a_port_in_use_is_a_clear_message():
    """Two kiosks on one machine are told apart before anything starts."""
    taken = take_port("127.0.0.1", 0)
    port = taken.getsockname()[1]

    with pytest.raises(ConfigInvalid, match=f"port {port}: .*another kiosk"):
        take_port("127.0.0.1", port)
    taken.close()


def test_a_new_view_reaches_a_waiting_screen_at_once(board):
    """Server-sent events carry the newest view, and a beat when nothing happens."""

    async def watch():
        views = board.watch(0.01)
        first = await anext(views)
        beat = await anext(views)
        threading.Thread(target=board.put, args=({"state": "lending"},)).start()
        while (second := await anext(views)) is None:
            pass
        await views.aclose()
        return first["state"], beat, second["state"]

    assert asyncio.run(watch()) == ("idle", None, "lending")


def test_too_many_screens_are_turned_away(board):
    """A program that opens streams for ever cannot exhaust the kiosk."""

    async def crowd():
        watchers = [board.watch(1) for _ in range(WATCHERS_MAX)]
        for watcher in watchers:
            await anext(watcher)
        try:
            await anext(board.watch(1))
        finally:
            for watcher in watchers:
                await watcher.aclose()

    with pytest.raises(BoardFull):
        asyncio.run(crowd())


def test_the_server_starts_serves_and_lets_go_of_its_port(board):
    """On a real socket, with a real stream open while it stops."""

    async def press(action):
        return {"ok": True}

    server = WebServer(build_app(board, press), take_port("127.0.0.1", 0))
    server.start()
    client = httpx.Client(base_url=server.address, timeout=60)
    with client as web, web.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: state"
        assert json.loads(next(lines)[6:])["state"] == "idle"
        board.close()
    server.stop()


def test_all_languages_say_everything():
    """No language has a text another lacks, nor other blanks to fill."""

    def blanks(words):
        return sorted(part.split("}")[0] for part in words.split("{")[1:])

    for language in ("de", "zh"):
        assert set(texts(language)) == set(texts("en"))
        for name, words in texts(language).items():
            assert blanks(words) == blanks(texts("en")[name]), name
