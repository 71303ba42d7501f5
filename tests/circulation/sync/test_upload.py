"""Uploader and intake back to back: what a bad network, a bad card and a bad day do to facts."""

import pytest

from circulation.wire.chain import patron_hash
from circulation.wire.fact import encode_body
from tests.circulation.sync.pipe import BOOT, Gateway, Site


def assert_each_fact_once(site):
    """Every fact that was ever written is applied, and none of them twice."""
    assert set(site.gateway.applied) == set(site.facts)
    assert set(site.gateway.applied.values()) <= {1}
    assert site.uploader.waiting == 0


def test_facts_arrive_in_their_order():
    """A good network carries everything, in batches of at most 50."""
    site = Site()
    site.record(120)
    site.run(5)

    assert site.gateway.order == site.facts
    assert [len(batch.events) for batch in site.sent] == [50, 50, 20]
    assert_each_fact_once(site)


@pytest.mark.parametrize("number", range(8))
def test_loss_repetition_and_disorder_lose_nothing_and_repeat_nothing(seed, number):
    """Whatever the network does to messages, each fact is applied once, in its order."""
    site = Site(seed + number, loss=0.3, repeat=0.3, reorder=0.3)
    for _ in range(40):
        site.record(site.chance.randint(0, 30))
        site.run(10)
    site.heal()

    assert_each_fact_once(site)
    assert site.gateway.order == site.facts
    assert site.journal.epoch.n == 1


def test_nothing_is_acknowledged_before_the_gateway_has_it():
    """A gateway that answers nothing leaves everything waiting, whatever the broker said."""
    site = Site(loss=1.0)
    site.record(3)
    site.run(30)

    assert site.uploader.waiting == 3


def test_a_card_rolled_back_to_80_of_100_loses_none_of_its_15_new_loans():
    """The station shows them as waiting until the gateway has them, under a new epoch."""
    site = Site()
    site.record(80)
    site.run(5)
    image = site.journal.copy()
    site.record(20)
    site.run(5)

    site.journal = image
    site.start()
    site.record(15)
    site.heal()

    assert_each_fact_once(site)
    assert site.gateway.order[-15:] == site.facts[-15:]
    assert site.journal.epoch.parent.seq <= 80
    assert site.journal.epoch.n == 2
    assert "fork" in site.notices


def test_a_card_rolled_back_and_used_beyond_the_gateways_mark_is_noticed():
    """The rows differ before the gateway's mark, though the station has more of them."""
    site = Site()
    site.record(80)
    site.run(5)
    image = site.journal.copy()
    site.record(20)
    site.run(5)

    site.journal = image
    site.is_cut = True
    site.start()
    site.record(40)
    site.heal()

    assert_each_fact_once(site)
    assert site.journal.epoch.n == 2
    assert site.journal.epoch.parent.seq == 80


def test_a_card_rolled_back_that_lost_no_fact_and_wrote_none_goes_on():
    """A fork is found by the birth alone, before anything is sent."""
    site = Site()
    site.record(80)
    site.run(5)
    image = site.journal.copy()
    site.record(20)
    site.run(5)

    site.journal = image
    site.start()
    site.run(5)

    assert site.journal.epoch.n == 2
    assert site.uploader.waiting == 0
    assert_each_fact_once(site)


def test_a_card_rolled_back_twice_applies_nothing_twice():
    """Each rollback opens an epoch later than all the gateway has seen; ids do the rest."""
    site = Site()
    site.record(50)
    site.run(5)
    image = site.journal.copy()
    for extra in (20, 7):
        site.record(extra)
        site.run(5)
        site.journal = image.copy()
        site.start()
        site.record(10)
        site.run(60)
    site.heal()

    assert_each_fact_once(site)
    assert site.journal.epoch.n == 3


def test_a_restored_gateway_is_sent_again_what_it_forgot():
    """The station's birth betrays the restore: a new lineage, and a mark that goes back."""
    site = Site()
    site.record(40)
    site.run(5)
    backup = site.gateway.backup()
    site.record(60)
    site.run(5)

    site.gateway = backup
    site.start()
    site.heal()

    assert_each_fact_once(site)
    assert site.journal.lineage == site.gateway.lineage != "000000000000a001"
    assert site.journal.epoch.n == 1


