"""The lists for stations on other machines: encrypted, for stations only, and nothing else.

The pages stay on the gateway's own machine; here nobody can look at anything but what a station
fetches, and only with that station's password (`circulation.credentials`).
"""

from __future__ import annotations

import hmac

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from circulation.credentials import list_password, named_in
from circulation.wire.errors import TopicInvalid
from circulation.wire.topics import Topics
from gateway.board import Desk
from gateway.errors import SnapshotUnknown
from gateway.snapshots import Snapshots
from gateway.web import files
from gateway.web.turnstile import Turnstile


def create_lists_app(
    desk: Desk, snapshots: Snapshots, turnstile: Turnstile, site_key: bytes
) -> FastAPI:
    """Return the application; turnstile: that of the pages, since both fill one line."""
    app = FastAPI(title="Lendgate lists", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.desk = desk
    app.state.snapshots = snapshots
    app.state.turnstile = turnstile
    app.add_middleware(Doorkeeper, library=desk.library_id, site_key=site_key)
    app.include_router(files.router)
    app.add_exception_handler(SnapshotUnknown, _not_found)
    return app


class Doorkeeper:
    """Lets in who has a station's name and its password."""

    def __init__(self, app: ASGIApp, *, library: str, site_key: bytes):
        self._app = app
        self._topics = Topics(library)
        self._site_key = site_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request; one of a stranger is answered 401, and nothing is looked up for it."""
        if scope["type"] != "http" or self._knows(Request(scope).headers.get("authorization")):
            await self._app(scope, receive, send)
            return
        refused = PlainTextResponse(
            "Only stations of this library fetch lists here. Is its site_key the gateway's?",
            status_code=401,
            headers={"WWW-Authenticate": 'Basic realm="lists", charset="UTF-8"'},
        )
        await refused(scope, receive, send)

    def _knows(self, header: str | None) -> bool:
        named = named_in(header or "")
        if named is None:
            return False
        station, password = named
        try:
            self._topics.status(station)
        except TopicInvalid:
            return False
        wanted = list_password(self._site_key, self._topics.library, station)
        return hmac.compare_digest(wanted.encode(), password.encode())


async def _not_found(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=404)
