"""station.db: the journal, what follows from it here, and the changes of the lists.

Laws of this file:

1. One connection writes, every other is `query_only`. What a commit promised is on the disk:
   WAL and synchronous=FULL are read back from the writing connection at start.
2. A fact and the loan it makes are one transaction on one file.
3. A fact is *unfinished* from its commit until just before its tick is shown. After a power cut
   `unfinished` says what a reader may not have been told.
4. News go only when they are covered: see `kiosk.beliefs`, and `kiosk.news` for what is written
   of them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from circulation.journal import SqliteJournal, open_reader, open_station_db, transaction
from circulation.salvage import Born, Salvaged, open_or_salvage, write_tip
from circulation.sync.rows import Row
from circulation.wire.fact import encode_body
from circulation.wire.messages import SiteLoan
from kiosk.errors import StoreUnsafe
from kiosk.news import OpenNews, Turn, insert, is_told, open_news, take_in
from kiosk.schema import MIGRATIONS


@dataclass(frozen=True, slots=True)
class Draft:
    """A fact about to be written; salt and patron travel beside its body."""

    fields: Mapping[str, Any]
    salt: bytes | None = None
    patron: str | None = None

    @property
    def id(self) -> str:
        """The fact's own id."""
        return str(self.fields["id"])


@dataclass(frozen=True, slots=True)
class News:
    """What a fact means for its item here and for the gates of the site."""

    state: str
    item_id: str | None
    uids: tuple[str, ...] = ()
    reach: int = 0
    saw: tuple[str, ...] = ()
    patron_id: str | None = None
    loan: str | None = None
    due_at: int | None = None
    lent_at: int | None = None
    on_site: bool = False
    renewals: int = 0
    policy: int = 0
    session: str = ""
    barcode: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A fact whose tick was not shown: which tags still want switching, to what."""

    fact: str
    kind: str
    item_id: str | None
    title: str
    uids: tuple[str, ...]
    wanted: str
    loan: str | None = None


@dataclass(frozen=True, slots=True)
class ListState:
    """Where a list stands: its snapshot's file, and the version the changes have reached."""

    kind: str
    lineage: str
    version: int
    file: str


