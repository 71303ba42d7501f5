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

ROUNDS_WITHOUT_PAD = 60
"""Six seconds: power comes back to pad and kiosk at once, and a pad may take longer to start."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovery:
    """Runs once after each start, and again after the disk was full."""

    ledger: Ledger
    done: bool = False
    _rounds: int = field(default=0)
    _rounds_without: int = field(default=0)

    def is_due(self, table: Table) -> bool:
        """Whether enough was heard of the pad to tell what lies there; counts the rounds.

        A pad that does not answer yet is waited for a little, if anything depends on it.
        """
        if self.done:
            return False
        if table.pad_works:
            self._rounds += 1
            return self._rounds >= ROUNDS
        self._rounds_without += 1
        is_missed = table.devices.reader is not None and bool(self.ledger.store.unfinished())
        return not is_missed or self._rounds_without >= ROUNDS_WITHOUT_PAD

    def again(self) -> None:
        """Look once more: facts could not be written for a while."""
        self.done, self._rounds, self._rounds_without = False, 0, 0

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