def test_a_quiet_station_hears_of_another_lineage_from_the_head():
    """Nobody has to reconnect, and nothing new has to be written, for facts to be sent again."""
    site = Site()
    site.record(40)
    site.run(5)
    backup = site.gateway.backup()
    site.record(60)
    site.run(5)

    site.gateway = backup
    site.gateway.lineage = "000000000000b001"
    site.run(60)

    assert_each_fact_once(site)
    assert site.reconnects == []


def test_a_fork_and_then_an_old_backup_lose_nothing():
    """Rows of the epoch before may be nowhere but on the station; they are offered again."""
    site = Site()
    site.record(30)
    site.run(5)
    backup = site.gateway.backup()
    site.record(50)
    site.run(5)
    image = site.journal.copy()
    site.record(1)
    site.run(5)
    site.facts.pop()  # that one went with the card, and then with the gateway's disk
    site.journal = image
    site.start()
    site.record(5)
    site.run(60)

    site.gateway = backup
    site.gateway.lineage = "000000000000b001"
    site.start()
    site.heal()

    assert_each_fact_once(site)
    assert "gathered" in site.notices


def test_rows_pruned_before_an_old_backup_is_restored_are_declared_lost():
    """The mark moves over the hole, staff learn of it, and newer facts are not held up."""
    site = Site()
    site.gateway.keep_from = 61
    site.record(40)
    site.run(5)
    backup = site.gateway.backup()
    site.record(60)
    site.run(5)

    backup.keep_from = 1
    site.gateway = backup
    site.start()
    site.record(5)
    site.heal()

    assert site.gateway.holes == [(41, 60)]
    assert set(site.gateway.applied) == set(site.facts[:40] + site.facts[60:])
    assert "hole" in site.notices
    assert site.uploader.waiting == 0


def test_an_overrun_ring_does_not_block_what_is_still_there():
    """A journal that lost rows before they were sent says which, and goes on."""
    site = Site()
    site.record(10)
    site.run(5)
    site.is_cut = True
    site.record(30)
    site.journal.acked = 25
    site.journal.mark_acked(25, 26)  # what a ring does when it runs over
    site.journal.acked = 10
    site.heal()

    assert site.gateway.holes == [(11, 25)]
    assert set(site.gateway.applied) == set(site.facts[:10] + site.facts[25:])


