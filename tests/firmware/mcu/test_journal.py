"""The journal in flash with a whole gateway behind it: cuts, overruns, damage, full disks."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.wire.fact import decode_body, encode_body
from firmware.mcu.abbreviation import _TEXTS, abbreviated, spelled_out
from firmware.mcu.journal import FlashJournal, open_journal
from firmware.mcu.marks import Marks, pack_marks, unpack_marks
from firmware.mcu.region import BlockRegion
from firmware.mcu.ring import Ring, RingUnwritable
from sim.mcu.flash import FlashFiles, NorFlash, PowerCut, Supply
from tests.circulation.sync.pipe import BOOT, Site
from tests.contract.journal_contract import FIRST_EPOCH, PLENTY, JournalContract, body

SECTOR = 1_024


class Board:
    """Two chips on one supply; each start of the program has another spare epoch id."""

    def __init__(self, sectors=16, seed=1):
        self.supply = Supply(seed)
        self.rows = NorFlash(sectors, block_bytes=SECTOR, supply=self.supply)
        self.marks = NorFlash(2, block_bytes=SECTOR, supply=self.supply)
        self.starts = 0

    def start(self):
        self.starts += 1
        rows = BlockRegion(self.rows, self.rows.blocks, sector_bytes=SECTOR)
        marks = BlockRegion(self.marks, 2, sector_bytes=SECTOR)
        return FlashJournal(Ring(rows), Ring(marks), epoch_id=f"{self.starts:016x}")


def started(site, board):
    """Start the station's program on what is in the flash."""
    site.journal = board.start()
    site.start()


def site_on(board, seed=0, **faults):
    """A station with its journal in flash, and its gateway."""
    site = Site(seed, **faults)
    started(site, board)
    return site


def ids_of(journal):
    """The ids of the facts that a journal still has."""
    found, rows = [], journal.rows(1, PLENTY, PLENTY)
    while rows:
        found += [decode_body(row.body)["id"] for row in rows]
        rows = journal.rows(rows[-1].seq + 1, PLENTY, PLENTY)
    return found


class TestFlashJournalInFiles(JournalContract):
    """The contract on a board's file system, in the files that a gate uses."""

    def make(self, epoch_id):
        self.files = FlashFiles()
        return self.opened(epoch_id)

    def reopened(self, journal):
        return self.opened("00000000000000ff")

    def opened(self, epoch_id):
        return open_journal("/journal", epoch_id=epoch_id, opener=self.files.open)


@pytest.mark.parametrize("number", range(6))
def test_every_fact_arrives_once_whenever_the_power_fails(seed, number):
    """Cuts while facts, acknowledgements and epochs are written: none is lost, none doubled."""
    chance = random.Random(seed + number)
    board = Board(64, seed + number)
    site = site_on(board, seed + number, loss=0.2, repeat=0.2, reorder=0.2)
    cuts = 0
    for _ in range(120):
        board.supply.cut_after(chance.randrange(400))
        is_over = chance.random() < 0.1
        try:
            site.record(chance.randint(0, 4))
            site.run(chance.randint(1, 40))
        except PowerCut:
            cuts += 1
            is_over = True
        board.supply.restore()
        if is_over:
            started(site, board)
            known = set(ids_of(site.journal)) | set(site.gateway.applied)
            assert set(site.facts[:-1]) <= known  # all but the one being written
            site.facts = [fact for fact in site.facts if fact in known]
    site.heal()

    assert cuts > 20
    assert set(site.gateway.applied) == set(site.facts)
    assert set(site.gateway.applied.values()) == {1}
    assert site.gateway.holes == []
    assert site.journal.trouble == ""


def test_a_chip_rolled_back_is_a_fork_like_any_other():
    """The gateway knows more rows than the chip; the station opens an epoch and loses nothing."""
    board = Board(64)
    site = site_on(board)
    site.record(30)
    site.run(5)
    rows, marks = bytes(board.rows.image), bytes(board.marks.image)
    site.record(10)
    site.run(5)

    board.rows.image[:], board.marks.image[:] = rows, marks
    started(site, board)
    site.record(15)
    site.heal()

    assert set(site.gateway.applied) == set(site.facts)
    assert site.journal.epoch.n == 2
    assert "fork" in site.notices


