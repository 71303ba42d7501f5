"""Files on a station's card are damaged: it starts, lends, saves what can be read, counts."""

import json
import random
import shutil
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlite_utils import Database

from circulation.errors import SnapshotInvalid
from circulation.journal import open_reader
from circulation.salvage import Born
from circulation.wire.fact import decode_body
from gateway import wording
from kiosk.beliefs import Beliefs
from kiosk.salvage import refill
from kiosk.schema import MIGRATIONS
from kiosk.snapshot import open_snapshot
from kiosk.store import Store
from sim.demo_files import Net, kiosk_toml
from sim.demo_plan import KIOSKS
from sim.house.house import KEYS
from tests.recovery.conftest import (
    DUNE,
    EMIL,
    GATE,
    HOBBIT,
    KIOSK,
    LENA,
    MOMO,
    kiosk_program,
    opened,
    spoken,
)


def scratch(file, first, count):
    """Flip every bit of some bytes of a file."""
    content = bytearray(file.read_bytes())
    for place in range(first, min(first + count, len(content))):
        content[place] ^= 0xFF
    file.write_bytes(bytes(content))


def database(day, station=KIOSK):
    """Return a station's database."""
    return day.folder / station / "station.db"


def said_by_status(day, folder):
    """Type the kiosk's own command while its screen is served; return what it says."""

    class Screen(BaseHTTPRequestHandler):
        def do_GET(self):
            content = json.dumps(day.house.kiosks[KIOSK].view).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words):
            pass

    plan = next(plan for plan in KIOSKS if plan.station == KIOSK)
    config = folder / "kiosk.toml"
    with HTTPServer(("127.0.0.1", 0), Screen) as server:
        text = kiosk_toml(plan, day.folder, KEYS, Net(1, 1), server.server_port)
        config.write_text(text + '\n[devices]\nfactory = "nobody:asks"\n')
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        said = spoken(kiosk_program, "status", config, code=1)
        answering.join()
    return said


def test_a_damaged_kiosk_without_a_network_lends_on_and_knows_its_loans(day, tmp_path):
    """Lists from the card, loans from the saved facts; the gateway gets everything later."""
    kiosk = day.house.kiosks[KIOSK]
    kiosk.line.fail("off")
    assert day.lend(MOMO) == "done"
    assert day.lend(DUNE, EMIL) == "done"
    day.house.cut_power(KIOSK)
    scratch(database(day), 20, 60)

    day.house.restore_power(KIOSK)
    day.run(2_000)
    told = kiosk.view["devices"]["journal"]
    said = said_by_status(day, tmp_path)
    day.world.move(LENA, f"{KIOSK}/card")
    day.house.run(1_000)
    loans = [loan["title"] for loan in kiosk.view["loans"]]
    kiosk.press("finish")
    day.world.move(LENA, "cards")
    third = day.lend(HOBBIT, EMIL)
    kiosk.line.mend()
    day.catch_up()
    day.run(2_000)

    assert told.startswith("the database was damaged and is kept as station.db.damaged-1; ")
    assert told.endswith("none is known to be lost")
    assert f"  ! journal: {told}\n" in said
    assert (loans, third) == (["Momo"], "done")
    assert day.gateway.board.station(KIOSK).epoch_n == 2
    assert day.states(MOMO, DUNE, HOBBIT) == ["on_loan"] * 3
    assert day.entries("facts_lost") == []
    assert "journal" not in kiosk.view["devices"]
    assert (day.folder / KIOSK / "station.db.damaged-1").exists()


