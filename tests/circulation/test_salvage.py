"""A damaged database is moved aside, what can be read is saved, the rest is counted."""

import itertools
import json
import random
import shutil
import sqlite3

import pytest

from circulation.carve import frames_of, rows_in_frames
from circulation.errors import JournalError
from circulation.journal import SqliteJournal, open_station_db, transaction
from circulation.salvage import Born, Tip, open_or_salvage, read_tip, tip_path, write_tip
from circulation.wire.chain import patron_hash
from circulation.wire.fact import decode_body, encode_body

SALT = bytes(range(16))
PATRON = "77aa01fe23dc45ba"
WALL_MS = 1_767_261_600_000
SECOND = "00000000000000e2"
FACTS_A_COMMIT = 4


def fact(number, note=""):
    """Return the body of a loan to a reader."""
    fields = {"id": f"{number:016x}", "kind": "checkout", "boot": "0b0b0b0b", "mono": number}
    return encode_body(fields | {"patron": patron_hash(SALT, PATRON), "note": note})


def born(first=0xB000):
    """Return what marks a start of the program; ids count up."""
    ids = itertools.count(first)
    return Born(lambda: f"{next(ids):016x}", "0c0c0c0c", WALL_MS)


@pytest.fixture
def path(tmp_path):
    """Where a station keeps its database."""
    return tmp_path / "station.db"


def write(path, count, *, acked=0, in_log=False, note=""):
    """Write a journal of so many rows and note its tip; in_log: as a power cut leaves it."""
    opened = open_or_salvage(path, born())
    for first in range(1, count + 1, FACTS_A_COMMIT):
        with transaction(opened.connection):
            for number in range(first, min(first + FACTS_A_COMMIT, count + 1)):
                opened.journal.append(fact(number, note), SALT, PATRON)
    if acked:
        opened.journal.mark_acked(acked, 1)
    write_tip(path, opened.journal)
    if in_log:
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{path}.cut{suffix}")
    opened.connection.close()
    if in_log:
        for suffix in ("", "-wal"):
            shutil.move(f"{path}.cut{suffix}", f"{path}{suffix}")


def scratch(path, place, count=1):
    """Flip every bit of some bytes of a file."""
    content = bytearray(path.read_bytes())
    for n in range(place, min(place + count, len(content))):
        content[n] ^= 0xFF
    path.write_bytes(bytes(content))


def reopen(path):
    """Open it again; return its bodies, what was salvaged, and its newest epoch."""
    opened = open_or_salvage(path, born(0xC000))
    try:
        journal = opened.journal
        rows = journal.rows(1, 10_000, 1 << 30)
        return [row.body for row in rows], opened.salvaged, journal.epoch, rows
    finally:
        opened.connection.close()


def losses(bodies):
    """Return the [first, last] that lost facts declare."""
    read = [decode_body(body) for body in bodies]
    return [(one["first"], one["last"]) for one in read if one["kind"] == "lost"]


def test_a_database_in_good_order_is_just_opened(path):
    """Nothing is moved, no epoch is begun."""
    write(path, 5)

    bodies, salvaged, epoch, _ = reopen(path)

    assert bodies == [fact(n) for n in range(1, 6)]
    assert (salvaged, epoch.n) == (None, 1)


def test_a_new_station_begins_its_first_epoch(path):
    """Without any file there is nothing to save."""
    bodies, salvaged, epoch, _ = reopen(path)

    assert (bodies, salvaged, epoch.n, epoch.parent) == ([], None, 1, None)


def test_a_damaged_page_costs_its_rows_and_no_others(path):
    """Rows are saved one by one, in a new epoch; what was on the page is declared lost."""
    write(path, 100)
    page = next(n for n in range(2, 40) if b'"mono":30,' in at_page(path, n))

    scratch(path, page * 4096, 4096)
    bodies, salvaged, epoch, rows = reopen(path)

    saved = [body for body in bodies if decode_body(body)["kind"] == "checkout"]
    missing = set(range(1, 101)) - {decode_body(body)["mono"] for body in saved}
    declared = {n for first, last in losses(bodies) for n in range(first, last + 1)}
    assert 0 < len(missing) < 60
    assert declared == missing
    assert salvaged.lost == len(missing)
    assert (epoch.n, epoch.parent.n, epoch.parent.seq) == (2, 1, 100)
    assert {(row.salt, row.patron) for row in rows[: len(saved)]} == {(SALT, PATRON)}


