"""The gates' list as a file of this moment would hold it."""

import json
import tempfile
from pathlib import Path

from gateway.list_files import FORMATS, builder_of, lineage_of, version_of
from gateway.list_tables import Moment


def may_leave_document(connection, library_id):
    """Return the whole list: keys with their reach, and the unsecured ones."""
    lineage = lineage_of(connection, library_id)
    version = version_of(connection, library_id, "may_leave")
    moment = Moment(connection, library_id, lineage, version, lambda: None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.json"
        builder_of("may_leave", FORMATS["may_leave"])(moment, path)
        return json.loads(path.read_bytes())
