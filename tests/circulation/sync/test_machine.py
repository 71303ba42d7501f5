"""Single steps of uploader and intake that a whole run seldom meets."""

import pytest

from circulation.sync.effects import SendJournal, SendRequest, SendStatus, StaffNotice
from circulation.sync.intake import (
    Accept,
    Duplicate,
    ForkFound,
    Gap,
    Hello,
    Mark,
    NackLimiter,
    RotateLineage,
    Unreadable,
    fork_hashes,
    judge,
    judge_birth,
    new_mark,
)
from circulation.sync.memory import MemoryJournal
from circulation.sync.rows import Row
from circulation.sync.uploader import Uploader
from circulation.wire.chain import chain_start
from circulation.wire.messages import Ack, Fork, Head, Journal, Nack, Status, TimeReply
from tests.circulation.sync.pipe import Site
from tests.contract.journal_contract import FIRST_EPOCH, body

LINEAGE = "00000000000000a1"
CLOCK = {"mono": 1, "wall": 0, "sure": False, "boot": "0a0b0c0d"}


@pytest.fixture
def journal():
    """A journal of five rows."""
    return with_five_rows(MemoryJournal(FIRST_EPOCH))


@pytest.fixture
def uploader(journal):
    """Its uploader, connected, with the first batch under way."""
    return connected_uploader(journal)


def with_five_rows(journal):
    """Append five rows to a journal."""
    for number in range(1, 6):
        journal.append(body(number))
    return journal


def connected_uploader(journal):
    """Return the uploader of a journal, with the first batch under way."""
    uploader = Uploader(
        journal, station="kiosk-1", clock=lambda now_ms: CLOCK, random_below=lambda limit: 0
    )
    uploader.on_connected(0)
    return uploader


def ack(journal, row, **fields):
    """Return a true ack of a row; fields replace its own."""
    values = {
        "epoch": journal.epoch.id,
        "hw": row,
        "hash": (journal.hash_at(row) or bytes(16)).hex(),
        "lineage": LINEAGE,
        "credit": 1,
        "keep_from": 0,
        "now": 0,
    }
    return Ack(**{**values, **fields})


def batch_of(journal, first, last, **fields):
    """Return the rows of a journal as a message; fields replace its own."""
    rows = journal.rows(first, last - first + 1, 1 << 20)
    values = {
        "epoch": journal.epoch.id,
        "n": 1,
        "parent": None,
        "seq0": first,
        "prev_hash": rows[0].prev_hash.hex(),
        "clock": CLOCK,
        "events": [row.body.decode() for row in rows],
        "patrons": {},
        "raw": None,
        "lost": None,
    }
    return Journal(**{**values, **fields})


def mark_of(journal, hw):
    """Return the mark of a gateway that has the first rows of a journal."""
    return Mark(journal.epoch.id, 1, hw, lambda seq: journal.hash_at(seq) if seq <= hw else None)


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "f" * 32},
        {"epoch": "f" * 16},
        {"hw": 6},
    ],
)
def test_an_ack_that_is_not_ours_is_not_believed(journal, uploader, change):
    """Another hash, another epoch, a row we do not have: nothing counts as arrived."""
    journal.lineage = LINEAGE

    uploader.on_reply(ack(journal, 3, **change), 10)

    assert uploader.waiting == 5


def test_an_ack_for_a_row_long_pruned_changes_nothing(journal, uploader):
    """It is late, not wrong."""
    journal.lineage = LINEAGE
    journal.mark_acked(4, 4)

    assert uploader.on_reply(ack(journal, 1), 10) == []
    assert journal.acked == 4


class CardJournal(MemoryJournal):
    """A journal on a card that can be full."""

    is_full = False
    has_older = False

    def set_lineage(self, lineage, hw):
        """Write down a history, if there is room."""
        self._need_room()
        super().set_lineage(lineage, hw)

    def gather(self, epoch_id, n):
        """Begin the gathering epoch, if there is room."""
        self._need_room()
        super().gather(epoch_id, n)

    def _need_room(self):
        if self.is_full:
            raise OSError("no space left on the card")


@pytest.mark.parametrize("has_older", [False, True])
def test_what_a_restored_gateway_lacks_waits_although_nothing_can_be_written(has_older):
    """On a full disk the journal still counts for the old history: who is asked must not say
    that nothing waits, or the gateway would believe that all is back."""
    journal = with_five_rows(CardJournal(FIRST_EPOCH))
    uploader = connected_uploader(journal)
    journal.lineage = LINEAGE
    journal.mark_acked(5, 1)
    assert (uploader.waiting, uploader.acked) == (0, 5)
    had = 0 if has_older else 3

    journal.is_full, journal.has_older = True, has_older
    with pytest.raises(OSError, match="no space left"):
        uploader.on_reply(ack(journal, 3, lineage="00000000000000a2"), 10)
    assert (uploader.waiting, uploader.acked, journal.acked) == (5 - had, had, 5)

    journal.is_full, journal.has_older = False, False
    uploader.on_reply(ack(journal, 3, lineage="00000000000000a2"), 20)
    assert (uploader.waiting, uploader.acked, journal.acked) == (2, 3, 3)