@dataclass(slots=True)
class Store:
    """The one writer of station.db."""

    path: Path
    connection: sqlite3.Connection
    reader: sqlite3.Connection
    journal: SqliteJournal
    station: str
    salvaged: Salvaged | None = None
    _closed: bool = field(default=False)
    _news: list[OpenNews] | None = None
    _oldest: tuple[tuple[str, int], int | None] = (("", 0), None)
    _lists: dict[str, ListState] | None = None

    @classmethod
    def open(cls, path: Path, *, station: str, epoch_id: str) -> Store:
        """Open or make the database; raises JournalError or StoreUnsafe, never half open."""
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = open_station_db(path)
        try:
            journal = SqliteJournal(connection, epoch_id=epoch_id)
            MIGRATIONS.apply(Database(connection))
            check_pragmas(connection)
            reader = open_reader(path)
        except BaseException:
            connection.close()
            raise
        reader.row_factory = sqlite3.Row
        return cls(path, connection, reader, journal, station)

    @classmethod
    def open_or_salvage(cls, path: Path, *, station: str, born: Born) -> Store:
        """Open or make the database; a damaged one is moved aside, and `salvaged` says so."""
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = open_or_salvage(path, born, prove=_prove)
        try:
            reader = open_reader(path)
        except BaseException:
            opened.connection.close()
            raise
        reader.row_factory = sqlite3.Row
        return cls(path, opened.connection, reader, opened.journal, station, opened.salvaged)

    def note_tip(self) -> None:
        """Note how far the journal has come, for the day the database is damaged."""
        write_tip(self.path, self.journal)

    def know_again(self, news: Iterable[tuple[Draft, News]]) -> None:
        """Keep what saved facts mean, under the places they have in the journal now."""
        with transaction(self.connection) as connection:
            for draft, meant in news:
                place = connection.execute(
                    "SELECT seq FROM journal WHERE id=? ORDER BY epoch_n DESC", (draft.id,)
                ).fetchone()
                self._insert_news(connection, draft, meant, place[0])

    def close(self) -> None:
        """Close both connections; may be called twice."""
        if not self._closed:
            self._closed = True
            self.note_tip()
            self.reader.close()
            self.connection.close()

    def record(
        self,
        draft: Draft,
        *,
        news: News | None = None,
        unfinished: Unfinished | None = None,
        finishes: Iterable[str] = (),
    ) -> Row:
        """Write a fact and what follows from it in one transaction; durable on return."""
        body = encode_body(dict(draft.fields))
        with transaction(self.connection) as connection:
            row = self.journal.append(body, draft.salt, draft.patron)
            if news is not None:
                self._insert_news(connection, draft, news, row.seq)
            if unfinished is not None:
                insert(connection, "unfinished", _unfinished_values(unfinished, draft))
            for fact in finishes:
                connection.execute("DELETE FROM unfinished WHERE fact=?", (fact,))
            self._remember(connection, "latest_wall", str(draft.fields.get("wall", 0)))
        return row

    def finish(self, fact: str) -> None:
        """Note that the tick of this fact is shown from now on."""
        with transaction(self.connection) as connection:
            connection.execute("DELETE FROM unfinished WHERE fact=?", (fact,))

    def unfinished(self) -> list[Unfinished]:
        """Facts whose tick was never shown, oldest first."""
        rows = self.reader.execute("SELECT * FROM unfinished ORDER BY rowid").fetchall()
        return [
            Unfinished(
                row["fact"], row["kind"], row["item_id"], row["title"] or "",
                tuple(json.loads(row["uids"])), row["wanted"], row["loan"],
            )
            for row in rows
        ]  # fmt: skip

    def knows(self, message: SiteLoan) -> bool:
        """Whether what another kiosk tells was told before, and has not moved since."""
        return is_told(self.connection, message)

    def take_in(self, turn: Turn) -> None:
        """Write what a turn brought of others, in one transaction; nothing new opens none."""
        known = self._open_news()
        if turn.changes(known):
            self._news = None
            with transaction(self.connection) as connection:
                take_in(connection, turn, known)

    def uncover(self) -> None:
        """Forget what an older history of the gateway had: it may have to be told again."""
        self._news = None
        with transaction(self.connection) as connection:
            connection.execute("UPDATE news SET covered=NULL, done=0 WHERE covered IS NOT NULL")

    def _open_news(self) -> list[OpenNews]:
        """Return the news that our catalogue may not have; read once after each change of news.

        The gateway says every few seconds, of each station of the site, how far it is. Asked on
        the connection that has just written: another one's pages are void after each commit.
        """
        if self._news is None:
            self._news = open_news(self.connection)
        return self._news

    def reposition(self) -> None:
        """After a fork our facts have new places in a new epoch; news must name those.

        What the gateway had before the fork was not copied; it has that at the latest when it has
        the new epoch's first row. Where all have their places nothing is written: a kiosk that
        starts on a full disk must still be able to say that it is there.
        """
        epoch_n = self.journal.epoch.n
        stray = "SELECT 1 FROM news WHERE own=1 AND epoch_n<? LIMIT 1"
        if self.reader.execute(stray, (epoch_n,)).fetchone() is None:
            return
        self._news = None
        with transaction(self.connection) as connection:
            connection.execute(
                "UPDATE news SET (epoch_n, seq) = (SELECT epoch_n, seq FROM journal"
                " WHERE id=news.fact ORDER BY epoch_n DESC LIMIT 1)"
                " WHERE own=1 AND fact IN (SELECT id FROM journal)"
            )
            connection.execute(
                "UPDATE news SET epoch_n=?, seq=1 WHERE own=1 AND epoch_n<?", (epoch_n, epoch_n)
            )

    def own_news_after(self, version: int, limit: int) -> list[sqlite3.Row]:
        """Own news that a list of this version does not have, the newest `limit`, oldest first."""
        rows = self.reader.execute(
            "SELECT * FROM (SELECT * FROM news WHERE own=1 AND (covered IS NULL OR covered > ?)"
            " ORDER BY n DESC LIMIT ?) ORDER BY n",
            (version, limit),
        )
        return rows.fetchall()

    def list_states(self) -> dict[str, ListState]:
        """Where each list stands; remembered until this object writes: nobody else does."""
        if self._lists is None:
            rows = self.reader.execute("SELECT * FROM list_state").fetchall()
            self._lists = {row["kind"]: ListState(**dict(row)) for row in rows}
        return dict(self._lists)

    def adopt(self, state: ListState) -> None:
        """A new snapshot is in use; what changed before it is in it."""
        self._lists = None
        with transaction(self.connection) as connection:
            insert(connection, "list_state", _state_values(state))
            connection.execute("DELETE FROM delta WHERE kind=?", (state.kind,))
            connection.execute("DELETE FROM delta_index WHERE kind=?", (state.kind,))

    def apply_changes(self, state: ListState, changes: Iterable[Mapping[str, Any]]) -> None:
        """Lay the changes over the snapshot and note the version they lead to, all or nothing.

        Of a loan little changes but the reader: what stays as it is is not written again.
        """
        known, self._lists = self.list_states(), None
        with transaction(self.connection) as connection:
            for change in changes:
                key, doc = str(change["key"]), change["doc"]
                text = json.dumps(doc, separators=(",", ":"))
                connection.execute(_PUT_DELTA, (state.kind, key, text))
                held = set(connection.execute(_INDEXED, (state.kind, key)))
                wanted = _index_values(state.kind, doc or {})
                for entry in sorted(held - wanted):
                    connection.execute(_NO_MORE_INDEXED, (state.kind, *entry, key))
                for entry in sorted(wanted - held):
                    connection.execute(_INDEX, (state.kind, *entry, key))
            connection.execute(_STEP_ON, (state.version, state.kind))
        self._lists = {**known, state.kind: state}

    def remember(self, key: str, value: str) -> None:
        """Keep a small thing over restarts."""
        with transaction(self.connection) as connection:
            self._remember(connection, key, value)

    def recall(self, key: str, default: str = "") -> str:
        """What was kept under this key."""
        row = self.reader.execute("SELECT value FROM memo WHERE key=?", (key,)).fetchone()
        return str(row["value"]) if row else default

    def oldest_waiting_wall(self) -> int | None:
        """When the oldest fact the gateway does not have was written, by this station's clock."""
        journal = self.journal
        if journal.last_seq <= journal.acked:
            return None
        place = (journal.epoch.id, journal.acked)
        if place != self._oldest[0]:
            waiting = journal.rows(journal.acked + 1, 1, 1)
            self._oldest = (place, _wall_of(waiting[0]) if waiting else None)
        return self._oldest[1]

    def _insert_news(
        self, connection: sqlite3.Connection, draft: Draft, news: News, seq: int
    ) -> None:
        self._news = None
        values = {
            "fact": draft.id, "station": self.station, "own": 1,
            "epoch_n": self.journal.epoch.n, "seq": seq, "item_id": news.item_id,
            "uids": json.dumps(news.uids), "state": news.state, "reach": news.reach,
            "saw": json.dumps(news.saw), "wall": draft.fields.get("wall", 0),
            "patron_id": news.patron_id, "loan": news.loan or draft.id, "due_at": news.due_at,
            "lent_at": news.lent_at, "on_site": int(news.on_site), "renewals": news.renewals,
            "policy": news.policy, "session": news.session, "barcode": news.barcode,
        }  # fmt: skip
        insert(connection, "news", values)

    def _remember(self, connection: sqlite3.Connection, key: str, value: str) -> None:
        connection.execute(_PUT_MEMO, (key, value))


