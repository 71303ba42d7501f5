"""The pages and the small HTTP interface of one kiosk.

Only the browser on this machine talks to it: the socket is loopback's, a foreign `Host` or
`Origin` is refused (a web page elsewhere must not press buttons here), nothing is loaded from
any other address.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kiosk.board import Board, BoardFull
from kiosk.web.actions import BODY_BYTES_MAX, Action, ActionInvalid, read_action

STATIC = Path(str(resources.files("kiosk.web"))) / "static"
BEAT_S = 10.0
ANSWER_S = 5.0
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "testserver"})
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'self' http://127.0.0.1:* http://localhost:*; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Press = Callable[[Action], Awaitable[dict[str, Any]]]


class OnlyThisMachine:
    """Refuses requests that a foreign page or name sent here, and adds the safe headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if _name_of(host) not in LOCAL_NAMES:
            refusal = _refuse(403, "this kiosk answers its own screen only")
            await refusal(scope, receive, send)
            return
        if origin and origin.partition("://")[2] != host:
            await _refuse(403, "another page may not press buttons here")(scope, receive, send)
            return
        await self.app(scope, receive, _adding_headers(send))


def _name_of(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if port.isdecimal() and name else host


def _adding_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *extra]
        await send(message)

    return sending


def _refuse(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status)


class Pages:
    """The routes of one kiosk; `press` hands an action to the engine."""

    def __init__(self, board: Board, press: Press) -> None:
        self.board = board
        self.press = press

    async def screen(self, request: Request) -> Response:
        """The page itself."""
        return FileResponse(STATIC / "index.html")

    async def state(self, request: Request) -> Response:
        """The newest view as JSON, without the screen's texts."""
        view = {key: value for key, value in self.board.latest.items() if key != "texts"}
        return JSONResponse(view)

    async def events(self, request: Request) -> Response:
        """Every new view as a server-sent event."""
        views = self.board.watch(BEAT_S)
        try:
            first = await anext(views)
        except (BoardFull, StopAsyncIteration) as error:
            return _refuse(503, str(error))
        return StreamingResponse(_stream(first, views), media_type="text/event-stream")

    async def act(self, request: Request) -> Response:
        """One press of a button."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return _refuse(415, "send JSON, with Content-Type: application/json")
        try:
            body = await _read_body(request)
            action = read_action(request.path_params["name"], body)
        except ActionInvalid as error:
            return _refuse(400, str(error))
        except ClientDisconnect:
            return _refuse(400, "the request broke off")
        try:
            answer = await asyncio.wait_for(self.press(action), ANSWER_S)
        except TimeoutError:
            return _refuse(503, "the kiosk is busy; press again")
        return JSONResponse(answer, status_code=200 if answer.get("ok") else 409)


async def _read_body(request: Request) -> bytes:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > BODY_BYTES_MAX:
            raise ActionInvalid(f"more than {BODY_BYTES_MAX} bytes")
    return body


async def _stream(first: Any, views: AsyncIterator[Any]) -> AsyncIterator[str]:
    yield _event(first)
    async for view in views:
        yield ": still here\n\n" if view is None else _event(view)


def _event(view: Any) -> str:
    return f"event: state\ndata: {json.dumps(view, ensure_ascii=False)}\n\n"


def build_app(board: Board, press: Press) -> ASGIApp:
    """Return the ASGI application of one kiosk."""
    pages = Pages(board, press)
    routes = [
        Route("/", pages.screen),
        Route("/events", pages.events),
        Route("/api/state", pages.state),
        Route("/session/{name}", pages.act, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return OnlyThisMachine(Starlette(routes=routes))