def test_what_a_salvage_brings_is_known_to_be_unsent_or_not(path):
    """A station without a network tells again what the gateway has not had, and no more."""
    write(path, 100, acked=90)
    page = next(n for n in range(2, 40) if b'"mono":30,' in at_page(path, n))

    scratch(path, page * 4096, 4096)
    _, salvaged, _, _ = reopen(path)

    unsent = [row.seq for row in salvaged.rows if salvaged.is_unsent(row)]
    assert unsent == [*range(91, 101)]


def at_page(path, number):
    """Return a page's bytes; the first is number 0."""
    return path.read_bytes()[number * 4096 : (number + 1) * 4096]


def test_the_damaged_file_is_kept(path):
    """Nobody deletes what somebody may still read."""
    write(path, 30)
    scratch(path, 100, 3_000)
    damaged = path.read_bytes()

    _, salvaged, _, _ = reopen(path)

    assert salvaged.aside.name == "station.db.damaged-1"
    assert salvaged.aside.read_bytes() == damaged


def test_what_the_gateway_has_is_not_called_lost(path):
    """Rows that were acknowledged exist; only those behind them can be lost with the disk."""
    write(path, 60, acked=50)
    path.write_bytes(b"")

    bodies, salvaged, _, _ = reopen(path)

    assert losses(bodies) == [(51, 60)]
    assert salvaged.lost == 10


@pytest.mark.parametrize("kept", [0, 1, 4096, 4096 * 5, 4096 * 9 + 77])
def test_a_cut_off_file_is_never_taken_for_a_whole_one(path, kept):
    """However much of it is left, each row is there or declared lost."""
    write(path, 80)

    path.write_bytes(path.read_bytes()[:kept])
    bodies, salvaged, epoch, _ = reopen(path)

    saved = {decode_body(body)["mono"] for body in bodies} - {0}
    declared = {n for first, last in losses(bodies) for n in range(first, last + 1)}
    assert saved | declared == set(range(1, 81))
    assert not saved & declared
    assert epoch.n == 2
    assert salvaged.lost == len(declared)


def test_a_database_that_is_gone_is_missed(path):
    """The tip beside it says what there was."""
    write(path, 7)
    path.unlink()

    bodies, salvaged, epoch, _ = reopen(path)

    assert losses(bodies) == [(1, 7)]
    assert (salvaged.lost, epoch.n) == (7, 2)


def test_an_older_database_in_its_place_is_noticed(path, tmp_path):
    """What it lacks is declared; what it has goes again, under new places."""
    write(path, 5)
    shutil.copy(path, tmp_path / "older.db")
    write(path, 4)  # facts 1 to 4 again, in rows 6 to 9
    shutil.copy(tmp_path / "older.db", path)

    bodies, salvaged, epoch, _ = reopen(path)

    assert losses(bodies) == [(6, 9)]
    assert bodies[:5] == [fact(n) for n in range(1, 6)]
    assert (salvaged.lost, epoch.n) == (4, 2)


def test_a_fork_in_the_journal_is_no_damage(path):
    """A newer epoch than the noted one is what the station itself began."""
    write(path, 5)
    opened = open_or_salvage(path, born())
    opened.journal.open_epoch(3, SECOND, 2)
    opened.connection.close()

    bodies, salvaged, epoch, _ = reopen(path)

    assert (bodies, salvaged, epoch.id) == ([fact(4), fact(5)], None, SECOND)


def test_facts_moved_into_a_newer_epoch_are_saved_once(path):
    """What a fork left behind in older pages of the log is the same fact, not another."""
    opened = open_or_salvage(path, born())
    with transaction(opened.connection):
        for number in range(1, 41):
            opened.journal.append(fact(number), SALT, PATRON)
    opened.journal.open_epoch(10, SECOND, 2)
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{path}.cut{suffix}")
    opened.connection.close()
    cut = path.with_name("station.db.cut")
    raw = rows_in_frames(frames_of(cut.with_name("station.db.cut-wal").read_bytes()), b"")

    scratch(cut, 19)
    bodies, _, epoch, _ = reopen(cut)

    assert len({(row.epoch_n, row.seq) for row in raw}) == 70
    assert bodies == [fact(n) for n in range(1, 41)]
    assert epoch.n == 3