# A row that is replaced goes, and comes again at its table's end; one that is updated stays.
_PUT_MEMO = "INSERT INTO memo VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value"
_PUT_DELTA = (
    "INSERT INTO delta VALUES (?,?,?) ON CONFLICT (kind, key) DO UPDATE SET doc=excluded.doc"
)
_STEP_ON = "UPDATE list_state SET version=? WHERE kind=?"
# Left to itself SQLite takes the primary key, which has all columns, and reads the whole kind.
_INDEXED = (
    "SELECT name, value FROM delta_index INDEXED BY idx_delta_index_kind_key"
    " WHERE kind=? AND key=?"
)
_INDEX = "INSERT OR IGNORE INTO delta_index VALUES (?,?,?,?)"
_NO_MORE_INDEXED = "DELETE FROM delta_index WHERE kind=? AND name=? AND value=? AND key=?"

_AS_JSON = {"news": ("uids", "saw"), "unfinished": ("uids",), "delta": ("doc",)}
_TABLES = ("news", "unfinished", "list_state", "delta", "delta_index", "memo")


def _prove(connection: sqlite3.Connection) -> None:
    """Make the kiosk's own tables and read them all; raise for what cannot be read."""
    MIGRATIONS.apply(Database(connection))
    check_pragmas(connection)
    for table in _TABLES:
        rows = connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in rows.description]
        texts = [names.index(name) for name in _AS_JSON.get(table, ())]
        for row in rows:
            for place in texts:
                json.loads(row[place])


def check_pragmas(connection: sqlite3.Connection) -> None:
    """Raise StoreUnsafe unless a commit on this very connection survives a power cut."""
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or synchronous < 2:
        raise StoreUnsafe(
            f"station.db: journal_mode {mode}, synchronous {synchronous}; a shown tick could be "
            "lost in a power cut, so nothing is lent. Put the file on a local disk"
        )


def _wall_of(row: Row) -> int | None:
    try:
        wall = json.loads(row.body).get("wall")
    except ValueError:
        return None
    return int(wall) if isinstance(wall, int) else None


def _unfinished_values(unfinished: Unfinished, draft: Draft) -> dict[str, Any]:
    return {
        "fact": unfinished.fact, "kind": unfinished.kind, "item_id": unfinished.item_id,
        "title": unfinished.title, "uids": json.dumps(unfinished.uids),
        "wanted": unfinished.wanted, "loan": unfinished.loan,
        "wall": draft.fields.get("wall", 0),
    }  # fmt: skip


def _state_values(state: ListState) -> dict[str, Any]:
    return {
        "kind": state.kind,
        "lineage": state.lineage,
        "version": state.version,
        "file": state.file,
    }


def _index_values(kind: str, doc: Mapping[str, Any]) -> set[tuple[str, str]]:
    """By what a changed document is looked up."""
    if kind == "catalogue":
        found = {("uid", str(uid)) for uid in doc.get("uids") or ()}
        found |= {("barcode", str(doc["barcode"]))} if doc.get("barcode") else set()
        return found | ({("patron", str(doc["patron_id"]))} if doc.get("patron_id") else set())
    if kind == "patrons":
        return {("card", str(card["card_key"])) for card in doc.get("cards") or ()}
    return set()
