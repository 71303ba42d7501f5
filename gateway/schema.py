"""The gateway's tables, as SQLAlchemy Core.

Laws of this file:

1. Every key starts with ``library_id``, so that one database may hold many libraries and a
   distributed one may split by it.
2. Nothing counts by itself: no AUTOINCREMENT, no server clock, no sequence. Versions come from
   the library's own row, instants (ms since 1970 UTC) from whoever writes.
3. No foreign keys: a physical fact about an unknown item is stored like any other.
4. The ``fact`` table is what happened; every table marked *derived* can be made again from it.
5. A reader's identity stands in columns of its own beside the hashed body (``salt``,
   ``patron_id``), so that retention can blank it without touching a hash.
"""

import sqlalchemy as sa

from gateway.columns import DOC, ID, METADATA, MS, STATION, VERSION
from gateway.columns import count as _count
from gateway.columns import flag as _flag
from gateway.columns import key as _key
from gateway.columns import table as _table
from gateway.columns import text as _text

__all__ = ["METADATA"]

# ---------------------------------------------------------------- the library and its stations

LIBRARY = _table(
    "library",
    _text("name", required=True),
    sa.Column("lineage", ID, nullable=False),
    _count("version", VERSION),  # the newest committed version; locked first by every writer
    _count("published", VERSION),  # every change row up to here has been sent
    _count("head_n", VERSION),  # rises with every head, also over restarts
    _flag("recovered"),  # 0 while stations of an older lineage may still hold what we lost
)

OWNER = _table(  # which worker writes for the library, if several share a server
    "owner",
    sa.Column("worker", sa.String(64), nullable=False),
    sa.Column("term", sa.BigInteger, nullable=False),  # rises with every change of owner
    sa.Column("until", MS, nullable=False),  # after which another may take it
)

FEED = _table(  # one row per kind of list
    "feed",
    _key("kind", sa.String(16)),
    _count("version", VERSION),  # the newest version at which the list changed
    _count("floor", VERSION),  # change rows up to here are gone; older followers need a snapshot
)

STATION_TABLE = _table(
    "station",
    _key("station", STATION),
    sa.Column("role", sa.String(8), nullable=False, server_default="kiosk"),
    sa.Column("site", ID),
    _text("name", required=True),
    _flag("connected"),  # a hint: only contact proves life
    sa.Column("boot", sa.String(16)),
    _count("epoch_n"),
    sa.Column("epoch_id", ID),
    _count("hw", sa.BigInteger),
    sa.Column("hash", sa.LargeBinary(16)),
    sa.Column("keep_from", sa.BigInteger, nullable=False, server_default="1"),
    _count("seq_last", sa.BigInteger),
    _count("acked", sa.BigInteger),
    sa.Column("lineage", ID),
    sa.Column("versions", DOC),
    sa.Column("firmware", sa.String(64)),
    sa.Column("clock", sa.String(8)),
    sa.Column("config_version", VERSION),
    sa.Column("list_state", sa.String(8)),
    sa.Column("waiting_since", MS),
    sa.Column("first_contact_at", MS),
    sa.Column("last_contact_at", MS),
    sa.Column("connected_at", MS),
    sa.Column("gone_at", MS),
    sa.Column("last_fact_at", MS),
    _count("facts", sa.BigInteger),  # applied; counted here, since counting rows takes seconds
    _count("parked", sa.BigInteger),
    sa.Column("twin_seen_at", MS),  # when two programs last answered to this name
    sa.Column("telemetry", DOC),
)

EPOCH = _table(  # one row per journal a station ever opened
    "epoch",
    _key("station", STATION),
    _key("id"),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("parent_id", ID),
    sa.Column("parent_n", sa.Integer),
    sa.Column("parent_seq", sa.BigInteger),
    sa.Column("parent_hash", sa.LargeBinary(16)),
    _count("hw", sa.BigInteger),
    sa.Column("hash", sa.LargeBinary(16), nullable=False),
)

# ------------------------------------------------------------------------------------ the facts

