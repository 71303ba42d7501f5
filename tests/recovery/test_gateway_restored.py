"""The gateway is restored from a backup: the stations bring the rest, and staff are told."""

import io
import json
import socket
import sqlite3
import subprocess
import tarfile
import threading
from contextlib import contextmanager

import pytest

from circulation.config import read_config
from gateway import lineage, wording
from gateway.app import Gateway, read_settings
from gateway.backup import copy_database
from gateway.board import Desk
from gateway.desk import DeskJournal
from gateway.ingest import Ingest
from gateway.restore import begin_anew_if_older
from gateway.store import Store
from sim.postgres import postgres, postgres_path
from tests.recovery.conftest import DUNE, EMIL, HOBBIT, KIOSK, MOMO, gateway_program, spoken

READERS = "number,name,cards\n900,Nova New,20715000000900\n"


def restore(day, backup):
    """Do as the page says: stop, restore, start. Return what the command says."""
    day.gateway.shut_down()
    said = day.say("restore", str(backup))
    day.gateway.start_again("0000000c")
    return said


def test_last_nights_backup_and_a_day_of_loans(gate_day, tmp_path):
    """Loans come back from the kiosk, decisions from the desk, and what is missing has a name."""
    day, backup = gate_day, tmp_path / "night.tar"
    day.lend(MOMO)
    day.run()
    day.say("backup", str(backup))
    readers = tmp_path / "new-readers.csv"
    readers.write_text(READERS)
    day.say("import-patrons", str(readers))
    item = day.gateway.board.item(HOBBIT)["item_id"]
    day.gateway.desk.write({"kind": "declared", "item": item, "state": "missing"})
    day.gateway.desk.hand_over(day.gateway.hub.ingest)
    day.lend(DUNE, EMIL)
    day.take_back(MOMO)
    day.run()
    before = day.states(MOMO, DUNE, HOBBIT)

    said = restore(day, backup)
    at_once = day.states(MOMO, DUNE)
    day.bring_all_back()

    assert before == ["to_be_shelved", "on_loan", "missing"]
    assert at_once == ["on_loan", "available"]
    assert day.states(MOMO, DUNE, HOBBIT) == before
    assert "not in the backup, to be done again:" in said
    assert "import-patrons new-readers.csv: created 1 patrons" in said
    assert "decisions since the backup are applied again" in said
    (entry,) = day.entries("edit_missing")
    assert "Do it again: import-patrons new-readers.csv" in wording.entry(entry)
    assert [wording.event(one) for one in day.diary("restored")] == [
        "a backup was restored; 1 edits since it was made are to be done again"
    ]
    assert day.waiting() == 0


def test_gates_are_neither_disarmed_nor_crying_wolf_meanwhile(gate_day, tmp_path):
    """Until the kiosk is back, what was lent since the backup passes, and a thief does not."""
    day, backup = gate_day, tmp_path / "night.tar"
    day.say("backup", str(backup))
    day.lend(DUNE, EMIL)
    day.run(2_000)
    day.house.cut_power(KIOSK)

    restore(day, backup)
    day.run(5_000)
    between = day.gateway.board.board().recovered
    honest, thief = day.walk_out(DUNE), day.walk_out(HOBBIT)
    day.bring_all_back()

    assert between is False
    assert (honest, thief) == (False, True)
    assert day.state(DUNE) == "on_loan"
    assert day.walk_out(DUNE) is False


def test_a_backup_of_last_month_waits_for_its_stations_too(day, tmp_path):
    """Who was heard shortly before the backup was made is waited for, however old it is."""
    backup = tmp_path / "old.tar"
    day.lend(MOMO)
    day.run()
    day.say("backup", str(backup))
    day.house.cut_power(KIOSK)
    day.house.clock.advance(30 * 24 * 3_600_000)

    restore(day, backup)
    day.run(2_000)
    early = day.gateway.board.board().recovered
    day.bring_all_back()

    assert early is False