def test_what_cannot_be_read_is_counted_at_the_kiosk_and_at_the_desk(day):
    """The number is the same on both screens, and the facts that are left are applied."""
    kiosk = day.house.kiosks[KIOSK]
    kiosk.line.fail("off")
    assert day.lend(MOMO) == "done"
    store = kiosk.engine.store
    for _ in range(120):  # a busy weekend, on pages of their own
        store.record(kiosk.engine.uplink.writer.draft("tally"))
    day.run(6_000)
    day.house.cut_power(KIOSK)
    file = database(day)
    pages = [n for n in range(file.stat().st_size // 4096) if b'"tally"' in page_of(file, n)]
    scratch(file, pages[len(pages) // 2] * 4096, 4096)

    day.house.restore_power(KIOSK)
    day.run(2_000)
    told = kiosk.view["devices"]["journal"]
    kiosk.line.mend()
    day.catch_up()

    entries = day.entries("facts_lost")
    lost = sum(one["detail"]["last"] - one["detail"]["first"] + 1 for one in entries)
    assert 0 < lost < 60
    assert told.endswith(f"{lost} are lost")
    assert f"{lost} of them, numbers" in wording.entry(entries[0])
    assert day.state(MOMO) == "on_loan"


def page_of(file, number):
    """Return a page's bytes; the first is number 0."""
    return file.read_bytes()[number * 4096 : (number + 1) * 4096]


def test_a_gate_with_a_damaged_store_decides_and_brings_what_was_saved(gate_day):
    """The alarm of the night before reaches the desk from the damaged file."""
    day, gate = gate_day, gate_day.house.gates[GATE]
    gate.line.fail("off")
    assert day.walk_out(HOBBIT)
    day.house.cut_power(GATE)
    scratch(database(day, GATE), 18, 40)

    day.house.restore_power(GATE)
    rang = day.walk_out(DUNE)
    gate.line.mend()
    day.until(lambda: len(day.gateway.board.alarms()) == 2)

    assert rang
    assert [alarm.title for alarm in day.gateway.board.alarms()] == ["Dune", "The Hobbit"]
    assert (day.folder / GATE / "station.db.damaged-1").exists()


def test_a_damaged_list_is_fetched_again_and_never_an_empty_catalogue(day):
    """A catalogue that does not open is said, and replaced as soon as the gateway is there."""
    kiosk = day.house.kiosks[KIOSK]
    day.house.cut_power(KIOSK)
    (file,) = (day.folder / KIOSK / "station-snapshots").glob("catalogue-*.db")
    scratch(file, 0, 3_000)

    day.house.restore_power(KIOSK)
    day.catch_up()
    day.run(8_000)

    assert day.lend(MOMO) == "done"
    assert len(kiosk.view["versions"]) == 3


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """A kiosk's card after some loans: its folder, and every fact that is on it."""
    with opened(KIOSK, seed=4) as day:
        house = day.house
        house.kiosks[KIOSK].line.fail("off")
        day.lend(MOMO)
        day.lend(DUNE, EMIL)
        writer = house.kiosks[KIOSK].engine.uplink.writer
        for _ in range(20):
            house.kiosks[KIOSK].engine.store.record(writer.draft("tally"))
        house.run(6_000)
        image = tmp_path_factory.mktemp("card")
        day.house.kiosks[KIOSK].engine.store.note_tip()
        for name, content in day.card().items():
            target = image / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not name.endswith("-shm"):
                target.write_bytes(content)
    return image


def facts_on(path):
    """Return the journal's bodies."""
    connection = open_reader(path)
    try:
        query = "SELECT body FROM journal ORDER BY epoch_n, seq"
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


def damage(folder, chance, names):
    """Flip bits or cut off one of these files; return what was done."""
    file = folder / chance.choice(names)
    content = bytearray(file.read_bytes())
    if chance.random() < 0.3:
        keep = chance.randrange(len(content))
        file.write_bytes(bytes(content[:keep]))
        return f"{file.name} cut to {keep}"
    places = [chance.randrange(len(content)) for _ in range(chance.choice((1, 4, 100)))]
    for place in places:
        content[place] ^= 1 << chance.randrange(8)
    file.write_bytes(bytes(content))
    return f"{file.name} flipped at {places[:4]}…"


def test_a_kiosk_starts_on_any_damage_and_makes_no_fact_up(card, tmp_path):
    """Flipped bits, cut files: never an exception, never a wrong fact, never silence."""
    whole = tmp_path / "whole"
    shutil.copytree(card, whole)
    written = facts_on(whole / "station.db")
    acked = acked_of(whole / "station.db")
    seed = 77
    chance = random.Random(seed)
    for turn in range(60):
        folder = tmp_path / str(turn)
        shutil.copytree(card, folder)
        names = [file.name for file in folder.glob("station.db*") if file.name[-3:] != "tip"]
        told = f"seed {seed}, turn {turn}: {damage(folder, chance, names)}"

        ids = iter(range(0xC000, 0xFFFF))
        born = Born(lambda ids=ids: f"{next(ids):016x}", "0c0c0c0c", 1_767_261_600_000)
        store = Store.open_or_salvage(folder / "station.db", station=KIOSK, born=born)
        if store.salvaged is not None:
            refill(store, store.salvaged, folder / "station-snapshots")
        lost = store.salvaged.lost if store.salvaged else 0
        store.close()

        found = facts_on(folder / "station.db")
        unsent = found if lost or store.salvaged else found[acked:]
        own = [body for body in unsent if body in written[acked:]]
        others = [body for body in unsent if body not in written]
        assert len(own) + lost == len(written) - acked, told
        assert {decode_body(body)["kind"] for body in others} <= {"lost"}, told
        shutil.rmtree(folder)


def acked_of(path):
    """Return up to which row the gateway had said to have the facts."""
    connection = open_reader(path)
    try:
        return connection.execute("SELECT max(acked) FROM epoch").fetchone()[0]
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["catalogue", "patrons"])
def test_a_damaged_snapshot_is_refused_or_read_around(card, tmp_path, kind):
    """Whatever its bytes are: named at the opening, or what cannot be read is unknown."""
    (source,) = (card / "station-snapshots").glob(f"{kind}-*.db")
    with sqlite3.connect(source) as whole:
        asked = {table: keys_of(whole, table) for table in ("item", "patron", "card")}
    whole.close()
    seed = 78
    chance = random.Random(seed)
    for turn in range(120):
        folder = tmp_path / str(turn)
        folder.mkdir()
        shutil.copy(source, folder)
        told = f"seed {seed}, turn {turn}: {damage(folder, chance, [source.name])}"
        try:
            opened = open_snapshot(folder / source.name, kind)
        except SnapshotInvalid:
            continue
        try:
            check_everything(opened, kind, asked)
        except Exception as error:
            raise AssertionError(told) from error
        finally:
            opened.close()


def keys_of(connection, table):
    """Return the first column of a table; nothing if it is another list's."""
    try:
        return [row[0] for row in connection.execute(f"SELECT * FROM {table}")]
    except sqlite3.OperationalError:
        return []


def check_everything(opened, kind, asked):
    """Look every item, reader and card of a list up in it."""
    station = sqlite3.connect(":memory:")
    station.row_factory = sqlite3.Row
    MIGRATIONS.apply(Database(station))
    beliefs = Beliefs(station, **{kind: opened})
    for item in asked["item"]:
        beliefs.item(item)
    for patron in asked["patron"]:
        beliefs.patron(patron)
        beliefs.open_loans(patron)
    for key in asked["card"]:
        beliefs.card(key)
    station.close()


def test_a_row_that_makes_no_sense_is_unknown_and_its_list_fetched_again(card, tmp_path):
    """A flipped bit in a text is no error to SQLite; it must not stop the kiosk."""
    (source,) = (card / "station-snapshots").glob("patrons-*.db")
    shutil.copy(source, tmp_path)
    with sqlite3.connect(tmp_path / source.name) as changed:
        (patron,) = changed.execute("SELECT patron_id FROM patron LIMIT 1").fetchone()
        changed.execute("UPDATE patron SET blocked='{' WHERE patron_id=?", (patron,))
    changed.close()
    station = sqlite3.connect(":memory:")
    station.row_factory = sqlite3.Row
    MIGRATIONS.apply(Database(station))
    beliefs = Beliefs(station, patrons=open_snapshot(tmp_path / source.name, "patrons"))

    assert beliefs.patron(patron) is None
    assert beliefs.damaged == {"patrons"}
    beliefs.patrons.close()
    station.close()
