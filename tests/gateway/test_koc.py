"""Koha's format for offline circulation: what it can say, once; what it cannot, counted."""

import datetime as dt
import re

import pytest

from gateway import schema
from gateway.koc import HEAD, KocInvalid, export_koc
from gateway.policies import default_document, save_policy
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000


def parsed(text):
    """Read a file as Koha's process_koc.pl does: tabs between fields, blanks in the time."""
    head, *lines = text.splitlines()
    about = dict(field.split("=") for field in head.split("\t"))
    assert about["Version"] == "1.0"
    names = {"issue": ("cardnumber", "barcode"), "return": ("barcode",)}
    found = []
    for line in lines:
        stamp, command, *arguments = line.split("\t")
        date, time, milliseconds = stamp.split()
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
        assert re.fullmatch(r"\d\d:\d\d:\d\d", time)
        assert re.fullmatch(r"\d{3}", milliseconds)
        assert len(arguments) == len(names[command])
        found.append((f"{date} {time}", command, *arguments))
    return found


@pytest.fixture
def away(store, ingest, books, readers):
    """A kiosk, its library in Berlin, two numbered readers."""
    with store.write(LIBRARY) as write:
        save_policy(write, default_document("Europe/Berlin"))
    return Away(store, ingest, books, readers)


class Away:
    """What a kiosk wrote, and the command that hands it to Koha."""

    def __init__(self, store, ingest, books, readers):
        self.store, self.ingest, self.books, self.readers = store, ingest, books, readers
        self.kiosk = Station("kiosk-1")
        self.kiosk.ask_time(START_MS)

    def lend(self, barcode, reader=0, kind="checkout", **fields):
        """Write a loan; return its id."""
        patron = self.readers[reader]
        return self.kiosk.write(
            kind, item=self.books[barcode], patron=patron, due_at=DUE_AT, reach=3, **fields
        )

    def take_back(self, barcode, **fields):
        """Write a return."""
        return self.kiosk.write("checkin", item=self.books[barcode], **fields)

    def export(self, file, **options):
        """Bring the facts in, and write the file."""
        self.ingest.take([self.kiosk.batch()])
        handed = file.with_name("koc.jsonl")
        return export_koc(self.store, LIBRARY, file, handed=handed, **options)


def numbers(store, readers):
    """Return the readers' own numbers."""
    with store.read() as connection:
        rows = connection.execute(schema.PATRON.select()).all()
    known = {row.patron_id: row.number for row in rows}
    return [known[reader] for reader in readers]


def test_loans_and_returns_are_lines_that_koha_reads(away, tmp_path):
    """Card number and barcode, local time, a renewal as an issue to the same reader."""
    loan = away.lend("1001")
    away.lend("1001", kind="renewal", loan=loan)
    away.take_back("1001")
    file = tmp_path / "weekend.koc"

    koc = away.export(file)

    first, second = numbers(away.store, away.readers)
    lines = parsed(file.read_text())
    local = dt.datetime.fromtimestamp(START_MS / 1000, dt.timezone(dt.timedelta(hours=1)))
    assert [line[1:] for line in lines] == [
        ("issue", first, "1001"), ("issue", first, "1001"), ("return", "1001"),
    ]  # fmt: skip
    assert lines[0][0].startswith(f"{local:%Y-%m-%d %H}")
    assert first != second
    assert dict(koc.actions) == {"issue": 2, "return": 1}
    assert koc.left_out == {}
    assert file.read_text().startswith(HEAD)


def test_what_the_format_cannot_say_is_left_out_and_counted(away, tmp_path):
    """Fees, holds, taken back loans and nameless items: each with its reason and number."""
    away.lend("1001")
    undone = away.lend("1002")
    away.kiosk.write("not_shown", item=away.books["1002"], loan=undone)
    away.kiosk.write("paid", amount_cents=250, patron=away.readers[0])
    away.kiosk.write("checkin", uids=["e004015012345678"])
    away.kiosk.write("checkout", barcode="1\t2", patron=away.readers[0], due_at=DUE_AT, reach=3)
    stranger = "77aa01fe23dc45ff"
    away.kiosk.write("checkout", item=away.books["1003"], patron=stranger, due_at=DUE_AT, reach=3)

    koc = away.export(tmp_path / "a.koc")

    assert dict(koc.actions) == {"issue": 1}
    assert dict(koc.left_out) == {
        "loans that were taken back, never shown to the reader": 1,
        "“Fee paid”, which the format cannot say": 1,
        "of items without a barcode": 1,
        "with a tab or a line's end in a number": 1,
        "of readers without a number here, or forgotten since": 1,
    }


def test_a_fact_is_handed_over_once(away, tmp_path):
    """Koha does twice what it is given twice, and remembers nothing: we do."""
    away.lend("1001")
    away.export(tmp_path / "monday.koc")
    away.take_back("1001")

    koc = away.export(tmp_path / "tuesday.koc")
    again = away.export(tmp_path / "again.koc", again=True)

    assert [line[1] for line in parsed((tmp_path / "tuesday.koc").read_text())] == ["return"]
    assert koc.left_out == {"handed to Koha before": 1}
    assert dict(again.actions) == {"issue": 1, "return": 1}


def test_a_file_is_never_written_over(away, tmp_path):
    """What was uploaded and what is new must not share a name."""
    away.lend("1001")
    away.export(tmp_path / "a.koc")
    before = (tmp_path / "a.koc").read_bytes()

    with pytest.raises(KocInvalid, match="is there already"):
        away.export(tmp_path / "a.koc")

    assert (tmp_path / "a.koc").read_bytes() == before


def test_nothing_is_noted_when_the_file_cannot_be_written(away, tmp_path):
    """The next try has everything."""
    away.lend("1001")
    with pytest.raises(KocInvalid, match="cannot be written"):
        away.export(tmp_path / "gone" / "a.koc")

    koc = away.export(tmp_path / "a.koc")

    assert dict(koc.actions) == {"issue": 1}


def test_a_torn_note_of_what_was_handed_over_hides_no_other(away, tmp_path):
    """A power cut in the middle of a note costs that note alone."""
    away.lend("1001")
    away.export(tmp_path / "a.koc")
    with (tmp_path / "koc.jsonl").open("a") as notes:
        notes.write('{"file": "b.koc", "fac')

    koc = away.export(tmp_path / "c.koc")

    assert koc.left_out == {"handed to Koha before": 1}


def test_one_station_alone_may_be_handed_over(away, tmp_path):
    """The kiosk that stood in for Koha, and no other."""
    other = Station("kiosk-2")
    other.write("checkin", item=away.books["1002"])
    away.ingest.take([other.batch()])
    away.lend("1001")

    koc = away.export(tmp_path / "a.koc", station="kiosk-1")

    assert dict(koc.actions) == {"issue": 1}


def test_lines_stand_in_the_order_things_happened_whatever_the_clocks_said(away, tmp_path):
    """A kiosk whose clock is a day behind took back what another had lent: return comes last."""
    loan = away.lend("1001")
    away.ingest.take([away.kiosk.batch()])
    behind = Station("kiosk-2")
    behind.mono = -86_400_000
    behind.write("checkin", item=away.books["1001"], saw=[loan], mono=1_000)
    away.ingest.take([behind.batch()])

    away.export(tmp_path / "a.koc")

    assert [line[1] for line in parsed((tmp_path / "a.koc").read_text())] == ["issue", "return"]
