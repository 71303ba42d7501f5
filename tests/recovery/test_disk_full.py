"""Disks fill: lending stops before a fact could be lost, books are taken back longer."""

import contextlib
import json
import sqlite3

import sqlalchemy as sa

from circulation.wire.fact import encode_body
from gateway.board import Desk
from gateway.web.pages import render_part
from kiosk.engine import RETURNS_BYTES_MIN
from kiosk.store import Draft, News, Store, Unfinished
from sim.demo_files import LIBRARY
from tests.recovery.conftest import DUNE, EMIL, GATE, HOBBIT, KIOSK, MOMO

MB = 1 << 20


def leave_free(day, megabytes):
    """Let a kiosk's disk have that much room, and the kiosk notice it."""
    day.house.kiosks[KIOSK].engine.disk_free = lambda: megabytes * MB
    day.house.run(6_000)


def test_a_disk_that_fills_takes_books_back_when_it_lends_no_more(day):
    """First no loans, and the screen says so; then nothing; with room again both."""
    assert day.lend(MOMO) == "done"
    kiosk = day.house.kiosks[KIOSK]

    leave_free(day, 19)
    lends, words = kiosk.view["lends"], kiosk.view["health"]
    day.world.move(EMIL, f"{KIOSK}/card")
    day.house.run(1_000)
    notice = kiosk.view["notice"]
    day.world.move(EMIL, "cards")
    returned = day.take_back(MOMO)
    leave_free(day, 7)
    stopped = kiosk.view["state"], kiosk.view["stopped"]
    leave_free(day, 500)

    assert lends is False
    assert words == ["the disk is nearly full: books are taken back and none lent; make room"]
    assert notice == "This kiosk only takes books back."
    assert returned == "done"
    assert stopped == ("stopped", "disk_full")
    assert kiosk.view["lends"] is True
    assert day.lend(DUNE, EMIL) == "done"
    day.run()
    assert day.states(MOMO, DUNE) == ["to_be_shelved", "on_loan"]


def test_who_has_begun_may_finish(day):
    """A visit that is open when the room gets scarce is not cut off."""
    day.world.move(EMIL, f"{KIOSK}/card")
    day.house.run(1_000)
    kiosk = day.house.kiosks[KIOSK]

    leave_free(day, 19)
    day.world.move(HOBBIT, f"{KIOSK}/pad")
    day.house.run(2_000)

    assert [tile["state"] for tile in kiosk.view["items"]] == ["done"]


def test_the_reserve_holds_thousands_of_returns(tmp_path):
    """What is set aside between the two marks is enough for weeks of returns: 2 KB each."""
    path = tmp_path / "station.db"
    store = Store.open(path, station=KIOSK, epoch_id="00000000000000e1")
    for n in range(600):
        item, uid = f"{n:016x}", f"e00401{n:010x}"
        fields = {
            "id": f"{n + 1:016x}", "kind": "checkin", "boot": "0b" * 4, "mono": n, "sure": True,
            "wall": 1_767_261_600_000, "site": "main", "room": "hall", "item": item,
            "uids": [uid], "barcode": f"3071500{n:07}", "saw": [f"{n + 9:016x}"],
            "loan": f"{n + 9:016x}", "session": "0d51c7aa", "owner": "DE-715",
        }  # fmt: skip
        encode_body(fields)
        news = News("off", item, (uid,), saw=(f"{n + 9:016x}",), barcode=fields["barcode"])
        todo = Unfinished(fields["id"], "checkin", item, "A book", (uid,), "in_stock")
        store.record(Draft(fields), news=news, unfinished=todo)
        store.finish(fields["id"])
    store.close()

    each = path.stat().st_size / 600
    assert each < 2_048
    assert (20 * MB - RETURNS_BYTES_MIN) / 2_048 > 6_000


def limit(connection, pages):
    """Let a database grow by no more than so many pages, as a full disk does."""
    used = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {used + pages}")


def fill(execute):
    """Let a database's file grow no more, and use up what room there is inside it."""
    execute("CREATE TABLE filler (content BLOB)")
    used = execute("PRAGMA page_count").fetchone()[0]
    execute(f"PRAGMA max_page_count = {used}")
    with contextlib.suppress(sqlite3.OperationalError):
        while True:
            execute("INSERT INTO filler VALUES (zeroblob(500))")


def test_a_gate_whose_disk_is_full_goes_on_deciding_and_keeps_its_facts(gate_day):
    """The siren needs no disk; what cannot be written waits in memory and is written later."""
    day, gate = gate_day, gate_day.house.gates[GATE]
    limit(gate.connection, 0)
    with_room = gate.courier._writer.waiting
    while gate.courier._writer.waiting == 0:  # the last page has room for some
        gate.courier._writer.write({"kind": "tally"}, 0)

    rang = day.walk_out(HOBBIT)
    waiting, health = gate.courier._writer.waiting, gate.courier._writer.health()
    gate.connection.execute("PRAGMA max_page_count = 1000000")
    day.run(5_000)

    assert with_room == 0
    assert rang
    assert waiting >= 1
    assert health["journal"].endswith("the disk is full; nothing was written")
    assert gate.courier._writer.waiting == 0
    assert gate.courier._writer.health() == {}
    assert len(day.gateway.board.alarms()) == 1


def test_a_gateway_whose_disk_is_full_acknowledges_nothing_and_says_so(day):
    """The kiosk keeps its facts and goes on lending; staff read on the sync page what to do."""
    writer = day.gateway.store._writer
    (resting,) = writer._resting
    execute = resting.connection.dbapi_connection.execute
    fill(execute)
    pages = [execute("PRAGMA page_count").fetchone()[0]]

    def limited(connection, _entry):
        """A connection that failed is closed, and the next finds no more room."""
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")

    sa.event.listen(writer._engine, "connect", limited)
    books = ["30715000000015", "30715000000049"]

    engine = day.house.kiosks[KIOSK].engine
    for _ in range(150):  # the pages that are there have room for a few facts
        engine.store.record(engine.uplink.writer.draft("tally"))
    lent = [day.lend(book) for book in books]
    day.run(3_000)
    waiting = day.waiting()
    pages[0] = 1_000_000
    for resting in writer._resting:
        limited(resting.connection.dbapi_connection, None)
    day.house.kiosks[KIOSK].link.reconnect("somebody made room")
    day.catch_up()

    assert lent == ["done", "done"]
    assert waiting > 0
    assert day.states(*books) == ["on_loan", "on_loan"]


def test_the_sync_page_says_when_the_gateways_disk_is_nearly_full(day):
    """Before it takes no more, not after; with how much is left."""
    scarce = Desk(day.gateway.store, LIBRARY, disk_free=lambda: 150 * MB).board()
    roomy = Desk(day.gateway.store, LIBRARY, disk_free=lambda: 201 * MB).board()

    said = render_part("totals", scarce)
    assert "The gateway's disk has only 150 MB left." in said
    assert "disk has only" not in render_part("totals", roomy)
    assert json.loads(json.dumps(scarce.as_dict()))["disk_free"] == 150 * MB
    assert day.gateway.board.board().disk_free > 0
