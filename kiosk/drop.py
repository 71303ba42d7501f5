"""The book drop: when what lies in it may have been put there at the earliest.

Staff scan what was found in the drop; a weekend's returns must not count as Monday's. Each return
counts from the last closing of an earlier open day, or from when the drop was last emptied on an
earlier day if that is later (staff may come on a closed Saturday). Emptied twice on one day it
makes no difference: whoever left half of the box for the afternoon must not make readers late.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

from circulation.calendar import Calendar, Now
from kiosk.store import Store

MEMO = "drop_emptied"


@dataclass(frozen=True, slots=True)
class Drop:
    """Remembers over restarts on which days the drop was emptied."""

    store: Store

    def emptied_before(self, now: Now, calendar: Calendar) -> dt.datetime | None:
        """Note that the drop is being emptied; return when that last began on an earlier day.

        An unsure clock notes nothing and tells nothing: doubt favours the reader.
        """
        if not now.sure:
            return None
        day, _ = calendar.local(now.at)
        kept = json.loads(self.store.recall(MEMO, "{}"))
        if kept.get("day") != str(day):
            kept = {"day": str(day), "at": round(now.at.timestamp()), "before": kept.get("at")}
            self.store.remember(MEMO, json.dumps(kept))
        before = kept.get("before")
        return dt.datetime.fromtimestamp(before, dt.UTC) if before is not None else None