def test_without_a_database_everything_comes_from_the_backup(day, tmp_path):
    """A new disk: configuration, keys, catalogue and decisions are in the one file."""
    backup = tmp_path / "night.tar"
    day.gateway.desk.compare_clock()
    config = day.config.read_text()
    (day.folder / "stations").mkdir()
    (day.folder / "stations" / "kiosk-1.toml").write_text('station = "kiosk-1"\n')
    day.say("backup", str(backup))
    day.gateway.shut_down()
    for file in day.folder.glob("gateway*"):
        file.unlink()
    (day.folder / "stations" / "kiosk-1.toml").unlink()

    said = day.say("restore", str(backup))
    day.gateway.start_again("0000000c")
    day.run(3_000)

    assert f"wrote {day.config} from the backup" in said
    assert "the desk's own journal: taken from the backup" in said
    assert day.config.read_text() == config
    assert (day.folder / "stations" / "kiosk-1.toml").read_text() == 'station = "kiosk-1"\n'
    assert day.state(MOMO) == "available"
    assert day.house.kiosks[KIOSK].view["online"]


@pytest.fixture
def library(tmp_path):
    """A gateway that is not running, with a few items and a backup of it."""
    return Closed(tmp_path)


class Closed:
    """A gateway's folder, and the commands typed in it."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "gateway.toml"
        items = folder / "items.csv"
        items.write_text("barcode,title\n30715000009999,Heidi\n")
        self.say("init")
        text = self.config.read_text().replace("port = 18080", "port = 1")
        self.config.write_text(text)
        self.say("import-items", items)
        self.backup = folder / "night.tar"
        self.say("backup", self.backup)

    def say(self, *arguments, code=0):
        return spoken(gateway_program, *arguments, "-c", self.config, code=code)

    def files(self):
        """Return what lies there, with its bytes."""
        return {file.name: file.read_bytes() for file in self.folder.iterdir() if file.is_file()}


def test_a_backup_is_never_written_over(library):
    """The second one of a night needs a name of its own."""
    before = library.backup.read_bytes()

    said = library.say("backup", library.backup, code=1)

    assert "is there already; a backup never replaces one" in said
    assert library.backup.read_bytes() == before


def test_a_backup_says_what_it_holds(library):
    """A plain tar file, its first member readable by people, each file with its hash."""
    with tarfile.open(library.backup) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("manifest.json"))
        modes = {member.mode for member in archive}

    assert names == ["manifest.json", "database.db", "edits.jsonl", "gateway.toml"]
    assert sorted(manifest["files"]) == names[1:]
    assert (manifest["library"], manifest["version"]) == ("main", 2)
    assert modes == {0o600}


def test_what_is_replaced_is_kept(library):
    """A restore by mistake can be undone by renaming."""
    before = (library.folder / "gateway.db").read_bytes()

    said = library.say("restore", library.backup)

    assert "kept: " in said
    assert (library.folder / "gateway.db.replaced-1").read_bytes() == before
    assert "no edit is known that the backup does not have" in said


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_tables_on_a_server_are_that_servers_business(library, command):
    """A file that lacks the tables would be the worst of backups."""
    text = library.config.read_text()
    library.config.write_text('postgresql = "postgresql://lendgate@db/lendgate"\n' + text)

    said = library.say(command, library.folder / "next.tar", code=1)

    assert "use pg_dump and pg_restore" in said
    assert not (library.folder / "next.tar").exists()


def test_a_running_gateway_is_not_restored_under_its_feet(library):
    """The command looks whether somebody serves the pages, and touches nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        library.config.write_text(
            library.config.read_text().replace("port = 1\n", f"port = {port}\n")
        )
        before = library.files()

        said = library.say("restore", library.backup, code=1)

    assert f"something answers at 127.0.0.1:{port}: stop the gateway first" in said
    assert library.files() == before


def waiting_edits(url):
    """Return what the sync page has staff do again."""
    store = Store(url, clock=lambda: 0)
    waiting = Desk(store, "main").reviews()
    store.close()
    return [entry["detail"]["what"] for entry in waiting if entry["rule"] == "edit_missing"]