def test_a_foreign_ack_is_told_to_staff_once_a_connection(journal, uploader):
    """The same surprise is not repeated every few seconds."""
    journal.lineage = LINEAGE
    foreign = ack(journal, 3, hash="f" * 32)

    first = uploader.on_reply(foreign, 10)

    assert first == [StaffNotice("ack_not_ours", "kiosk-1: row 3 is another one there")]
    assert uploader.on_reply(foreign, 20) == []


def test_nothing_is_sent_or_believed_without_a_connection(journal, uploader):
    """What arrives after the end of a connection belongs to nobody."""
    uploader.on_disconnected()

    assert uploader.on_appended(10) == []
    assert uploader.on_reply(ack(journal, 3), 10) == []
    assert uploader.tick(1_000_000) == []


def test_replies_about_other_things_are_left_alone(journal, uploader):
    """Times, chunks and commands have their own machines; another epoch's nack has none."""
    for message in (
        TimeReply("a", 0, 0),
        Nack("f" * 16, 0, "gap"),
        Fork("f" * 16, 1, 9, 0, []),
    ):
        assert uploader.on_reply(message, 10) == []
    assert journal.epoch.n == 1


def test_a_nack_beyond_our_end_makes_us_say_who_we_are(journal, uploader):
    """The gateway then sees from the birth that it knows more than we do."""
    (effect,) = uploader.on_reply(Nack(FIRST_EPOCH, 9, "gap"), 10)

    assert type(effect) is SendStatus


def test_a_lost_probe_is_followed_by_another(journal, uploader):
    """At credit 0 the station asks every two minutes, however many answers are lost."""
    uploader.on_reply(ack(journal, 5, credit=0), 0)
    journal.append(body(6))
    assert uploader.on_appended(0) == []
    asked_ms = []
    for now_ms in range(0, 400_000, 1_000):
        uploader.on_head(Head(LINEAGE, 1, 0, {}, 1, False, "0" * 32), now_ms)
        for effect in uploader.tick(now_ms):
            if type(effect) is SendRequest and effect.message.op == "hw":
                asked_ms.append(now_ms)

    assert asked_ms == [120_000, 240_000, 360_000]


def test_the_same_nack_within_five_seconds_is_one(journal, uploader):
    """Each of several batches under way may bring one."""
    first = uploader.on_reply(Nack(FIRST_EPOCH, 2, "gap"), 10)
    again = uploader.on_reply(Nack(FIRST_EPOCH, 2, "gap"), 5_009)
    later = uploader.on_reply(Nack(FIRST_EPOCH, 2, "gap"), 5_010)

    assert [effect.message.seq0 for effect in first] == [3]
    assert again == []
    assert [effect.message.seq0 for effect in later] == [3]


def test_a_row_that_is_refused_even_as_raw_bytes_is_told_and_tried_again(journal):
    """It cannot be skipped, and nobody is flooded with it."""
    journal.mark_acked(4, 0)
    uploader = Uploader(
        journal, station="kiosk-1", clock=lambda now_ms: CLOCK, random_below=lambda limit: 0
    )
    uploader.on_connected(0)
    invalid = Nack(FIRST_EPOCH, 4, "invalid")

    (raw,) = uploader.on_reply(invalid, 10)
    (notice,) = uploader.on_reply(invalid, 20)

    assert (raw.message.raw is not None, raw.message.events) == (True, [])
    assert notice.code == "poison_refused"
    assert uploader.on_appended(30) == []
    assert uploader.on_reply(invalid, 40) == []
    assert [type(effect) for effect in uploader.tick(1_020)] == [SendJournal]


def test_a_fork_said_of_an_older_birth_opens_no_epoch(journal, uploader):
    """The row that the gateway has is ours after all."""
    fork = Fork(FIRST_EPOCH, 1, 4, 0, [[4, journal.hash_at(4).hex()]])

    assert uploader.on_reply(fork, 10) == []
    assert journal.epoch.n == 1