def test_what_lay_in_the_log_is_saved_too(path):
    """After a power cut most facts are in the log; a bad byte in it hides all that follow."""
    write(path, 60, in_log=True)
    log = path.with_name("station.db-wal")
    frames = frames_of(log.read_bytes())
    scratch(log, 32 + 24 + 5_000, 2)

    bodies, salvaged, _, _ = reopen(path)

    assert len(frames) > 30
    assert salvaged is not None
    assert bodies == [fact(n) for n in range(1, 61)]


@pytest.mark.parametrize("place", [0, 9, 18, 25, 32 + 9, 32 + 18])
def test_a_bad_byte_in_the_logs_headers_hides_nothing(path, place):
    """SQLite passes over such a log in silence; every fact in it is saved all the same."""
    write(path, 40, in_log=True)

    scratch(path.with_name("station.db-wal"), place)
    bodies, salvaged, _, _ = reopen(path)

    assert {decode_body(body)["mono"] for body in bodies} == set(range(1, 41))
    assert salvaged is not None


@pytest.mark.parametrize(("cut_bytes", "kept"), [(0, 20), (9, 16)])
def test_a_log_as_a_power_cut_leaves_it_is_no_damage(path, cut_bytes, kept):
    """Whole, or torn in its last commit: SQLite plays it in, and nothing was promised behind."""
    write(path, 20, in_log=True)
    log = path.with_name("station.db-wal")
    log.write_bytes(log.read_bytes()[: log.stat().st_size - cut_bytes])
    tip_path(path).unlink()

    bodies, salvaged, _, _ = reopen(path)

    assert bodies == [fact(n) for n in range(1, kept + 1)]
    assert salvaged is None


def test_a_fact_that_changed_on_the_disk_is_no_fact(path):
    """SQLite finds nothing wrong with a flipped bit in a text; the row's hash does."""
    write(path, 20)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE journal SET body=? WHERE seq=9", (fact(99),))
    other.close()

    bodies, salvaged, _, _ = reopen(path)

    assert bodies[:19] == [fact(n) for n in range(1, 21) if n != 9]
    assert losses(bodies) == [(9, 9)]
    assert salvaged.lost == 1


def test_a_fact_that_was_never_committed_stays_dead(path):
    """A cut in the middle of a commit is no damage; what it tore was promised to nobody."""
    write(path, 20, in_log=True)
    log = path.with_name("station.db-wal")
    whole = log.read_bytes()
    ends = [n for n, frame in enumerate(frames_of(whole)) if frame.ends_commit]
    torn = bytearray(whole)
    torn[32 + (ends[-2] + 1) * 4120 + 24 + 9] ^= 0xFF  # in the last commit's first page
    log.write_bytes(bytes(torn))
    tip_path(path).unlink()

    bodies, salvaged, _, _ = reopen(path)

    assert ends[-1] - ends[-2] > 1
    assert bodies == [fact(n) for n in range(1, 17)]
    assert salvaged is None


def test_frames_of_the_logs_earlier_life_are_left_alone(path):
    """Behind a restarted log lie old frames, of commits that are all in the database."""
    connection = open_station_db(path)
    journal = SqliteJournal(connection, epoch_id=SECOND)
    with transaction(connection):
        for number in range(1, 200):
            journal.append(fact(number))
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    journal.append(fact(200))
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{path}.cut{suffix}")
    connection.close()

    bodies, salvaged, _, _ = reopen(path.with_name("station.db.cut"))

    assert salvaged is None
    assert len(bodies) == 200


