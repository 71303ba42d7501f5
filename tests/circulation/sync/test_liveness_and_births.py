"""Who is there: only what came just now, and newer than before, is contact."""

import random

import pytest

from circulation.sync.births import Births, HeadBeat
from circulation.sync.effects import SendHead, SendStatus, StaffNotice
from circulation.sync.liveness import HeadWatch
from circulation.wire.messages import GatewayStatus, Head, Status

LINEAGE = "00000000000000a1"
OTHER = "00000000000000a2"
OURS = "0a0b0c0d"


def head(n, *, lineage=LINEAGE, version=7, known=100):
    """Return a heartbeat."""
    return Head(lineage, n, 0, {"may_leave": version}, known, True, "0" * 32)


def state_of(watch, now_ms, *, lineage=LINEAGE, version=7):
    """Return what the watch says of a list."""
    return watch.state(kind="may_leave", lineage=lineage, version=version, now_ms=now_ms)


def test_a_list_is_fresh_while_heads_of_its_version_come():
    """One minute after the last head the list counts as stale."""
    watch = HeadWatch()
    assert watch.on_head(head(1), 1_000)

    assert state_of(watch, 1_000) == "FRESH"
    assert state_of(watch, 61_000) == "FRESH"
    assert state_of(watch, 61_001) == "STALE"


def test_without_a_list_a_gate_is_blind():
    """Heads do not help a gate that has nothing to decide by."""
    watch = HeadWatch()
    watch.on_head(head(1), 0)

    assert state_of(watch, 0, version=None) == "BLIND"


def test_before_the_first_head_a_list_is_stale():
    """A list from yesterday is not known to be the newest."""
    assert state_of(HeadWatch(), 0) == "STALE"
    assert HeadWatch().head is None


def test_the_last_delta_that_was_lost_is_noticed():
    """The head counts a version that never arrived."""
    watch = HeadWatch()
    watch.on_head(head(1, version=8), 0)

    assert state_of(watch, 0, version=7) == "STALE"
    assert state_of(watch, 0, version=8) == "FRESH"


def test_a_delta_ahead_of_the_head_is_no_doubt():
    """A loan sent at once makes no gate stale until the next head, a quarter of a minute on."""
    watch = HeadWatch()
    watch.on_head(head(1, version=7), 0)

    assert state_of(watch, 15_000, version=8) == "FRESH"
    assert state_of(watch, 60_001, version=8) == "STALE"
    assert watch.state(kind="catalogue", lineage=LINEAGE, version=1, now_ms=0) == "STALE"


def test_versions_compare_only_within_a_lineage():
    """Two histories both say 7 and mean different lists."""
    watch = HeadWatch()
    watch.on_head(head(1, lineage=OTHER), 0)

    assert state_of(watch, 0, lineage=LINEAGE) == "STALE"


@pytest.mark.parametrize(
    ("late", "is_retained"), [(head(5), True), (head(4), False), (head(3), False)]
)
def test_a_replayed_head_is_no_contact(late, is_retained):
    """Neither a retained head nor one that was heard before keeps a list fresh."""
    watch = HeadWatch()
    watch.on_head(head(4), 0)

    assert not watch.on_head(late, 50_000, is_retained=is_retained)
    assert state_of(watch, 60_001) == "STALE"
    assert watch.head == head(4)


def test_a_restored_gateway_counts_from_anew():
    """Its heads are contact although their count is lower."""
    watch = HeadWatch()
    watch.on_head(head(90), 0)

    assert watch.on_head(head(2, lineage=OTHER), 1_000)
    assert state_of(watch, 1_000, lineage=OTHER) == "FRESH"


def births(random_below=lambda limit: limit - 1):
    """Return a station's births, drawing the longest wait."""
    return Births(boot=OURS, random_below=random_below)


def own(*, on=True, boot=OURS):
    """Return what stands on a station's own status topic."""
    return Status(
        "kiosk-1", on, boot, "0" * 16, 1, 0, 0, {}, None, "1", "sure", "kiosk", "main", 0, "K",
        None, None,
    )  # fmt: skip


def test_after_a_gateway_restart_births_are_spread():
    """A hundred stations come back within three seconds, a thousand and more within thirty."""
    some, many, unknown = births(), births(), births()
    some.on_head(head(1, known=100))
    many.on_head(head(1, known=5_000))
    for each in (some, many, unknown):
        each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000001"), 0)
        assert each.tick(60_000) == []
        each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000002"), 0)

    assert some.tick(2_999) == []
    assert some.tick(3_000) == [SendStatus("the gateway restarted")]
    assert some.tick(3_001) == []
    assert many.tick(29_999) == unknown.tick(29_999) == []
    assert many.tick(30_000) == unknown.tick(30_000) == [SendStatus("the gateway restarted")]


def test_births_of_many_stations_do_not_fall_together(seed):
    """Each draws its own moment."""
    chance = random.Random(seed)
    drawn = []
    for _ in range(200):
        each = births(chance.randrange)
        each.on_head(head(1, known=1_000))
        each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000001"), 0)
        each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000002"), 0)
        drawn.append(next(ms for ms in range(0, 31_000, 100) if each.tick(ms)))

    assert len(set(drawn)) > 80


def test_a_gateways_will_or_the_same_boot_calls_for_nothing():
    """A will is a hint, and a retained status that is replayed is no restart."""
    each = births()
    each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000001"), 0)
    each.on_gateway_status(GatewayStatus(False, LINEAGE, "00000002"), 0)
    each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000001"), 0)

    assert each.tick(60_000) == []


def test_a_connection_that_ends_takes_the_planned_birth_with_it():
    """The next connect publishes one at once."""
    each = births()
    each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000001"), 0)
    each.on_gateway_status(GatewayStatus(True, LINEAGE, "00000002"), 0)
    each.on_disconnected()

    assert each.tick(60_000) == []


def test_a_station_that_reads_of_its_own_death_says_that_it_lives():
    """The will of an old half-open connection may come after the new birth."""
    each = births()

    assert each.on_own_status(own(), 0) == []
    assert each.on_own_status(own(on=False, boot="00000001"), 0) == [SendStatus("own will seen")]
    assert each.on_own_status(own(on=False), 4_999) == []
    assert each.on_own_status(own(on=False), 5_000) == [SendStatus("own will seen")]


def test_two_stations_with_one_name_are_told_to_staff_and_do_not_shout_for_ever():
    """Each answers the other at most every five seconds."""
    each = births()

    notice, birth = each.on_own_status(own(boot="00000001"), 0)

    assert type(notice) is StaffNotice
    assert notice.code == "two_stations"
    assert notice.detail == "kiosk-1: another station, boot 00000001, has our name"
    assert type(birth) is SendStatus
    assert each.on_own_status(own(boot="00000001"), 100) == []


def test_a_head_goes_out_at_start_after_a_birth_and_every_15_seconds():
    """At most one a second, however many stations come."""
    beat = HeadBeat()

    assert beat.tick(0) == [SendHead("start")]
    beat.on_birth()
    beat.on_birth()
    assert beat.tick(999) == []
    assert beat.tick(1_000) == [SendHead("birth")]
    assert beat.tick(15_999) == []
    assert beat.tick(16_000) == [SendHead("time")]
