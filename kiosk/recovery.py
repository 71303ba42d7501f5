"""What a kiosk does first after a power cut: finish what was begun, undo what nobody was told.

A fact is unfinished when its commit was made and its tick was not shown. Then:

- a loan whose book still lies on the pad is undone (`not_shown`), the tag set back: the reader
  walked away without it, or stands there and will show the card again;
- a loan whose book is gone stands: somebody took it. Whether its tag was switched nobody knows,
  so `security_not_set` says that the gates must go by their list;
- a return is finished: its tag is set in stock if the book lies there, else it is unsecured.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from circulation.wire import kinds
from hardware.ports import Security
from kiosk.ledger import Ledger
from kiosk.pad import ROUNDS_TO_PLACE
from kiosk.store import Unfinished
from kiosk.switching import Switcher, Work
from kiosk.table import Table

ROUNDS = ROUNDS_TO_PLACE + 2
"""So many rounds after start everything that lies on the pad has been heard."""

LOOKS_MAX = 60
"""Six seconds: power comes back to pad and kiosk at once, and a pad may take longer to start."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovery:
    """Runs once after each start, and again after the disk was full."""

    ledger: Ledger
    done: bool = False
    _looks: int = field(default=0)
    _rounds_before: int = field(default=0)

    def is_due(self, table: Table) -> bool:
        """Whether enough was heard of the pad to tell what lies there; counts the looks.

        A pad that is slow, or does not answer yet, is waited for a little; one that does not
        answer only if anything depends on it.
        """
        if self.done:
            return False
        if self._looks == 0:
            self._rounds_before = max(0, table.rounds - 1)  # the look just now counts
        self._looks += 1
        if self._looks >= LOOKS_MAX:
            return True
        if table.pad_works:
            return table.rounds - self._rounds_before >= ROUNDS
        return table.devices.reader is None or not self.ledger.store.unfinished()

    def again(self) -> None:
        """Look once more: facts could not be written for a while."""
        self.done, self._looks = False, 0

    def run(self, table: Table, switcher: Switcher) -> None:
        """Settle every unfinished fact."""
        for unfinished in self.ledger.store.unfinished():
            here = [uid for uid in unfinished.uids if uid in table.present]
            _log.warning("%s %s was not finished", unfinished.kind, unfinished.fact)
            if unfinished.kind == kinds.CHECKOUT and here:
                self.ledger.undo(unfinished)
            elif unfinished.kind == kinds.CHECKOUT or not here:
                self.ledger.security_not_set(unfinished)
        for unfinished in self.ledger.store.unfinished():
            switcher.start(f"unfinished:{unfinished.fact}", _work(unfinished))
        self.done = True


def _work(unfinished: Unfinished) -> Work:
    uids = frozenset(unfinished.uids)
    return Work(unfinished, Security(unfinished.wanted), frozenset(), uids, asked=1, patient=False)