def test_a_batch_nobody_can_read_is_halved_until_only_the_offender_is_parked():
    """One poisonous row neither blocks its neighbours nor is lost itself."""
    site = Site()
    site.is_cut = True
    site.record(20)
    poison = encode_body({"id": "f" * 16, "kind": "seen", "boot": BOOT, "mono": 1})
    site.gateway.refused.add(poison)
    site.journal.append(poison)
    site.record(20)
    site.heal()

    facts = [fact for fact in site.gateway.order if fact != "f" * 16]
    assert facts == site.facts
    assert site.gateway.applied["f" * 16] == 1
    assert site.uploader.waiting == 0
    assert max(len(batch.events) for batch in site.sent[-3:]) > 1


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe rot", b'{"id":"\x00"}', b"{", b'{"id":"a","note":"\\ud800"}', b"[" * 5000],
)
def test_a_row_that_is_no_fact_keeps_its_place_and_is_parked(body):
    """What a dying card made of a body is kept as it is, between its neighbours."""
    site = Site()
    site.is_cut = True
    site.record(3)
    site.journal.append(body)
    site.record(3)
    site.heal()

    assert_each_fact_once(site)
    assert site.gateway.parked == [body]
    assert site.journal.acked == 7


def test_the_longest_facts_still_fit_a_message():
    """Fifty facts of every quote there is are cut by size, not by a refusal."""
    site = Site()
    site.is_cut = True
    body = (
        b'{"id":"%016x","kind":"seen","boot":"00000000","mono":1,"q":["' + b'","' * 2600 + b'"]}'
    )
    for number in range(1, 11):
        site.journal.append(body % number, bytes(16), "p" * 16)
    site.heal()

    assert len(site.gateway.parked) + sum(site.gateway.applied.values()) == 10
    assert site.uploader.waiting == 0


def test_a_patron_travels_beside_the_body_and_must_fit_its_hash():
    """A salt that rotted makes the row unreadable, not another reader's loan."""
    site = Site()
    site.is_cut = True
    fields = {"kind": "checkout", "boot": BOOT, "mono": 1}
    good = encode_body({**fields, "id": "a" * 16, "patron": patron_hash(bytes(16), "aa")})
    bad = encode_body({**fields, "id": "b" * 16, "patron": patron_hash(bytes(16), "aa")})
    site.journal.append(good, bytes(16), "aa")
    site.journal.append(bad, bytes(15) + b"\1", "aa")
    site.heal()

    assert list(site.gateway.applied) == ["a" * 16]
    assert site.gateway.parked == [bad]


def test_a_lost_credit_grant_does_not_stop_the_upload_for_ever():
    """At credit 0 the station asks by itself, every two minutes."""
    site = Site()
    site.gateway.credit = 0
    site.record(60)
    site.run(5)
    site.gateway.credit = 4
    waiting_before = site.uploader.waiting
    site.run(60)
    waiting_meanwhile = site.uploader.waiting
    site.run(90)

    assert (waiting_before, waiting_meanwhile) == (10, 10)
    assert_each_fact_once(site)


def test_several_batches_under_way_and_a_gap_make_no_storm_of_nacks():
    """One lost batch of many costs a few messages, not a message for each answer."""
    site = Site()
    site.gateway.credit = 16
    site.record(1)
    site.run(5)
    sent_before = len(site.sent)
    site.record(50)
    site._up.clear()  # the first batch is lost on the way
    site.record(700)
    site.run(60)

    assert_each_fact_once(site)
    assert len(site.sent) - sent_before < 60


def test_a_busy_gateway_is_left_in_peace_for_a_while():
    """It is asked again later and later, and the connection is kept."""
    site = Site()
    site.gateway.is_busy = True
    site.record(5)
    site.run(300)
    sent = len(site.sent)
    site.heal()

    assert sent < 20
    assert site.reconnects == []
    assert_each_fact_once(site)


def test_a_gateway_that_goes_silent_is_left_after_a_minute():
    """Sixty seconds without a head, or three sends without an answer, end the connection."""
    site = Site()
    site.record(5)
    site.run(30)
    site.is_cut = True
    site.run(120)
    quiet = list(site.reconnects)
    site.record(1)
    site.run(120)
    site.heal()

    assert quiet
    assert set(quiet) == {"no head for 60 s"}
    assert "three sends without an answer" in site.reconnects
    assert_each_fact_once(site)


def test_two_gateways_never_share_what_is_not_theirs():
    """A station moved to a library with an empty gateway sends it everything it has."""
    site = Site()
    site.record(10)
    site.run(5)
    site.gateway = Gateway("000000000000c001")
    site.start()
    site.heal()

    assert_each_fact_once(site)


@pytest.mark.parametrize("number", range(6))
def test_every_fault_at_once_and_still_each_fact_once(seed, number):
    """Whatever is rolled back, restored and lost on the way, what one copy has is applied."""
    site = Site(seed + number, loss=0.2, repeat=0.2, reorder=0.2)
    backups = [site.gateway.backup()]
    images = [site.journal.copy()]
    for _ in range(60):
        site.record(site.chance.randint(0, 20))
        site.run(site.chance.randint(1, 40))
        choice = site.chance.random()
        if choice < 0.1:
            images.append(site.journal.copy())
        elif choice < 0.2:
            site.journal = site.chance.choice(images).copy()
            site.start()
        elif choice < 0.3:
            backups.append(site.gateway.backup())
        elif choice < 0.4:
            site.gateway = site.chance.choice(backups).backup()
            site.gateway.lineage = f"{site.chance.getrandbits(64):016x}"
        elif choice < 0.5:
            site.start()
        site.forget_what_no_copy_has()
    site.heal(1200)

    # A backup may bring back more than what was left when it was made.
    assert set(site.gateway.applied) >= set(site.facts)
    assert set(site.gateway.applied.values()) <= {1}
    assert site.uploader.waiting == 0


def test_a_restored_gateway_with_other_rows_finds_the_fork_though_nothing_waits():
    """Everything counts as acknowledged here, and yet its rows are not ours."""
    site = Site()
    site.record(20)
    site.run(5)
    image = site.journal.copy()
    site.record(20)
    site.run(5)
    backup = site.gateway.backup()
    site.facts = site.facts[:20]
    site.gateway = Gateway("000000000000b001")
    site.journal = image
    site.start()
    site.record(40)
    site.run(60)

    site.gateway = backup
    site.gateway.lineage = "000000000000c001"
    site.start()
    site.heal()

    assert set(site.gateway.applied) >= set(site.facts)
    assert {"ack_not_ours", "fork"} <= set(site.notices)
