"""Small HTTP for scripts: JSON in, JSON out, with a time limit and one kind of error."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from sim.errors import SimError

ANSWER_S_MAX = 20.0


class HttpFailed(SimError):
    """The other side did not answer, or answered with an error; the message says which."""


def get_json(url: str) -> Any:
    """Return what a GET answers."""
    return _send(url, headers={"accept": "application/json"})


def post_json(url: str, body: dict[str, Any]) -> Any:
    """Return what a POST answers."""
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json", "accept": "application/json"}
    return _send(url, data=content, headers=headers, method="POST")


def answers(url: str) -> bool:
    """Return whether a GET is answered with success now."""
    try:
        get_json(url)
    except HttpFailed:
        return False
    return True


def _send(url: str, **more: Any) -> Any:
    try:
        request = urllib.request.Request(url, **more)
        with urllib.request.urlopen(request, timeout=ANSWER_S_MAX) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            told = error.read(2_000).decode(errors="replace")
        raise HttpFailed(f"{url}: {error.code} {told}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HttpFailed(f"{url}: {error}") from error
