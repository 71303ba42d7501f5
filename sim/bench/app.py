"""The bench's web application: one page, its live state, and a POST for every move of a hand.

    GET  /            the page
    GET  /api/state   everything on the bench, as JSON
    GET  /events      the same as server-sent events, whenever it changes
    GET  /api/paper   ?kiosk=NAME: the last slip of a wired kiosk, as a picture
    GET  /api/look    ?thing=LABEL: its tag's memory; ?station=NAME: its devices, inside
    POST /api/move    {"keys": ["…"], "place": "kiosk-1/pad"}
    POST /api/scan    {"kiosk": "kiosk-1", "code": "30715000000015"}
    POST /api/walk    {"gate": "gate-1", "lane": "lane-1", "direction": "out", "keys": ["…"]}
    POST /api/press   {"gate": "gate-1"}
    POST /api/plug    {"plug": "kiosk-1", "state": "up" | "stalled" | "cut"}
    POST /api/fault   {"device": "kiosk-1/pad", "fault": "off" | … | null, "options": {…}}
    POST /api/home    {}     everything back to its place; tags stay as they are
    POST /api/play    {"scenario": "lend_and_leave"}, or null to stop the one that is played

Laws: it answers on this machine's own names only, takes JSON only (so that no other web page can
press its buttons), and says by name what was wrong with a request.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sim.bench.look import look_at_station, look_at_thing, paper
from sim.bench.playing import Playing
from sim.bench.plugs import GATEWAY, Plugs
from sim.bench.view import view
from sim.errors import SimError, WorldError
from sim.faults import Faulty
from sim.world import World

ASSETS = Path(__file__).parent / "assets"
BODY_BYTES_MAX = 16 * 1024
KEYS_MAX = 100
WATCHERS_MAX = 32
LOOK_EVERY_S = 0.05
KEEP_ALIVE_S = 15.0
POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-src http://127.0.0.1:* http://localhost:*; "
    "frame-ancestors 'self'; base-uri 'none'"
)
HOSTS = ["127.0.0.1", "localhost"]


@dataclass
class Bench:
    """What one bench process holds: the world, the plugs, and links to the stations' screens."""

    world: World
    plugs: Plugs | None = None
    links: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    playing: Playing | None = None
    watchers: int = 0
    closing: bool = False

    def view(self) -> dict[str, Any]:
        """Return everything there is to see."""
        seen = view(self.world, self.plugs, self.links) | self.facts
        if self.playing is not None:
            seen["scenarios"] = self.playing.names()
            seen["show"] = self.playing.show and self.playing.show.to_doc()
        return seen


class RequestInvalid(SimError):
    """A request without what it needs; the message names the field."""


def make_app(bench: Bench) -> Starlette:
    """Return the application of one bench."""

    async def page(_: Request) -> Response:
        return FileResponse(ASSETS / "bench.html", headers={"content-security-policy": POLICY})

    async def state(_: Request) -> Response:
        return JSONResponse(bench.view())

    async def look(request: Request) -> Response:
        asked = request.query_params
        try:
            if "thing" in asked:
                return JSONResponse(look_at_thing(bench.world, asked["thing"]))
            return JSONResponse(look_at_station(bench.world, asked.get("station", "")))
        except WorldError as error:
            return _problem(str(error), 400)

    async def slip(request: Request) -> Response:
        try:
            picture = paper(bench.world, request.query_params.get("kiosk", ""))
        except WorldError as error:
            return _problem(str(error), 400)
        return Response(picture, media_type="image/png", headers={"cache-control": "no-store"})

    async def events(_: Request) -> Response:
        if bench.watchers >= WATCHERS_MAX:
            return _problem(f"{WATCHERS_MAX} pages watch this bench already; close one", 503)
        headers = {"cache-control": "no-store"}
        return StreamingResponse(watch(bench), media_type="text/event-stream", headers=headers)

    routes = [
        Route("/", page),
        Route("/api/state", state),
        Route("/api/look", look),
        Route("/api/paper", slip),
        Route("/events", events),
        Mount("/assets", StaticFiles(directory=ASSETS)),
    ]
    for name, action in ACTIONS.items():
        routes.append(Route(f"/api/{name}", _post(bench, action), methods=["POST"]))
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    return Starlette(routes=routes, middleware=[hosts])