def test_a_damaged_log_whose_facts_are_all_in_the_database_is_no_loss(path):
    """After a checkpoint the log says nothing new: nobody is alarmed."""
    opened = open_or_salvage(path, born())
    for number in range(1, 6):
        opened.journal.append(fact(number), SALT, PATRON)
    opened.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{path}.cut{suffix}")
    opened.connection.close()
    cut = path.with_name("station.db.cut")
    scratch(cut.with_name("station.db.cut-wal"), 32 + 24 + 9)

    bodies, salvaged, _, _ = reopen(cut)

    assert salvaged is None
    assert bodies == [fact(n) for n in range(1, 6)]


def test_a_long_fact_whose_end_is_cut_off_is_lost(path):
    """Half a fact is none; it is declared with the others."""
    write(path, 12, note="n" * 5_000)
    content = path.read_bytes()

    path.write_bytes(content[: len(content) - 4096 * 6 - 9])
    bodies, salvaged, _, _ = reopen(path)

    saved = [decode_body(body)["mono"] for body in bodies if decode_body(body)["kind"] != "lost"]
    assert 0 < len(saved) < 12
    assert salvaged.lost == 12 - len(saved)


def test_an_epoch_no_station_ever_reaches_is_none(path):
    """A number that the gateway could not store is not believed."""
    write(path, 4)
    opened = open_or_salvage(path, born())
    opened.journal.open_epoch(2, SECOND, 1_000_001)
    opened.connection.close()
    scratch(path, 19)

    bodies, _, epoch, _ = reopen(path)

    assert bodies[:2] == [fact(1), fact(2)]
    assert epoch.n == 2


def test_long_facts_are_followed_over_their_pages(path):
    """A set of a hundred parts takes more than a page, in the database and in the log."""
    for in_log in (False, True):
        where = path.with_name(f"station-{in_log}.db")
        write(where, 12, in_log=in_log, note="n" * 5_000)
        scratch(where, 19)

        bodies, salvaged, _, _ = reopen(where)

        assert salvaged is not None
        assert bodies == [fact(n, "n" * 5_000) for n in range(1, 13)]


def test_a_row_with_anothers_reader_beside_it_loses_the_reader(path):
    """Salt and number are outside the chain; if they do not make the body's hash, they go."""
    write(path, 3)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE journal SET patron='77aa01fe23dc45bb' WHERE seq=2")
    other.close()
    scratch(path, 19)

    bodies, _, _, rows = reopen(path)

    assert bodies == [fact(n) for n in range(1, 4)]
    assert [row.patron for row in rows] == [PATRON, None, PATRON]


def test_a_row_that_nobody_can_read_as_a_fact_is_saved_as_it_is(path):
    """It was committed: the gateway parks it, as it would have."""
    opened = open_or_salvage(path, born())
    opened.journal.append(b"no fact", SALT, PATRON)
    opened.journal.append(b"no fact")
    opened.connection.close()
    scratch(path, 19)

    bodies, _, _, _ = reopen(path)

    assert bodies == [b"no fact", b"no fact"]


def test_more_holes_than_can_be_told_apart_are_told_as_one(path):
    """The declaration is bounded and still covers everything that is missing."""
    write(path, 630)
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM journal WHERE seq % 3 = 0")
    other.isolation_level = None
    other.execute("VACUUM")
    other.close()
    scratch(path, 19)

    bodies, salvaged, _, _ = reopen(path)

    declared = losses(bodies)
    assert len(salvaged.holes) == 210
    assert len(declared) == 200
    assert (declared[0], declared[-1]) == ((3, 3), (600, 630))


def test_a_table_of_epochs_that_says_nonsense_is_not_believed(path):
    """Then the tip says what the gateway has."""
    write(path, 9, acked=4)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE epoch SET id='nonsense'")
        other.execute("DELETE FROM journal WHERE seq=7")
    other.close()

    bodies, salvaged, epoch, _ = reopen(path)

    assert losses(bodies) == [(7, 7)]
    assert (salvaged.lost, epoch.n) == (1, 2)