FACT = _table(
    "fact",
    _key("id"),
    sa.Column("station", STATION, nullable=False),
    sa.Column("epoch_n", sa.Integer, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("item_id", ID),  # resolved once, when the fact is applied
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("salt", sa.LargeBinary(16)),
    sa.Column("patron_id", ID),
    sa.Column("boot", sa.String(16), nullable=False),
    sa.Column("mono_ms", MS, nullable=False),
    sa.Column("wall_ms", MS),
    sa.Column("earliest_ms", MS),  # derived: from journalled clock facts only
    sa.Column("latest_ms", MS),  # derived
    _flag("flagged"),  # derived: the interval contradicts seq or saw
    sa.Column("received_at", MS, nullable=False),
    sa.Column("version", VERSION, nullable=False),
)
sa.Index(
    "fact_by_item",
    FACT.c.library_id,
    FACT.c.item_id,
    sqlite_where=FACT.c.item_id.is_not(None),
)
sa.Index("fact_by_place", FACT.c.library_id, FACT.c.station, FACT.c.epoch_n, FACT.c.seq)
sa.Index(
    "fact_by_patron",
    FACT.c.library_id,
    FACT.c.patron_id,
    sqlite_where=FACT.c.patron_id.is_not(None),
)
sa.Index(
    "fact_clock",
    FACT.c.library_id,
    FACT.c.station,
    FACT.c.epoch_n,
    FACT.c.seq,
    sqlite_where=FACT.c.kind == "clock",
    postgresql_where=FACT.c.kind == "clock",
)

POSITION = _table(  # every row of every journal, with what became of it
    "position",
    _key("station", STATION),
    _key("epoch_id"),
    _key("seq", sa.BigInteger),
    sa.Column("hash", sa.LargeBinary(16), nullable=False),
    sa.Column("fact_id", ID),  # empty for what is parked, and at the end of a hole
    rowid=False,
)

PARKED = _table(
    "parked",
    _key("station", STATION),
    _key("epoch_id"),
    _key("seq", sa.BigInteger),
    sa.Column("epoch_n", sa.Integer, nullable=False),
    sa.Column("hash", sa.LargeBinary(16), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("salt", sa.LargeBinary(16)),
    sa.Column("patron_id", ID),
    sa.Column("why", sa.String(24), nullable=False),
    _text("detail", required=True),
    sa.Column("received_at", MS, nullable=False),
    sa.Column("tried_with", sa.String(32), nullable=False),  # our version that last tried it
    sa.Column("applied_at", MS),
)

WAITING = _table(  # facts whose item nobody knows yet, under every number they give it
    "waiting",
    _key("number", sa.String(96)),
    _key("fact_id"),
    rowid=False,
)
sa.Index("waiting_by_fact", WAITING.c.library_id, WAITING.c.fact_id)

# -------------------------------------------------------------------------------- the catalogue

TITLE = _table(
    "title",
    _key("title_id"),
    sa.Column("control_no", sa.String(64)),  # the source's own number (MARC 001), for re-imports
    _text("title", required=True),
    _text("author", required=True),
    sa.Column("isbn", sa.String(17)),
    sa.Column("year", sa.Integer),
    _text("publisher"),
    sa.Column("language", sa.String(8)),
    sa.Column("extra", DOC),
)
sa.Index("title_by_control_no", TITLE.c.library_id, TITLE.c.control_no, unique=True)
sa.Index("title_by_isbn", TITLE.c.library_id, TITLE.c.isbn)

ITEM = _table(
    "item",
    _key("item_id"),
    sa.Column("title_id", ID),
    sa.Column("barcode", sa.String(48)),
    sa.Column("accession_no", sa.String(64)),
    sa.Column("item_type", sa.String(32), nullable=False, server_default="book"),
    sa.Column("owner", sa.String(32)),  # ISIL of the owning member
    sa.Column("home", sa.String(64)),  # where it belongs: site, or site/room
    sa.Column("location", sa.String(64)),  # where it stands now, if not at home
    _text("shelf_mark", required=True),
    _flag("reference"),
    _flag("not_for_loan"),
    sa.Column("parts_total", sa.Integer, nullable=False, server_default="1"),
    sa.Column("price_cents", sa.Integer),
    sa.Column("initial", sa.String(16)),  # its state before any fact, if not available
    sa.Column("extra", DOC),
)
sa.Index("item_by_barcode", ITEM.c.library_id, ITEM.c.barcode, unique=True)
sa.Index("item_by_title", ITEM.c.library_id, ITEM.c.title_id)

ITEM_UID = _table(  # which tag lies in which item, from imports or from any reader that saw both
    "item_uid",
    _key("uid", sa.String(64)),
    sa.Column("item_id", ID, nullable=False),
    sa.Column("learned_from", ID),  # the fact that showed it; empty for an import
)
sa.Index("item_uid_by_item", ITEM_UID.c.library_id, ITEM_UID.c.item_id)

PATRON = _table(
    "patron",
    _key("patron_id"),
    sa.Column("number", sa.String(64)),  # the library's own number for re-imports
    _text("short_name", required=True),
    sa.Column("category", sa.String(32), nullable=False, server_default="reader"),
    sa.Column("class_id", sa.String(32)),
    sa.Column("member", sa.String(32)),
    sa.Column("expires_on", sa.String(10)),
    sa.Column("blocked", DOC),  # list of reason codes; empty = free
    _count("fee_cents"),
    sa.Column("born_on", sa.String(10)),  # never leaves the gateway
    sa.Column("age_reached", sa.SmallInteger),  # the highest age limit reached, for kiosks
    sa.Column("language", sa.String(8)),
    sa.Column("pin_hash", sa.Text),
    sa.Column("extra", DOC),  # never leaves the gateway
)
sa.Index("patron_by_number", PATRON.c.library_id, PATRON.c.number, unique=True)

CARD = _table(
    "card",
    _key("card_key"),
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("patron_id", ID, nullable=False),
    sa.Column("status", sa.String(8), nullable=False, server_default="active"),
)
sa.Index("card_by_patron", CARD.c.library_id, CARD.c.patron_id)

POLICY = _table(
    "policy",
    _key("version", VERSION),
    sa.Column("doc", DOC, nullable=False),
    sa.Column("saved_at", MS, nullable=False),
)

CONFIG = _table(  # the configuration a station should run
    "config",
    _key("station", STATION),
    sa.Column("version", VERSION, nullable=False),
    sa.Column("values", DOC, nullable=False),
)

# ----------------------------------------------------------------------------- derived from facts

HOLDING = _table(  # derived: one row per item of which any moving fact is known
    "holding",
    _key("item_id"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("patron_id", ID),
    sa.Column("loan", ID),
    sa.Column("last", DOC, nullable=False),  # the ids of its last facts
    sa.Column("floor_ms", MS),  # before which its newest fact cannot have happened
    _flag("doubted"),  # its facts were not one chain: fold again when an interval changes
    sa.Column("doc", sa.Text, nullable=False),  # the whole holding, as the fold wrote it
    sa.Column("version", VERSION, nullable=False),
)
sa.Index(
    "holding_by_patron",
    HOLDING.c.library_id,
    HOLDING.c.patron_id,
    sqlite_where=HOLDING.c.patron_id.is_not(None),
)

LOAN = _table(  # derived: every loan with its beginning and end, for statistics and retention
    "loan",
    _key("loan"),  # the checkout's fact id
    sa.Column("item_id", ID, nullable=False),
    sa.Column("patron_id", ID),
    sa.Column("opened_at", MS, nullable=False),
    sa.Column("due_at", MS),
    sa.Column("policy_version", VERSION),
    sa.Column("closed_at", MS),
)
sa.Index("loan_by_item", LOAN.c.library_id, LOAN.c.item_id)
sa.Index("loan_by_closing", LOAN.c.library_id, LOAN.c.closed_at)

HOLD = _table(  # derived
    "hold",
    _key("hold"),
    sa.Column("item_id", ID),
    sa.Column("title_id", ID),
    sa.Column("patron_id", ID),
    sa.Column("pickup", ID),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("placed_at", MS, nullable=False),
    sa.Column("ended_at", MS),
)
sa.Index("hold_by_item", HOLD.c.library_id, HOLD.c.item_id)
sa.Index("hold_by_title", HOLD.c.library_id, HOLD.c.title_id)

VERDICT = _table(  # judged once, at application, by what was then known
    "verdict",
    _key("fact_id"),
    _key("rule", sa.String(32)),
    sa.Column("detail", DOC),
    sa.Column("judged_at", MS, nullable=False),
)

REVIEW = _table(  # for staff: inserted and annotated, never withdrawn
    "review",
    _key("key", sa.String(128)),
    sa.Column("rule", sa.String(32), nullable=False),
    sa.Column("item_id", ID),
    sa.Column("station", STATION),
    sa.Column("facts", DOC, nullable=False),
    sa.Column("detail", DOC),
    sa.Column("notes", DOC),
    sa.Column("created_at", MS, nullable=False),
    sa.Column("decided_at", MS),
    sa.Column("decided_by", ID),  # the decision's fact id
    sa.Column("settled_at", MS),  # when it ceased to matter without a decision
    sa.Column("settled_by", DOC),  # the ids of the facts that did it; none: the order got known
    sa.Column("version", VERSION, nullable=False),
)
_WAITS = sa.and_(REVIEW.c.decided_at.is_(None), REVIEW.c.settled_at.is_(None))
sa.Index("review_open", REVIEW.c.library_id, REVIEW.c.created_at, sqlite_where=_WAITS)
sa.Index("review_open_by_item", REVIEW.c.library_id, REVIEW.c.item_id, sqlite_where=_WAITS)
sa.Index("review_by_item", REVIEW.c.library_id, REVIEW.c.item_id)

ALARM = _table(
    "alarm",
    _key("fact_id"),
    sa.Column("station", STATION, nullable=False),
    sa.Column("item_id", ID),
    sa.Column("gate", sa.String(32)),
    sa.Column("lane", sa.String(32)),
    sa.Column("direction", sa.String(8)),
    sa.Column("deciding_row", sa.SmallInteger),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("uid", sa.String(64)),
    sa.Column("at_ms", MS),
    sa.Column("answered_at", MS),
)
sa.Index("alarm_by_station", ALARM.c.library_id, ALARM.c.station, ALARM.c.at_ms)

PASSAGE_COUNT = _table(
    "passage_count",
    _key("fact_id"),
    sa.Column("station", STATION, nullable=False),
    sa.Column("gate", sa.String(32)),
    sa.Column("from_ms", MS, nullable=False),
    sa.Column("until_ms", MS, nullable=False),
    _count("people_in"),
    _count("people_out"),
)

MAY_LEAVE = _table(  # derived: the gates' list as it stands
    "may_leave",
    _key("key", sa.String(96)),
    sa.Column("item_id", ID, nullable=False),
    _count("reach"),
    _flag("unsecured"),
    sa.Column("unsecured_since", VERSION),  # the version that put it among the unsecured
    rowid=False,
)
sa.Index(
    "may_leave_unsecured",
    MAY_LEAVE.c.library_id,
    MAY_LEAVE.c.unsecured_since,
    sqlite_where=MAY_LEAVE.c.unsecured == 1,
)
sa.Index("may_leave_by_item", MAY_LEAVE.c.library_id, MAY_LEAVE.c.item_id)

# ------------------------------------------------------------------------------- what goes down

CHANGE = _table(  # outbox and feed in one: sent in version order, kept as long as a snapshot needs
    "change",
    _key("kind", sa.String(16)),
    _key("version", VERSION),
    _key("key", sa.String(96)),
    sa.Column("body", sa.Text, nullable=False),  # the change row as it goes over the wire
    sa.Column("committed_at", MS, nullable=False),
    rowid=False,
)

STEP = _table(  # the versions a list went through, also those that changed nothing in it
    "step",
    _key("kind", sa.String(16)),
    _key("version", VERSION),
    sa.Column("previous", VERSION, nullable=False),
    sa.Column("committed_at", MS, nullable=False),
    rowid=False,
)
sa.Index("step_by_version", STEP.c.library_id, STEP.c.version)

SNAPSHOT = _table(
    "snapshot",
    _key("kind", sa.String(16)),
    _key("format", sa.String(16)),
    _key("version", VERSION),
    sa.Column("lineage", ID, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("built_at", MS, nullable=False),
)

PROGRAM_OFFER = _table(  # the newest program for each kind of microcontroller, as it was signed
    "program_offer",
    _key("format", sa.String(32)),  # board and bytecode
    sa.Column("id", sa.String(16), nullable=False),  # stations try each once
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("minimum", sa.Integer, nullable=False),
    sa.Column("base", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("within_ms", MS, nullable=False),
    sa.Column("only", DOC, nullable=False),  # the stations it is for; empty: all
    sa.Column("offered_at", MS, nullable=False),
    sa.Column("withdrawn_at", MS),
)

EVENT = _table(  # what the sync page tells: a bounded diary, not a log
    "event",
    _key("n", VERSION),
    sa.Column("at_ms", MS, nullable=False),
    sa.Column("station", STATION),
    sa.Column("code", sa.String(24), nullable=False),
    sa.Column("detail", DOC),
)
