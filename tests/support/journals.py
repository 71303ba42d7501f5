"""The facts in a station's database, read as an investigator would: without its program."""

import json
import sqlite3
from pathlib import Path
from typing import Any


def facts_in(path: Path) -> list[dict[str, Any]]:
    """Return the bodies of a journal's facts of all epochs, in the order they were written."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        query = "SELECT body FROM journal ORDER BY epoch_n, seq"
        return [json.loads(body) for (body,) in connection.execute(query)]
    finally:
        connection.close()