def test_a_copied_database_is_told_what_it_lacks_too(library):
    """Whoever put a backup in place by other means reads the same names, and reads them once."""
    database, readers = library.folder / "gateway.db", library.folder / "readers.csv"
    copy_database(database, library.folder / "copy.db")
    readers.write_text(READERS)
    library.say("import-patrons", readers)
    for part in library.folder.glob("gateway.db*"):
        part.unlink()
    (library.folder / "copy.db").rename(database)

    said, again = library.say("restored"), library.say("restored")

    assert "library 'main' has a new lineage" in said
    assert "not in the backup, to be done again:" in said
    assert said.count("import-") == 1
    assert "import-patrons readers.csv: created 1 patrons" in said
    assert "no edit is known that the backup does not have" in again
    waiting = waiting_edits(f"sqlite:///{database}")
    assert waiting == ["import-patrons readers.csv: created 1 patrons"]


def started(library):
    """Start the gateway and stop it; return the lineage it has then."""
    gateway = Gateway(read_settings(read_config(library.config), library.folder))
    with gateway.store.read() as connection:
        found = lineage.current(connection, "main")
    gateway.stop()
    return found


def test_a_gateway_notices_by_itself_that_its_database_is_an_older_one(library):
    """Nobody said `restored`: the edits are named all the same, all of them, and once."""
    database, readers = library.folder / "gateway.db", library.folder / "readers.csv"
    readers.write_text(READERS)
    before = started(library)
    copy_database(database, library.folder / "copy.db")
    library.say("import-patrons", readers)
    more = library.folder / "more.csv"
    more.write_text("barcode,title\n30715000008888,Emma\n")
    library.say("import-items", more)
    for part in library.folder.glob("gateway.db*"):
        part.unlink()
    (library.folder / "copy.db").rename(database)

    taken, again = started(library), started(library)

    assert taken == again != before
    waiting = waiting_edits(f"sqlite:///{database}")
    assert sorted(what.split(":")[0] for what in waiting) == [
        "import-items more.csv",
        "import-patrons readers.csv",
    ]
    assert "no edit is known that the backup does not have" in library.say("restored")
    assert len(waiting_edits(f"sqlite:///{database}")) == 2


def test_an_import_before_the_start_hides_no_lost_edit(library):
    """What it writes takes their versions, so it looks first; a trial run changes nothing."""
    database, readers = library.folder / "gateway.db", library.folder / "readers.csv"
    readers.write_text(READERS)
    before = started(library)
    copy_database(database, library.folder / "copy.db")
    library.say("import-patrons", readers)
    for part in library.folder.glob("gateway.db*"):
        part.unlink()
    (library.folder / "copy.db").rename(database)
    more = library.folder / "more.csv"
    more.write_text("barcode,title\n30715000008888,Emma\n")

    tried = library.say("import-items", more, "--dry-run")
    said, again = library.say("import-items", more), library.say("import-items", more)

    lost = "import-patrons readers.csv: created 1 patrons"
    assert [text.count(lost) for text in (tried, said, again)] == [0, 1, 0]
    assert "a new history begins" in said
    assert waiting_edits(f"sqlite:///{database}") == [lost]
    assert started(library) != before
    assert waiting_edits(f"sqlite:///{database}") == [lost]


def test_a_decision_that_is_applied_at_the_start_hides_no_lost_edit(library):
    """The desk's journal brings versions that the lost edits had: it is read after them."""
    database, readers = library.folder / "gateway.db", library.folder / "readers.csv"
    readers.write_text(READERS)
    started(library)
    copy_database(database, library.folder / "copy.db")
    library.say("import-patrons", readers)
    store = Store.at(database, clock=lambda: 0)
    desk = DeskJournal(store, "main", library.folder / "gateway-desk.db")
    for _ in range(20):
        desk.write({"kind": "declared", "state": "missing", "barcode": "30715000009999"})
        desk.hand_over(Ingest(store, "main"))
    store.close()
    for part in library.folder.glob("gateway.db*"):
        part.unlink()
    (library.folder / "copy.db").rename(database)

    started(library)

    waiting = waiting_edits(f"sqlite:///{database}")
    assert waiting == ["import-patrons readers.csv: created 1 patrons"]


