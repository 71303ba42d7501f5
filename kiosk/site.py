"""What the kiosks and gates of one building tell each other, also while the gateway is away.

Every message carries a mac made with the site's key; one without a right mac is counted and
dropped. Nothing here names a reader.

A link has room for some messages only and says so, and a gate that asks is told of hundreds of
loans: what finds no room waits here and goes next. The newest go first, since whoever has just
lent walks out next; so that nothing older undoes them, an item is told of once, by its newest
news, which names as seen what came before.

Whoever connects asks what it missed, after a broker's restart all of them at once, and an answer
is heard by everybody. So who asks first in a quiet second is answered at once; the others of that
second are answered together when it is over, by what the oldest of their lists lacks. What was
told after the last of them had asked is not told again; what was told before may not have reached
whoever was just connecting.

A broker sends us our own words back. What came back was sent to everybody who was connected then,
and who was not will ask; so when we connect, only what did not come back is told by ourselves.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from circulation.wire.errors import WireError
from circulation.wire.limits import TITLE_CHARS_MAX
from circulation.wire.messages import SiteAlarm, SiteAsk, SiteLoan, encode, is_sealed, sealed
from circulation.wire.topics import Topics
from kiosk.beliefs import Beliefs, Known
from kiosk.config import Place
from kiosk.news import NEWS_KEPT
from kiosk.store import Draft, News, Store

REPUBLISH_MAX = 500
"""As many news a gate's overlay holds; older ones are on the list or the gateway was away long."""
ANSWER_EVERY_MS = 1_000
"""So often who asks is answered; a reader who has just lent walks out two seconds later."""
SAW_MAX = 16  # of a message: a gate remembers eight, and a microcontroller parses it
ALARM_SHOWN_MS = 60_000

Publish = Callable[[str, bytes], bool]
_log = logging.getLogger(__name__)


def _nobody(topic: str, payload: bytes) -> bool:
    """Nobody listens before there is a link."""
    return False


@dataclass(frozen=True, slots=True)
class AlarmShown:
    """What the kiosk's screen tells the guard."""

    alarm: str
    gate: str
    title: str
    shelf_mark: str
    until_ms: int