def test_five_hundred_alarms_wait_for_the_gateway():
    """Offline, the files of a gate keep at least the newest 500 alarms; what is gone is
    declared, and all the others arrive."""
    alarm = {"kind": "alarm", "boot": BOOT, "mono": 2_592_000_000, "wall": 1_790_000_000_000}
    alarm |= {"sure": True, "site": "main-library", "gate": "gate-entrance-1", "lane": "left"}
    alarm |= {"row": 4, "direction": "out", "uid": "e004015012345678", "latency_ms": 123}
    alarm |= {"uids": ["e004015012345678"], "item": "0123456789abcdef"}
    alarm |= {"barcode": "30112345678901", "owner": "DE-MUS-123456"}
    files = FlashFiles()
    site = Site()
    site.journal = open_journal("/journal", epoch_id=FIRST_EPOCH, opener=files.open)
    site.is_cut = True
    for number in range(700):
        site.journal.append(encode_body({"id": f"{number:016x}", **alarm}))
    site.journal = open_journal("/journal", epoch_id="0" * 16, opener=files.open)
    kept = ids_of(site.journal)
    site.start()
    site.heal()

    assert len(kept) >= 510
    assert kept == [f"{number:016x}" for number in range(700 - len(kept), 700)]
    assert site.gateway.holes == [(1, 700 - len(kept))]
    assert list(site.gateway.applied) == kept
    assert (site.journal.last_seq, site.journal.epoch.n) == (700, 1)


def test_what_was_acknowledged_makes_room_first_and_unsaid():
    """A ring that goes round beneath a gateway that keeps up declares nothing lost."""
    site = site_on(Board())
    for _ in range(40):
        site.record(10)
        site.run(2)

    assert site.gateway.holes == []
    assert (site.journal.overrun, site.uploader.waiting) == (0, 0)
    assert set(site.gateway.applied) == set(site.facts)


def damaged(board, part, how):
    """Spoil one chip, or both."""
    for name in (part,) if part != "both" else ("rows", "marks"):
        image = getattr(board, name).image
        noise = random.Random(7).randbytes(len(image))
        image[:] = {"noise": noise, "erased": b"\xff" * len(image), "zero": bytes(len(image))}[how]


