"""The web application: pages for staff, JSON for programs, files for stations.

It is served on this machine only. A request that names another host is refused, so that a page
from elsewhere cannot talk to it through a reader's browser.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from gateway.board import Desk
from gateway.errors import DecisionInvalid, SnapshotUnknown
from gateway.snapshots import Snapshots
from gateway.web import api, files, pages
from gateway.web.live import Pulse

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
    app.state.pulse = pulse
    app.state.decides = decides
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    app.middleware("http")(_guard)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(files.router)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.add_exception_handler(SnapshotUnknown, _not_found)
    app.add_exception_handler(DecisionInvalid, _refused)
    return app


async def _guard(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Refuse a change asked for by a page of another origin; add the security headers."""
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host')}"
    if request.method not in ("GET", "HEAD") and origin not in (None, own):
        return PlainTextResponse("This page may not change anything here.", status_code=403)
    response = await call_next(request)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _not_found(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=404)


async def _refused(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=409)