def test_what_else_the_program_keeps_must_be_readable(path):
    """A table that cannot be read is damage, too; the journal is saved from it."""
    write(path, 6)

    def prove(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS mine (n INTEGER)")
        if connection.execute("SELECT max(n) FROM epoch").fetchone() == (1,):
            raise ValueError("not what was written")

    opened = open_or_salvage(path, born(), prove=prove)
    opened.connection.close()

    assert opened.salvaged is not None
    assert len(opened.salvaged.rows) == 6


def test_a_cut_in_the_middle_of_a_salvage_loses_nothing(path):
    """Between moving aside and taking the place the new database waits, whole."""
    write(path, 25)
    scratch(path, 19)
    opened = open_or_salvage(path, born())
    opened.connection.close()
    path.rename(path.with_name("station.db.new"))
    path.with_name("station.db-wal").write_bytes(b"of the damaged one")

    bodies, salvaged, epoch, _ = reopen(path)

    assert bodies == [fact(n) for n in range(1, 26)]
    assert (salvaged, epoch.n) == (None, 2)
    assert path.with_name("station.db.stray-wal").read_bytes() == b"of the damaged one"


def test_an_unfinished_salvage_is_begun_again(path):
    """A new database that was not finished is made anew from the damaged one."""
    write(path, 25)
    scratch(path, 19)
    path.with_name("station.db.new").write_bytes(b"half a dat")

    bodies, _, _, _ = reopen(path)

    assert bodies == [fact(n) for n in range(1, 26)]


def test_what_is_no_fault_of_the_file_moves_nothing(path):
    """A folder that is gone is told as such; there is nothing to move aside."""
    with pytest.raises(JournalError, match="unable to open"):
        open_or_salvage(path.parent / "gone" / "station.db", born())

    assert not path.parent.joinpath("gone").exists()


def test_a_disk_that_keeps_nothing_is_no_damage(path, monkeypatch):
    """Where SQLite cannot promise a commit the file is not to blame."""
    from circulation import salvage

    def refuses(_path):
        raise JournalError("runs in mode memory; put it on a local disk")

    monkeypatch.setattr(salvage, "open_station_db", refuses)

    with pytest.raises(JournalError, match="local disk"):
        open_or_salvage(path, born())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"epoch":1,"n":1,"seq":1}', b'{"epoch":"e","n":1,"seq":"x"}'],
)
def test_a_tip_nobody_can_read_is_none(path, content):
    """A torn note is as good as no note; it never makes a loss up."""
    write(path, 5)
    tip_path(path).write_bytes(content)

    assert read_tip(path) is None
    assert reopen(path)[1] is None


def test_a_tip_with_a_changed_number_is_none(path):
    """A flipped digit would call facts lost that never were."""
    write(path, 5)
    fields = json.loads(tip_path(path).read_text())
    tip_path(path).write_text(json.dumps({**fields, "seq": 50_000}))

    assert read_tip(path) is None


def test_a_tip_comes_back_as_it_was_noted(path):
    """Epoch, its number, the last row, and what the gateway has."""
    write(path, 5, acked=2)

    assert read_tip(path) == Tip(f"{0xB000:016x}", 1, 5, 2)


def test_flips_and_cuts_anywhere_make_no_fact_and_hide_none(tmp_path):
    """Whatever happens to the bytes, each fact is there as it was written, or declared lost."""
    seed = 20_261
    chance = random.Random(seed)
    for turn in range(16):
        path = tmp_path / f"{turn}.db"
        write(path, 45, acked=5, in_log=turn % 4 in (0, 2))
        damaged = [path, path.with_name(f"{path.name}-wal")][turn % 4 == 2]
        content = bytearray(damaged.read_bytes())
        for _ in range(chance.choice((1, 3, 40))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        damaged.write_bytes(
            bytes(content[: chance.choice((None, chance.randrange(len(content))))])
        )

        bodies, salvaged, _, _ = reopen(path)

        # What the gateway has already is compared only when it is sent again.
        unsent = bodies if salvaged else bodies[5:]
        written = {fact(n): n for n in range(1, 46)}
        there = sorted(written[body] for body in unsent if body in written and written[body] > 5)
        rest = [body for body in unsent if body not in written]
        declared = [n for first, last in losses(rest) for n in range(first, last + 1)]
        told = f"seed {seed}, turn {turn}: {damaged.name}"
        assert sorted(there + declared) == list(range(6, 46)), told
        assert len(losses(rest)) == len(rest), told
        assert salvaged is not None or not rest, told
