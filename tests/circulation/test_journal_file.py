"""A journal on a stick: whole or refused, the same rows whenever it is written."""

import json
import random
import sqlite3

import pytest

from circulation.errors import JournalDamaged, JournalError, JournalFileInvalid
from circulation.export import export_journal, read_exported
from circulation.journal import SqliteJournal, open_station_db
from circulation.journal_file import Head, batch_bodies, read_journal_file
from circulation.wire.mac import mac
from tests.contract.journal_contract import FIRST_EPOCH, SECOND_EPOCH, body

KEY = bytes(16)
HEAD = Head("linden", "kiosk-1", "kiosk", "main", "Kiosk by the door", 1_767_261_600_000, False)
SALT = bytes(range(16))


@pytest.fixture
def path(tmp_path):
    """Where a station keeps its database."""
    return tmp_path / "station.db"


@pytest.fixture
def journal(path):
    """The journal of a running station, with 120 rows, one of which no text can carry."""
    connection = open_station_db(path)
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    for number in range(1, 121):
        odd = number == 77
        journal.append(b"\xff\x00" if odd else body(number), SALT, "77aa01fe23dc45ba")
    yield journal
    connection.close()


def export(path, target, head=HEAD):
    """Write the journal and read what was written."""
    exported = export_journal(path, target, head, key=KEY)
    return exported, read_exported(exported.path, key=KEY)


def rows_of(file):
    """Return (epoch number, seq, body) of everything a file holds."""
    return [
        (batch.n, seq, one)
        for batch in file.batches
        for seq, one in enumerate(batch_bodies(batch), batch.seq0)
    ]


def test_a_stick_takes_every_row_while_the_station_runs(journal, path, tmp_path):
    """What was written comes back byte for byte, in order, with whose journal it is."""
    exported, file = export(path, tmp_path)

    expected = [(1, n, b"\xff\x00" if n == 77 else body(n)) for n in range(1, 121)]
    assert file.head == HEAD
    assert rows_of(file) == expected
    assert (file.rows, exported.rows, exported.waiting) == (120, 120, 120)
    assert exported.path.name == "linden-kiosk-1-1-120.lendgate-journal.jsonl"
    assert exported.size_bytes == exported.path.stat().st_size
    assert list(tmp_path.glob("*.part")) == []


def test_the_file_says_in_its_first_line_what_it_is(journal, path, tmp_path):
    """Whoever finds the stick reads whose it is, how much, and what to do with it."""
    exported, _ = export(path, tmp_path)

    first = json.loads(exported.path.read_text().splitlines()[0])
    assert (first["station"], first["rows"]) == ("kiosk-1", 120)
    assert first["epochs"] == [{"n": 1, "epoch": FIRST_EPOCH, "first": 1, "last": 120, "acked": 0}]
    assert "who borrowed what" in first["privacy"]


def test_all_epochs_go_each_from_what_is_left_of_it(journal, path, tmp_path):
    """Pruned rows stay away; rows of an older epoch, which the gateway may have lost, go too."""
    journal.mark_acked(40, 31)
    journal.open_epoch(100, SECOND_EPOCH, 2)

    exported, file = export(path, tmp_path)

    older = [(1, n, b"\xff\x00" if n == 77 else body(n)) for n in range(31, 101)]
    newer = [(2, n, body(n + 100)) for n in range(1, 21)]
    assert rows_of(file) == older + newer
    assert (exported.rows, exported.waiting) == (90, 20)
    assert file.batches[-1].parent["seq"] == 100


def test_a_hole_in_the_journal_is_declared(journal, path, tmp_path):
    """Rows that are gone are named as lost, as they would be over the network."""
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM journal WHERE seq BETWEEN 51 AND 60")

    _, file = export(path, tmp_path)

    assert [batch.lost for batch in file.batches if batch.lost] == [[51, 60]]
    assert len(rows_of(file)) == 110


def test_large_facts_are_carried_in_more_batches(path, tmp_path):
    """No line is longer than a message, however large the facts are."""
    connection = open_station_db(path)
    journal = SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    for _ in range(20):
        journal.append(b"x" * 8_000)
    connection.close()

    _, file = export(path, tmp_path)

    assert len(rows_of(file)) == 20
    assert len(file.batches) == 4


def test_a_newly_begun_journal_is_a_file_too(path, tmp_path):
    """Nothing to carry is no error."""
    connection = open_station_db(path)
    SqliteJournal(connection, epoch_id=FIRST_EPOCH)
    connection.close()

    exported, file = export(path, tmp_path)

    assert (exported.rows, file.batches) == (0, [])


def test_the_same_rows_make_the_same_file(journal, path, tmp_path):
    """In a folder it replaces itself; a file that was named is never written over."""
    first, _ = export(path, tmp_path)
    before = first.path.read_bytes()
    named = tmp_path / "mine.jsonl"

    export(path, tmp_path)
    export(path, named)

    assert first.path.read_bytes() == named.read_bytes() == before
    with pytest.raises(JournalError, match=r"mine\.jsonl: is there already"):
        export_journal(path, named, HEAD, key=KEY)


def test_a_stick_without_room_leaves_nothing_behind(journal, path, tmp_path):
    """When the file cannot be written there is none, and the error says why."""
    target = tmp_path / "gone" / "mine.jsonl"

    with pytest.raises(JournalError, match=r"cannot be written .*; nothing was left there"):
        export_journal(path, target, HEAD, key=KEY)

    assert not target.parent.exists()