async def watch(bench: Bench) -> AsyncIterator[str]:
    """Yield the state at once and then whenever it changes."""
    bench.watchers += 1
    told, quiet_s = "", 0.0
    try:
        while not bench.closing:
            now = json.dumps(bench.view(), separators=(",", ":"), ensure_ascii=False)
            if now != told:
                told, quiet_s = now, 0.0
                yield f"event: state\ndata: {now}\n\n"
            elif quiet_s >= KEEP_ALIVE_S:
                quiet_s = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(LOOK_EVERY_S)
            quiet_s += LOOK_EVERY_S
    finally:
        bench.watchers -= 1


Action = Callable[[Bench, "Body"], None]


class Body:
    """The JSON object of a request, read field by field."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text field; raises `RequestInvalid` naming it."""
        value = self._fields.get(name, default)
        if not isinstance(value, str):
            raise RequestInvalid(f"{name}: must be a text")
        return value

    def text_or_null(self, name: str) -> str | None:
        """Return a text field, or None for null."""
        return None if self._fields.get(name) is None else self.text(name)

    def numbers(self, name: str) -> dict[str, Any]:
        """Return a field that maps names to values; none if it is missing."""
        values = self._fields.get(name, {})
        if not isinstance(values, dict) or len(values) > KEYS_MAX:
            raise RequestInvalid(f"{name}: must be an object of at most {KEYS_MAX} options")
        return values

    def texts(self, name: str) -> list[str]:
        """Return a field that lists texts; none if it is missing."""
        values = self._fields.get(name, [])
        plain = isinstance(values, list) and all(isinstance(value, str) for value in values)
        if not plain or len(values) > KEYS_MAX:
            raise RequestInvalid(f"{name}: must be a list of at most {KEYS_MAX} texts")
        return list(values)


def _move(bench: Bench, body: Body) -> None:
    place, keys = body.text("place"), body.texts("keys")
    for key in keys:
        bench.world.move(key, place)


def _scan(bench: Bench, body: Body) -> None:
    bench.world.scan(body.text("kiosk"), body.text("code"))


def _walk(bench: Bench, body: Body) -> None:
    gate, lane = body.text("gate"), body.text("lane")
    bench.world.walk(gate, lane, body.text("direction"), body.texts("keys"))


def _press(bench: Bench, body: Body) -> None:
    bench.world.press(body.text("gate"))


def _plug(bench: Bench, body: Body) -> None:
    if bench.plugs is None:
        raise WorldError("this bench has no network: start it with the demo")
    plug = bench.plugs.set(body.text("plug"), body.text("state"))
    words = {"up": "plugged in", "cut": "unplugged", "stalled": "stalled: nothing passes"}
    whose = "gateway's network" if plug.name == GATEWAY else "network"
    bench.world.note(plug.name, f"{whose} {words[plug.state.value]}")


def _fault(bench: Bench, body: Body) -> None:
    name, fault = body.text("device"), body.text_or_null("fault")
    device = bench.world.devices.get(name)
    if not isinstance(device, Faulty):
        raise WorldError(f"{name!r}: no device here that can fail")
    if fault is None:
        device.mend()
    else:
        device.fail(fault, **body.numbers("options"))
    bench.world.note(name.partition("/")[0], f"{name}: {fault or 'works again'}")


def _home(bench: Bench, _: Body) -> None:
    for thing in list(bench.world.things.values()):
        bench.world.move(thing.key, thing.home)


def _play(bench: Bench, body: Body) -> None:
    if bench.playing is None:
        raise WorldError("this bench plays no scenarios: start it with the demo")
    name = body.text_or_null("scenario")
    if name is None:
        bench.playing.stop()
    else:
        bench.playing.start(name)


ACTIONS: dict[str, Action] = {
    "move": _move,
    "scan": _scan,
    "walk": _walk,
    "press": _press,
    "plug": _plug,
    "fault": _fault,
    "home": _home,
    "play": _play,
}


def _post(bench: Bench, action: Action) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        try:
            action(bench, await _body(request))
        except (SimError, ValueError) as error:
            return _problem(str(error), 400)
        return JSONResponse({"ok": True})

    return handle


async def _body(request: Request) -> Body:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise RequestInvalid("content-type: must be application/json")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_BYTES_MAX:
            raise RequestInvalid(f"body: longer than {BODY_BYTES_MAX} bytes")
    try:
        fields = json.loads(raw or b"{}")
    except ValueError:
        raise RequestInvalid("body: not JSON") from None
    if not isinstance(fields, dict):
        raise RequestInvalid("body: must be an object")
    return Body(fields)


def _problem(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status_code=status)