def test_a_body_that_rotted_on_the_card_moves_to_a_new_epoch():
    """Its old hash could never be acknowledged; what is left of it is sent and parked."""
    site = Site()
    site.record(10)
    site.run(5)
    site.is_cut = True
    site.record(10)
    rotten = site.journal._rows[14]
    site.journal._rows[14] = Row(*rotten[:3], rotten.body.replace(b"seen", b"se\xffn"), None, None)
    site.heal()

    assert site.uploader.waiting == 0
    assert len(site.gateway.parked) == 1
    assert set(site.gateway.applied) == set(site.facts) - {site.facts[14]}
    assert set(site.gateway.applied.values()) == {1}
    assert "damaged" in site.notices


def test_a_body_that_rotted_into_another_fact_is_none():
    """A flipped bit may leave a readable fact that never was: it is parked, not applied."""
    site = Site()
    site.is_cut = True
    site.record(10)
    rotten = site.journal._rows[4]
    site.journal._rows[4] = Row(*rotten[:3], rotten.body.replace(b'"seen"', b'"sent"'), None, None)
    site.heal()

    assert b'"sent"' in site.journal.rows(5, 1, 1 << 20)[0].body
    assert len(site.gateway.parked) == 1
    assert set(site.gateway.applied) == set(site.facts) - {site.facts[4]}


def test_a_duplicate_is_acked_at_the_last_row_compared(journal):
    """Never further on: a station rolled back to row 5 could not believe an ack of row 9."""
    assert judge(batch_of(journal, 1, 3), mark_of(journal, 5)) == Duplicate(3, journal.hash_at(3))


def test_rows_beyond_the_mark_are_accepted_and_those_below_compared(journal):
    """A batch that was cut differently the second time adds what is new in it."""
    verdict = judge(batch_of(journal, 2, 5), mark_of(journal, 3))

    assert type(verdict) is Accept
    assert [row.seq for row in verdict.rows] == [4, 5]
    assert (verdict.first_new, verdict.hw, verdict.hash) == (4, 5, journal.hash_at(5))


def test_an_unknown_epoch_is_accepted_from_its_first_row(journal):
    """And from no other: what came before is asked for."""
    mark = new_mark(FIRST_EPOCH, 1)

    assert type(judge(batch_of(journal, 1, 5), mark)) is Accept
    assert judge(batch_of(journal, 2, 5), mark) == Gap(0)
    assert judge(batch_of(journal, 4, 5, lost=[2, 3]), mark) == Gap(0)
    assert judge(batch_of(journal, 4, 5, lost=[1, 3]), mark).lost == [1, 3]


def test_rows_that_turn_up_fill_a_hole_that_was_declared(journal):
    """A card that was thought dead is read after all; the mark stays where it is."""
    known = {1: journal.hash_at(1), 5: journal.hash_at(5)}
    mark = Mark(FIRST_EPOCH, 1, 5, known.get)

    verdict = judge(batch_of(journal, 2, 5), mark)

    assert [row.seq for row in verdict.rows] == [2, 3, 4]
    assert judge(batch_of(journal, 3, 4), mark).first_new == 3


def test_a_batch_that_contradicts_itself_is_unreadable(journal):
    """An epoch has one number, and raw bytes are base64."""
    raw = batch_of(journal, 1, 1, events=[], raw="A")

    assert judge(raw, new_mark(FIRST_EPOCH, 1)) == Unreadable("raw is not base64")
    assert type(judge(batch_of(journal, 1, 1, n=2), new_mark(FIRST_EPOCH, 1))) is Unreadable
    assert type(judge(batch_of(journal, 1, 1), new_mark("f" * 16, 1))) is Unreadable


@pytest.mark.parametrize("first", [1, 3, 6])
def test_another_past_is_a_fork_wherever_it_shows(journal, first):
    """The row before the batch is compared too, also right at the mark."""
    for _ in range(5):
        journal.append(b"{}")
    batch = batch_of(journal, first, 7, prev_hash="f" * 32)

    verdict = judge(batch, mark_of(journal, 5))

    assert type(verdict) is ForkFound
    assert verdict.common == 0
    assert verdict.hashes[-1] == [0, chain_start(FIRST_EPOCH).hex()]


def test_a_first_row_that_stands_on_nothing_is_a_fork_from_the_start(journal):
    """There is nothing to share but the name of the epoch."""
    verdict = judge(batch_of(journal, 1, 2, prev_hash="f" * 32), new_mark(FIRST_EPOCH, 1))

    assert verdict == ForkFound(0, 0, [[0, chain_start(FIRST_EPOCH).hex()]])


def test_a_fork_inside_a_batch_names_the_last_row_we_share(journal):
    """Even where our own hash of it was never known."""
    twin = journal.copy()
    batch = batch_of(twin, 2, 5)
    batch.events[2] = "{}"
    known = {5: journal.hash_at(5), 4: bytes(16)}

    verdict = judge(batch, Mark(FIRST_EPOCH, 1, 5, known.get))

    assert verdict.common == 3
    assert verdict.hashes[1] == [3, journal.hash_at(3).hex()]