def test_a_gateway_whose_database_is_the_newest_goes_on_in_its_history(library, caplog):
    """A start is no restore; and notes that nobody can read do not stop it."""
    notes = library.folder / "gateway-edits.jsonl"
    before = started(library)
    assert started(library) == before

    notes.unlink()
    notes.mkdir()
    assert started(library) == before
    assert "whether the database is an older copy is not known" in caplog.text


class Overtaken(Store):
    """A database into which somebody imports right after it was looked at for the first time."""

    def __init__(self, url, overtake):
        super().__init__(url, clock=lambda: 0)
        self.overtake = overtake

    @contextmanager
    def read(self):
        with super().read() as connection:
            yield connection
        overtake, self.overtake = self.overtake, lambda: None
        overtake()


def test_an_import_beside_the_start_is_no_sign_of_an_older_copy(library):
    """Its note is newer than what was read of the database, and the database has it."""
    readers = library.folder / "readers.csv"
    readers.write_text(READERS)
    url = f"sqlite:///{library.folder / 'gateway.db'}"
    before = started(library)
    store = Overtaken(url, lambda: library.say("import-patrons", readers))

    found = begin_anew_if_older(store, "main", library.folder / "gateway-edits.jsonl")
    store.close()

    assert (found, started(library)) == ([], before)
    assert (library.folder / "gateway-edits.jsonl").read_text().count("import-patrons") == 1
    assert waiting_edits(url) == []


@pytest.mark.needs("postgres")
def test_tables_on_a_server_come_back_from_a_dump(library):
    """The page's own way: dump, restore into an empty database, put the notes there, say so."""
    readers, dump = library.folder / "readers.csv", library.folder / "night.dump"
    readers.write_text(READERS)
    (library.folder / "gateway-edits.jsonl").unlink()
    text = library.config.read_text()
    with postgres(durable=False) as url:
        address = url.replace("+psycopg", "")
        library.config.write_text(f'postgresql = "{address}"\n' + text)
        library.say("init")
        library.say("import-items", library.folder / "items.csv")
        typed("pg_dump", "--format=custom", f"--file={dump}", address)
        library.say("import-patrons", readers)
        typed("psql", "--command=CREATE DATABASE again", address)
        fresh = address.replace("/postgres?", "/again?")
        typed("pg_restore", f"--dbname={fresh}", dump)
        library.config.write_text(f'postgresql = "{fresh}"\n' + text)

        said = library.say("restored")
        waiting = waiting_edits(url.replace("/postgres?", "/again?"))

    assert said.count("import-") == 1
    assert "import-patrons readers.csv: created 1 patrons" in said
    assert waiting == ["import-patrons readers.csv: created 1 patrons"]


def typed(program, *arguments):
    """Run one of PostgreSQL's own programs."""
    command = [postgres_path() / program, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def altered(backup, name, change):
    """Return a copy of a backup in which one member is another."""
    target = backup.with_name("altered.tar")
    with tarfile.open(backup) as source, tarfile.open(target, "w") as archive:
        for member in source:
            content = source.extractfile(member).read()
            if member.name == name:
                _, content = change(member, content)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target


def renamed(name):
    """Return a change of a member's name."""

    def change(member, content):
        member.name = name
        return member, content

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("database.db", lambda m, c: (m, c[:-1] + b"x"), "database.db has changed since"),
        ("database.db", lambda m, c: (m, c[:4096]), "database.db is missing or has another size"),
        ("gateway.toml", renamed("../../gateway.toml"), "is missing or has another size"),
        ("manifest.json", lambda m, c: (m, b"{"), "its manifest cannot be read"),
        ("manifest.json", lambda m, c: (m, b"[]"), "its manifest cannot be read"),
        ("manifest.json", lambda m, c: (m, c.replace(b'"v": 1', b'"v": 2')), "newer program"),
        ("manifest.json", lambda m, c: (m, c.replace(b'"main"', b'"other"')), "is of library"),
        ("manifest.json", lambda m, c: (m, c.replace(b"edits.jsonl", b"/etc/passwd")), "that no"),
        ("manifest.json", lambda m, c: (m, c.replace(b'"backup"', b'"other"')), "is no backup"),
        ("manifest.json", renamed("read-me.txt"), "is no backup of a gateway"),
    ],
)
def test_a_hostile_backup_is_named_and_changes_nothing(library, name, change, words):
    """Whatever is wrong with the file, the gateway's own files stay as they are."""
    wrong = altered(library.backup, name, change)
    before = library.files()

    said = library.say("restore", wrong, code=1)

    assert words in said
    assert library.files() == before