def test_a_row_that_changed_on_the_disk_is_not_carried_on(journal, path, tmp_path):
    """A damaged journal is salvaged by its station first; a stick would carry a wrong fact."""
    with sqlite3.connect(path) as other:
        other.execute("UPDATE journal SET body=? WHERE seq=60", (body(9),))

    with pytest.raises(JournalFileInvalid, match="rows from 51 of epoch 1 have changed"):
        export_journal(path, tmp_path, HEAD, key=KEY)

    assert sorted(file.suffix for file in tmp_path.glob("linden*")) == []


@pytest.mark.parametrize("content", [b"", b"no database " * 400])
def test_what_is_no_journal_is_named(path, tmp_path, content):
    """A file that is no station's database is told in a sentence."""
    path.write_bytes(content)

    with pytest.raises(JournalDamaged, match="start the station once"):
        export_journal(path, tmp_path, HEAD, key=KEY)


def test_a_station_that_never_ran_has_no_journal(path, tmp_path):
    """Looking for a journal makes none."""
    with pytest.raises(JournalError, match="has this station ever run"):
        export_journal(path, tmp_path, HEAD, key=KEY)

    assert not path.exists()


def lines_of(path, tmp_path):
    """Return the lines of a good file."""
    return export_journal(path, tmp_path, HEAD, key=KEY).path.read_bytes().splitlines(True)


def refusal(lines, key=KEY):
    """Return why a file of these lines is refused."""
    with pytest.raises(JournalFileInvalid) as refused:
        read_journal_file(lines, key=key)
    return str(refused.value)


def resealed(lines):
    """Return the lines with a seal that fits them, as somebody with the key could write it."""
    import hashlib

    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    seal = {"lendgate": "end", "batches": len(lines) - 1, "sha256": digest}
    seal["mac"] = mac(KEY, ["journal file", "linden", "kiosk-1", digest])
    return [*lines, json.dumps(seal, separators=(",", ":")).encode() + b"\n"]


def test_a_torn_file_is_refused(journal, path, tmp_path):
    """A stick pulled too early adds nothing: every length but the whole one is refused."""
    lines = lines_of(path, tmp_path)
    whole, seal = b"".join(lines), len(lines[-1])
    cuts = [0, 1, 100, len(whole) // 2, len(whole) - seal, len(whole) - 40, len(whole) - 2]

    for cut in cuts:
        assert refusal(whole[:cut].splitlines(True))


def test_a_flipped_byte_is_refused(journal, path, tmp_path):
    """Wherever a byte of the file changes, the file is refused or is the same file."""
    whole = b"".join(lines_of(path, tmp_path))
    good = read_journal_file(whole.splitlines(True), key=KEY)
    seed = 5
    chance = random.Random(seed)

    for _ in range(150):
        place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        changed = bytearray(whole)
        changed[place] ^= bit
        try:
            found = read_journal_file(bytes(changed).splitlines(True), key=KEY)
        except JournalFileInvalid:
            continue
        assert found == good, f"seed {seed}: bit {bit} of byte {place}"


def test_a_strangers_file_is_refused(journal, path, tmp_path):
    """Without the library's key nobody adds a loan; the message names the key."""
    lines = lines_of(path, tmp_path)

    assert "site_key" in refusal(lines, key=bytes(15) + b"\x01")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda head, rows: [b"GIF89a\n", *rows], "is no journal of a station"),
        (lambda head, rows: [head.replace(b'"v":1', b'"v":2'), *rows], "newer program"),
        (lambda head, rows: [head.replace(b"kiosk-1", b"Kiosk One"), *rows], "field station"),
        (lambda head, rows: [head.rstrip()[:-1] + b"\n", *rows], "line 1: not a JSON"),
        (lambda head, rows: [head, *rows[1:]], None),
        (lambda head, rows: [head, rows[0], *rows[2:]], "row 77 does not follow 50"),
        (lambda head, rows: [head, rows[0], rows[0]], "row 1 does not follow 50"),
        (lambda head, rows: [head, b"[]\n"], "line 2"),
        (lambda head, rows: [head, rows[0].replace(b'"n":1', b'"n":2'), rows[1]], "comes after"),
        (lambda head, rows: [head, rows[0], rows[1].replace(b'"n":1', b'"n":2')], "not follow"),
        (lambda head, rows: [head, rows[2].replace(b'"/wA="', b'"A"')], "has no rows"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(journal, path, tmp_path, change, words):
    """Even with the right key, rows must follow each other; what does not is named by its line."""
    head, *rows, _seal = lines_of(path, tmp_path)
    if b'"n":1' in rows[0] and words == "comes after":
        other = json.loads(rows[1])
        other |= {"epoch": SECOND_EPOCH, "seq0": 1}
        rows[1] = json.dumps(other).encode() + b"\n"

    lines = resealed(change(head, rows))

    if words is None:  # a journal whose older rows were pruned
        assert read_journal_file(lines, key=KEY).batches[0].seq0 == 51
    else:
        assert words in refusal(lines)


def test_nothing_may_follow_the_seal(journal, path, tmp_path):
    """Two files in one are none."""
    lines = lines_of(path, tmp_path)

    assert "behind the file's end" in refusal([*lines, lines[1]])


def test_a_file_is_named_when_it_is_refused(tmp_path):
    """Of several files on a stick the message says which one is wrong."""
    wrong, large = tmp_path / "holiday.jpg", tmp_path / "film.mp4"
    wrong.write_bytes(b"\xff\xd8\xff")
    with large.open("wb") as file:
        file.truncate((256 << 20) + 1)

    with pytest.raises(JournalFileInvalid, match=r"holiday\.jpg: is no journal"):
        read_exported(wrong, key=KEY)
    with pytest.raises(JournalFileInvalid, match=r"film\.mp4: larger than"):
        read_exported(large, key=KEY)
    with pytest.raises(JournalFileInvalid, match=r"gone\.jsonl: cannot be read"):
        read_exported(tmp_path / "gone.jsonl", key=KEY)