@dataclass(slots=True)
class SiteVoice:
    """Speaks and listens on the site's topics."""

    place: Place
    topics: Topics
    key: bytes
    store: Store
    beliefs: Beliefs
    publish: Publish = field(default=_nobody)
    refused: int = 0
    alarm: AlarmShown | None = None
    _heard: list[SiteLoan] = field(default_factory=list)
    _asked: dict[str, SiteAsk] = field(default_factory=dict)
    _answered_ms: int | None = None
    _told_since: set[str] = field(default_factory=set)
    _echoed: set[str] = field(default_factory=set)
    _untold: OrderedDict[str, SiteLoan] = field(default_factory=OrderedDict)
    _said: dict[str, tuple[SiteLoan, bytes]] = field(default_factory=dict)

    def announce(self, draft: Draft, news: News, seq: int) -> None:
        """Tell the gates of the site what a fact just committed means for its tags."""
        message = SiteLoan(
            self.place.station, self.store.journal.epoch.n, seq, news.item_id,
            list(news.uids), news.state, news.reach, list(news.saw), draft.id,
            draft.fields["wall"], news.barcode, "",
        )  # fmt: skip
        self._tell_first([message])

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._asked)

    def on_connected(self, now_ms: int) -> None:
        """Tell again what the lists do not have yet, and ask the others what we missed.

        Who connects with us, behind a broker that came back, is answered in a second, together.
        """
        self._tell_after(_EVERYTHING_COVERED, besides=self._echoed)
        self._answered_ms = now_ms
        state = self.store.list_states().get("catalogue")
        ask = SiteAsk(
            self.place.station, "catalogue", state.lineage if state else None,
            state.version if state else 0, "",
        )  # fmt: skip
        self._send(self.topics.site_ask(self.place.site), ask)

    def tell_again(self) -> None:
        """Tell what the lists do not have yet, at the places where it is now."""
        self._echoed.clear()
        self._tell_after(_EVERYTHING_COVERED)

    def on_loan(self, message: SiteLoan) -> None:
        """Another kiosk lent or took back an item; it is kept with all that this turn brings.

        What was told before is not looked at any closer: nothing would come of it.
        """
        if message.station == self.place.station:
            self._on_echo(message)
            return
        if self.store.knows(message) or not self._is_genuine(message):
            return
        if message.item is None:
            known = self._item_told(message)
            if known is None:
                return
            message = message._replace(item=known.item.item_id)
        self._heard.append(message)

    def _on_echo(self, message: SiteLoan) -> None:
        """Our own word has come back: the broker had it."""
        if message.fact in self._echoed or message.epoch != self.store.journal.epoch.n:
            return
        if self._is_genuine(message):
            if len(self._echoed) >= NEWS_KEPT:
                self._echoed.clear()
            self._echoed.add(message.fact)

    def take_heard(self) -> list[SiteLoan]:
        """Return what other kiosks told since this was asked last."""
        heard, self._heard = self._heard, []
        return heard

    def on_ask(self, message: SiteAsk) -> None:
        """A gate or kiosk that connected asks for what its list does not have yet.

        Who asks again is told again and never left without: between the two it may have lost
        what it was told, by a power blip or with its connection.
        """
        if not self._is_genuine(message) or message.station == self.place.station:
            return
        self._asked[message.station] = message
        self._told_since.clear()

    def on_alarm(self, message: SiteAlarm, now_ms: int) -> None:
        """A gate sounds: show the guard which book, and tell the gate if it does not know."""
        if not self._is_genuine(message) or message.station == self.place.station:
            return
        if message.answers is not None:
            self._complete(message)
            return
        known = self._item_of(message)
        title = known.title.title if known else (message.title or "")
        shelf_mark = known.shelf_mark if known else (message.shelf_mark or "")
        self.alarm = AlarmShown(
            message.alarm, message.gate, title, shelf_mark, now_ms + ALARM_SHOWN_MS
        )
        if known is not None:
            self._tell_title(message, known)

    def tick(self, now_ms: int) -> None:
        """Go on telling, answer who had to wait, and let an alarm that was read go."""
        self._tell_untold()
        self.answer(now_ms)
        if self.alarm is not None and now_ms >= self.alarm.until_ms:
            self.alarm = None

    def answer(self, now_ms: int) -> None:
        """Tell all who asked what their lists lack, unless somebody was just answered."""
        if not self._asked:
            return
        if self._answered_ms is not None and now_ms - self._answered_ms < ANSWER_EVERY_MS:
            return
        self._answered_ms = now_ms
        states = self.store.list_states()
        ours = next((state.lineage for state in states.values()), None)
        # Of another lineage a list has nothing.
        has = min(ask.version if ask.lineage == ours else 0 for ask in self._asked.values())
        self._asked.clear()
        self._tell_after(has, besides=self._told_since)

    def _tell_title(self, message: SiteAlarm, known: Known) -> None:
        answer = message._replace(
            station=self.place.station,
            item=known.item.item_id,
            title=known.title.title[:TITLE_CHARS_MAX],
            shelf_mark=known.shelf_mark[:64],
            answers=message.alarm,
        )
        self._send(self.topics.site_alarm(self.place.site), answer)

    def _complete(self, message: SiteAlarm) -> None:
        """Another kiosk knew the title that we did not."""
        shown = self.alarm
        if shown is None or shown.alarm != message.answers or shown.title or not message.title:
            return
        self.alarm = AlarmShown(
            shown.alarm, shown.gate, message.title, message.shelf_mark or "", shown.until_ms
        )

    def _item_told(self, message: SiteLoan) -> Known | None:
        found = (known for known in map(self.beliefs.by_uid, message.uids) if known)
        by_label = self.beliefs.by_barcode(message.barcode) if message.barcode else None
        return next(found, by_label)

    def _item_of(self, message: SiteAlarm) -> Known | None:
        if message.item is not None:
            found = self.beliefs.item(message.item)
            if found is not None:
                return found
        return self.beliefs.by_uid(message.uid) if message.uid else None

    def _is_genuine(self, message: SiteLoan | SiteAsk | SiteAlarm) -> bool:
        if is_sealed(message, self.key):
            return True
        self.refused += 1
        _log.warning(
            "site: a %s of %s without a right mac", type(message).__name__, message.station
        )
        return False

    def _tell_after(self, version: int, *, besides: Container[str] = ()) -> None:
        """Tell what a list of this version lacks, each item by its newest news.

        besides: facts that all who lack them have been told of.
        """
        newest: dict[str, SiteLoan] = {}
        for row in reversed(self.store.own_news_after(version, REPUBLISH_MAX)):
            message = _of_row(row)
            later = newest.get(message.item or message.fact)
            if later is None:
                newest[message.item or message.fact] = message
            else:
                seen = dict.fromkeys([*later.saw, message.fact, *message.saw])
                newest[later.item] = later._replace(saw=list(seen)[:SAW_MAX])
        self._tell_first([one for one in newest.values() if one.fact not in besides])

    def _tell_first(self, newest: Iterable[SiteLoan]) -> None:
        """Tell these before what waits already; a later word on a fact takes its place."""
        for message in reversed(list(newest)):
            self._untold[message.fact] = self._overtaking(message)
            self._untold.move_to_end(message.fact, last=False)
        while len(self._untold) > REPUBLISH_MAX:
            self._untold.popitem()
        self._tell_untold()

    def _overtaking(self, message: SiteLoan) -> SiteLoan:
        """Return it in the place of what waits and it has seen, which then need not be told."""
        waiting = [self._untold.pop(fact) for fact in message.saw if fact in self._untold]
        seen = dict.fromkeys([*message.saw, *(fact for one in waiting for fact in one.saw)])
        return message._replace(saw=list(seen)[:SAW_MAX])

    def _tell_untold(self) -> None:
        """Tell what waits for as long as the link takes it."""
        topic = self.topics.site_loan(self.place.site)
        while self._untold:
            fact = next(iter(self._untold))
            if not self._send(topic, self._untold[fact]):
                return
            del self._untold[fact]
            if self._asked:
                self._told_since.add(fact)

    def _send(self, topic: str, message: SiteLoan | SiteAsk | SiteAlarm) -> bool:
        """Publish it; return False if the link has no room for it now."""
        try:
            payload = self._bytes_of(message)
        except WireError:
            _log.exception("site: a message of ours is not sendable")
            return True
        return self.publish(topic, payload)

    def _bytes_of(self, message: SiteLoan | SiteAsk | SiteAlarm) -> bytes:
        """Return a message as it is sent; loans are told again and again, mostly as they were."""
        if not isinstance(message, SiteLoan):
            return encode(sealed(message, self.key))
        said = self._said.get(message.fact)
        if said is not None and said[0] == message:
            return said[1]
        payload = encode(sealed(message, self.key))
        if len(self._said) >= REPUBLISH_MAX:
            self._said.clear()
        self._said[message.fact] = (message, payload)
        return payload


def _of_row(row: sqlite3.Row) -> SiteLoan:
    return SiteLoan(
        row["station"], row["epoch_n"], row["seq"], row["item_id"], json.loads(row["uids"]),
        row["state"], row["reach"] or 0, json.loads(row["saw"]), row["fact"], row["wall"],
        row["barcode"], "",
    )  # fmt: skip


_EVERYTHING_COVERED = 1 << 62
"""A version no list reaches: only news that no list has are newer than it."""
