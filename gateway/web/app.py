"""The web application: pages for staff, JSON for programs, files for stations.

It is served on this machine only. A request that names another host is refused, so that a page
from elsewhere cannot talk to it through a reader's browser.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.board import Desk
from gateway.errors import DecisionInvalid, SnapshotUnknown
from gateway.snapshots import Snapshots
from gateway.web import api, files, pages
from gateway.web.live import Pictures, Pulse
from gateway.web.turnstile import Turnstile

HERE = Path(__file__).parent
HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Decides(Protocol):
    """Whoever turns a staff decision into a fact."""

    def decide(self, entry: str, state: str) -> str:
        """Write the decision; return its fact id or raise `DecisionInvalid`."""


def create_app(desk: Desk, snapshots: Snapshots, pulse: Pulse, decides: Decides) -> FastAPI:
    """Return the application for one library."""
    app = FastAPI(
        title="Lendgate gateway",
        description="What is synced, what is not, and the lists stations fetch.",
        docs_url=None,  # its page loads scripts from elsewhere; /openapi.json is enough
        redoc_url=None,
    )
    app.state.desk = desk
    app.state.snapshots = snapshots
    app.state.turnstile = Turnstile()
    app.state.pulse = pulse
    app.state.pictures = Pictures(pulse, lambda: pages.draw(desk))
    app.state.decides = decides
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    app.add_middleware(Guard)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(files.router)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.add_exception_handler(SnapshotUnknown, _not_found)
    app.add_exception_handler(DecisionInvalid, _refused)
    return app


class Guard:
    """Refuses a change asked for by a page of another origin; adds the security headers.

    It hands every part of an answer on as it comes: a list of half a gigabyte goes through here.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        origin = request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers.get('host')}"
        if request.method not in ("GET", "HEAD") and origin not in (None, own):
            refused = PlainTextResponse("This page may not change anything here.", 403)
            await refused(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded)


async def _not_found(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=404)


async def _refused(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=409)
