"""The kiosk's own tables in station.db, beside the journal's, as migrations.

A migration that has run anywhere is never edited: a new one follows it.
"""

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("kiosk")


@MIGRATIONS(name="0001_news")
def _news(db: Database) -> None:
    """What is known of items beyond the catalogue: own facts and the site's.

    covered: the version of the lists that has it, once the gateway said so; done: and our own
    catalogue reached that version.
    """
    db.table("news").create(
        {
            "n": int, "fact": str, "station": str, "own": int, "epoch_n": int, "seq": int,
            "item_id": str, "uids": str, "state": str, "reach": int, "saw": str, "wall": int,
            "patron_id": str, "loan": str, "due_at": int, "lent_at": int, "on_site": int,
            "renewals": int, "policy": int, "session": str, "covered": int, "done": int,
        },
        pk="n",
        not_null={"fact", "station", "own", "epoch_n", "seq", "uids", "state", "saw", "wall"},
        defaults={"done": 0, "reach": 0, "renewals": 0, "on_site": 0},
    )  # fmt: skip
    db.table("news").create_index(["fact"], unique=True)
    db.table("news").create_index(["item_id"])
    db.table("news").create_index(["patron_id"])
    db.table("news").create_index(["covered"])


@MIGRATIONS(name="0002_unfinished")
def _unfinished(db: Database) -> None:
    """Facts whose tick was not shown yet: the tag may still say the old thing."""
    db.table("unfinished").create(
        {
            "fact": str, "kind": str, "item_id": str, "title": str, "uids": str, "wanted": str,
            "loan": str, "wall": int,
        },
        pk="fact",
        not_null={"kind", "uids", "wanted"},
    )  # fmt: skip


@MIGRATIONS(name="0003_lists")
def _lists(db: Database) -> None:
    """Which snapshots are in use, and what changed since."""
    db.table("list_state").create(
        {"kind": str, "lineage": str, "version": int, "file": str}, pk="kind"
    )
    db.table("delta").create({"kind": str, "key": str, "doc": str}, pk=("kind", "key"))
    db.table("delta_index").create(
        {"kind": str, "name": str, "value": str, "key": str},
        pk=("kind", "name", "value", "key"),
    )
    db.table("delta_index").create_index(["kind", "key"])
    db.table("memo").create({"key": str, "value": str}, pk="key")


@MIGRATIONS(name="0004_news_barcode")
def _news_barcode(db: Database) -> None:
    """By what a gate finds an item whose tag nobody knows."""
    db.table("news").add_column("barcode", str)


@MIGRATIONS(name="0005_news_open")
def _news_open(db: Database) -> None:
    """The few news that our catalogue does not have: every turn asks for them among thousands."""
    db.execute("CREATE INDEX news_open ON news (covered) WHERE done=0")