def test_a_station_whose_first_row_stands_on_nothing_begins_anew(journal, uploader):
    """A journal that was damaged at its very start is chained again."""
    effects = uploader.on_reply(Fork(FIRST_EPOCH, 1, 0, 0, [[0, "f" * 32]]), 10)

    assert journal.epoch.n == 2
    assert [type(effect) for effect in effects] == [SendStatus, StaffNotice, SendJournal]


def test_the_hashes_of_a_fork_reach_back_to_the_start_and_stay_few():
    """However long a journal is, its fork fits the message of a microcontroller."""
    mark = Mark(FIRST_EPOCH, 1, 2**50, lambda seq: bytes(16))

    pairs = fork_hashes(mark, 1_000)

    assert [seq for seq, _ in pairs] == [
        2**50, 1_000, 999, 997, 993, 985, 969, 937, 873, 745, 489, 0,
    ]  # fmt: skip
    assert len(fork_hashes(mark, 2**50)) <= 63


def status(**fields):
    """Return a birth; fields replace its own."""
    values = {
        "station": "kiosk-1",
        "on": True,
        "boot": "0a0b0c0d",
        "epoch": FIRST_EPOCH,
        "n": 1,
        "seq_last": 5,
        "acked": 3,
        "versions": {"policy": 4},
        "lineage": LINEAGE,
        "firmware": "1",
        "clock": "sure",
        "role": "kiosk",
        "site": "main",
        "config_version": 0,
        "name": "Kiosk",
        "list_state": None,
        "waiting_since_wall": None,
    }
    return Status(**{**values, **fields})


def birth(journal, hw, **fields):
    """Return what a birth calls for at a gateway that has policy 4."""
    return judge_birth(
        status(**fields), mark_of(journal, hw), lineage=LINEAGE, versions={"policy": 4}
    )


def test_a_birth_is_greeted_with_the_mark(journal):
    """So a station learns lineage and mark before it sends anything."""
    assert birth(journal, 3) == [Hello(3, journal.hash_at(3))]
    assert birth(journal, 5, seq_last=5) == [Hello(5, journal.hash_at(5))]


def test_a_will_is_no_birth(journal):
    """It says nothing about rows."""
    assert birth(journal, 5, on=False, seq_last=1) == []


def test_a_birth_with_fewer_rows_than_we_have_is_a_fork(journal):
    """The card was rolled back; the hashes begin at what it still has."""
    (verdict,) = birth(journal, 5, seq_last=4, acked=4)

    assert type(verdict) is ForkFound
    assert [seq for seq, _ in verdict.hashes] == [5, 4, 3, 1, 0]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"acked": 5}, "kiosk-1 was told 5 rows are applied; here are 3"),
        ({"versions": {"policy": 5}}, "kiosk-1 has policy 5; here is 4"),
        ({"versions": {"may_leave": 1}}, "kiosk-1 has may_leave 1; here is 0"),
    ],
)
def test_a_station_that_knows_more_betrays_a_restored_gateway(journal, fields, why):
    """Versions would soon be equal again and mean different things; so the lineage changes."""
    verdicts = birth(journal, 3, **fields)

    assert verdicts == [RotateLineage(why), Hello(3, journal.hash_at(3))]
    assert type(verdicts[0]) is RotateLineage


@pytest.mark.parametrize("lineage", [None, "00000000000000a2"])
def test_what_a_station_knows_of_another_lineage_betrays_nothing(journal, lineage):
    """Versions compare only within one history."""
    assert birth(journal, 3, lineage=lineage, acked=5) == [Hello(3, journal.hash_at(3))]


def test_a_mark_whose_hash_is_unknown_greets_nobody(journal):
    """Directly behind a declared hole there is nothing to believe; the next batch is answered."""
    mark = Mark(FIRST_EPOCH, 1, 3, lambda seq: None)

    assert judge_birth(status(), mark, lineage=LINEAGE, versions={"policy": 4}) == []


def test_one_nack_per_mark_and_five_seconds():
    """Another mark, another epoch, another station or a later moment count anew."""
    limiter = NackLimiter()

    assert limiter.allows("k", "e1", 3, 0)
    assert not limiter.allows("k", "e1", 3, 4_999)
    assert limiter.allows("k", "e1", 4, 4_999)
    assert limiter.allows("k", "e2", 4, 4_999)
    assert limiter.allows("j", "e2", 4, 4_999)
    assert limiter.allows("k", "e2", 4, 9_999)