@pytest.mark.parametrize("how", ["noise", "erased", "zero"])
@pytest.mark.parametrize("part", ["rows", "marks"])
def test_a_ring_that_is_gone_is_told_and_the_gate_goes_on(part, how):
    """A new epoch begins; rows that are still readable are offered again, once in effect."""
    board = Board(64)
    site = site_on(board)
    site.record(20)
    site.run(5)
    site.is_cut = True
    site.record(5)
    damaged(board, part, how)
    started(site, board)
    offered = len(ids_of(site.journal))
    trouble = site.journal.trouble
    site.is_cut = False
    site.record(3)
    site.heal()

    assert offered == (25 if part == "marks" else 0)
    assert trouble.endswith("a new epoch begins")
    assert site.journal.epoch.n == 2
    lost = site.facts[20:25] if part == "rows" else []
    assert set(site.gateway.applied) == set(site.facts) - set(lost)
    assert set(site.gateway.applied.values()) == {1}
    assert board.start().trouble == ""


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30), flips=st.integers(1, 60))
def test_flipped_bits_never_stop_the_gate(seed, flips):
    """Damage anywhere in both chips: no exception, and what is written later arrives."""
    chance = random.Random(seed)
    board = Board()
    site = site_on(board, seed)
    site.record(chance.randint(1, 40))
    site.run(chance.choice([0, 5]))
    for _ in range(flips):
        image = chance.choice([board.rows.image, board.marks.image])
        image[chance.randrange(len(image))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.7:
        started(site, board)
    site.record(5)
    new = site.facts[-5:]
    site.heal(1_500)

    assert set(new) <= set(site.gateway.applied)
    assert max(site.gateway.applied.values()) == 1


def test_a_damaged_row_is_a_hole_that_is_declared():
    """The rows around it arrive; the gateway is told which one is gone."""
    board = Board()
    site = site_on(board)
    site.is_cut = True
    site.record(9)
    journal = site.journal
    board.rows.image[_place_of(board, site.facts[4])] ^= 4

    site.is_cut = False
    started(site, board)
    site.heal()

    assert site.gateway.holes == [(5, 5)]
    assert list(site.gateway.applied) == site.facts[:4] + site.facts[5:]
    assert journal.hash_at(4) == site.journal.hash_at(4)


def test_a_newest_row_damaged_under_way_does_not_stop_what_follows():
    """No row behind it could declare it: an empty body goes, is parked, and staff see it."""
    board = Board()
    site = site_on(board)
    site.is_cut = True
    site.record(3)
    board.rows.image[_place_of(board, site.facts[2])] ^= 4
    site.is_cut = False
    site.heal()
    site.record(2)
    site.heal()

    assert site.gateway.parked == [b""]
    assert list(site.gateway.applied) == site.facts[:2] + site.facts[3:]


def _place_of(board, fact):
    """Where the id of a fact lies on the chip."""
    return bytes(board.rows.image).index(fact.encode())


def test_a_full_disk_refuses_rows_and_nothing_else():
    """Marks wait in memory; when there is room again everything is as if there always was."""
    files = FlashFiles(48)
    journal = open_journal("/journal", epoch_id=FIRST_EPOCH, opener=files.open)
    for number in range(1, 6):
        journal.append(body(number))
    with files.open("/list", "wb") as file:
        file.write(bytes(files.free_blocks * 4_096))

    with pytest.raises(RingUnwritable, match="will be tried again"):
        journal.append(body(6))
    journal.mark_acked(3, 2)
    journal.set_lineage("00000000000000a1", 3)

    assert "will be tried again" in journal.trouble
    assert (journal.acked, journal.lineage, journal.last_seq) == (3, "00000000000000a1", 5)
    files.remove("/list")
    assert journal.append(body(6)).seq == 6
    again = open_journal("/journal", epoch_id="0" * 16, opener=files.open)
    assert (again.acked, again.lineage, again.trouble) == (3, "00000000000000a1", "")
    assert [row.seq for row in again.rows(1, 9, PLENTY)] == [2, 3, 4, 5, 6]


def test_a_disk_without_room_for_the_files_is_told_at_once():
    """The room is claimed at the first start, so nothing can take it later."""
    with pytest.raises(OSError, match="No space left"):
        open_journal("/journal", epoch_id=FIRST_EPOCH, opener=FlashFiles(30).open)


def test_a_board_reads_no_more_rows_at_once_than_it_has_memory_for():
    """`rows_bytes_max` stands above what the uploader asks for; one row always comes."""
    rows = BlockRegion(NorFlash(4), 4)
    journal = FlashJournal(
        Ring(rows), Ring(BlockRegion(NorFlash(2), 2)), epoch_id=FIRST_EPOCH, rows_bytes_max=600
    )
    for _ in range(3):
        journal.append(b"x" * 500)

    assert [len(journal.rows(first, 50, PLENTY)) for first in (1, 2, 3)] == [1, 1, 1]


def test_the_index_has_one_size():
    """Memory is taken at the start and never again: 4 KB for the files of a gate."""
    journal = open_journal("/journal", epoch_id=FIRST_EPOCH, opener=FlashFiles().open)

    assert len(journal._slots) + len(journal._hashes) == 4_256


@given(parts=st.lists(st.one_of(st.sampled_from(_TEXTS), st.binary(max_size=9)), max_size=20))
def test_a_body_written_short_is_the_same_body(parts):
    """Texts of the table, pieces of them and anything else in any order."""
    body = b"".join(part[: 1 + index] if index % 3 else part for index, part in enumerate(parts))
    short = abbreviated(body)

    assert (short is None) == any(byte < 0x20 for byte in body)
    assert short is None or spelled_out(short) == body


@given(packed=st.binary(max_size=120))
def test_marks_that_are_something_else_are_none(packed):
    """Whatever bytes they are, reading them raises nothing."""
    found = unpack_marks(packed)

    assert found is None or isinstance(found, Marks)


def test_marks_that_cannot_be_understood_leave_those_before():
    """The newest that mean something count."""
    board = Board()
    journal = board.start()
    journal.set_lineage("00000000000000a1", 0)
    Ring(BlockRegion(board.marks, 2, sector_bytes=SECTOR)).append(b"something else")

    assert board.start().lineage == "00000000000000a1"


def test_older_epochs_go_when_a_backup_has_the_new_one_without_rows():
    """keep_from 2 says so, though nothing of the new epoch is acknowledged yet."""
    journal = Board().start()
    journal.append(body(1))
    journal.open_epoch(1, "00000000000000e2", 2)
    kept = journal.has_older
    journal.mark_acked(0, 2)

    assert (kept, journal.has_older) == (True, False)


def test_marks_come_back_as_they_were_packed():
    """With a parent and a lineage, and without."""
    journal = Board().start()
    plain = journal._marks
    journal.append(body(1))
    journal.set_lineage("00000000000000a1", 1)
    journal.open_epoch(1, "00000000000000e2", 7)

    for marks in (journal._marks, plain):
        found = unpack_marks(pack_marks(marks))
        assert found[:5] == marks[:5]
        assert found.base_hash == (marks.base_hash or bytes(16))