@pytest.mark.parametrize("size", [0, 100, 3_000, 40_000])
def test_a_torn_backup_is_refused(library, size):
    """A copy that did not finish is no backup."""
    torn = library.folder / "torn.tar"
    torn.write_bytes(library.backup.read_bytes()[:size])
    before = library.files()

    library.say("restore", torn, code=1)

    assert library.files() == before


def test_a_damaged_database_makes_no_backup(library):
    """Nobody finds out on the bad day that the backups were copies of a wreck."""
    database = library.folder / "gateway.db"
    content = bytearray(database.read_bytes())
    for place in range(8_192, 20_000):
        content[place] ^= 0xFF
    database.write_bytes(bytes(content))

    said = library.say("backup", library.folder / "next.tar", code=1)

    assert str(database) in said
    assert not (library.folder / "next.tar").exists()
    assert list(library.folder.glob(".next*")) == []


def test_a_backup_is_one_moment_while_the_gateway_writes(tmp_path):
    """Two rows that always change together are so in the copy, which never begins anew."""
    source, ending = tmp_path / "busy.db", threading.Event()
    connection = sqlite3.connect(source, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE pair (name TEXT PRIMARY KEY, n INTEGER)")
    connection.execute("CREATE TABLE filler (content BLOB)")
    connection.executemany("INSERT INTO filler VALUES (?)", [(bytes(4_000),)] * 3_000)
    connection.execute("INSERT INTO pair VALUES ('a', 0), ('b', 0)")

    def write():
        while not ending.is_set():
            connection.execute("UPDATE pair SET n = n + 1")

    writer = threading.Thread(target=write)
    writer.start()
    steps = []
    try:
        copy_database(source, tmp_path / "copy.db", lambda done, of: steps.append((done, of)))
    finally:
        ending.set()
        writer.join()
        connection.close()

    copied = sqlite3.connect(tmp_path / "copy.db")
    found = [row[0] for row in copied.execute("SELECT n FROM pair")]
    copied.close()
    assert found[0] == found[1]
    assert len(steps) >= 3
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    assert not (tmp_path / "copy.db-wal").exists()


def test_notes_of_edits_survive_a_torn_line(library):
    """A power cut in the middle of a note hides no other note."""
    notes = library.folder / "gateway-edits.jsonl"
    with notes.open("a") as file:
        file.write('{"at_ms": 99999999999999, "lin')
    readers = library.folder / "readers.csv"
    readers.write_text(READERS)

    said = library.say("restore", library.backup)
    library.say("import-patrons", readers)

    assert "no edit is known" in said
    assert notes.read_text().count("import-") == 2


def test_a_restored_library_has_its_new_lineage_in_the_database(library):
    """Versions of the old history mean nothing any more, and everybody is told."""
    store = Store.at(library.folder / "gateway.db", clock=lambda: 0)
    with store.read() as connection:
        before = lineage.current(connection, "main")
    store.close()

    library.say("restore", library.backup)

    store = Store.at(library.folder / "gateway.db", clock=lambda: 0)
    with store.read() as connection:
        after = lineage.current(connection, "main")
    store.close()
    assert after != before
