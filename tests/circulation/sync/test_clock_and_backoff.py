"""Waits that spread out, and the time that is only ever journalled."""

import random

from circulation.sync.backoff import Backoff
from circulation.sync.clock import ClockSync
from circulation.sync.effects import RecordClock, SendRequest
from circulation.wire.messages import Nack, TimeReply

HOUR_MS = 3_600_000


def least(limit):
    """Draw the least number there is."""
    return 0


def most(limit):
    """Draw the greatest number there is."""
    return limit - 1


def test_a_wait_doubles_up_to_its_limit():
    """The longest waits are 5, 10, 20, 40, 80, 120, 120 seconds and stay so for ever."""
    waits = Backoff(5_000, 120_000, most)

    assert [waits.next_ms() for _ in range(7)] == [
        5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000,
    ]  # fmt: skip
    assert [waits.next_ms() for _ in range(1_000)][-1] == 120_000
    waits.reset()
    assert waits.next_ms() == 5_000


def test_a_wait_may_be_anything_from_its_floor_up(seed):
    """Full jitter: a thousand stations do not come back together."""
    chance = random.Random(seed)
    drawn = {Backoff(5_000, 120_000, chance.randrange, 1_000).next_ms() for _ in range(500)}

    assert min(drawn) >= 1_000
    assert max(drawn) <= 5_000
    assert len(drawn) > 300
    assert Backoff(5_000, 120_000, least, 1_000).next_ms() == 1_000
    assert Backoff(500, 120_000, most, 1_000).next_ms() == 1_000


def asked(effects):
    """Return the one request among these effects."""
    (effect,) = effects
    assert type(effect) is SendRequest
    assert effect.message.op == "time"
    return effect.message


def test_the_time_is_asked_at_connect_and_journalled():
    """The fact holds when we asked, when we heard and what was said; nothing is computed."""
    clock = ClockSync(random_below=least)
    question = asked(clock.on_connected(5_000))

    effects = clock.on_reply(TimeReply(question.id, 5_000, 1_767_261_600_000), 5_120)

    assert effects == [
        RecordClock(
            {
                "kind": "clock",
                "mono_sent": 5_000,
                "mono_received": 5_120,
                "gateway_now": 1_767_261_600_000,
            }
        )
    ]


def test_the_time_is_asked_again_every_hour():
    """A clock that drifts is bounded anew."""
    clock = ClockSync(random_below=least)
    question = asked(clock.on_connected(0))
    clock.on_reply(TimeReply(question.id, 0, 1), 100)

    assert clock.tick(HOUR_MS) == []
    assert asked(clock.tick(HOUR_MS + 100)).mono_sent == HOUR_MS + 100


def test_an_unanswered_question_is_asked_again():
    """A lost answer costs some seconds, not an hour."""
    clock = ClockSync(random_below=least)
    clock.on_connected(0)

    assert clock.tick(4_999) == []
    assert asked(clock.tick(5_000)).mono_sent == 5_000


def test_an_answer_counts_once_and_only_for_its_question():
    """Repeated, foreign and late answers bound nothing."""
    clock = ClockSync(random_below=least)
    question = asked(clock.on_connected(0))

    assert clock.on_reply(Nack("0" * 16, 1, "gap"), 10) == []
    assert clock.on_reply(TimeReply("other", 0, 1), 10) == []
    assert clock.on_reply(TimeReply(question.id, 0, 1), 60_001) == []
    assert clock.on_reply(TimeReply(question.id, 20, 1), 10) == []
    assert len(clock.on_reply(TimeReply(question.id, 0, 1), 10)) == 1
    assert clock.on_reply(TimeReply(question.id, 0, 1), 10) == []


def test_without_a_connection_nothing_is_asked_or_believed():
    """An answer from the connection before may be as old as it likes."""
    clock = ClockSync(random_below=least)
    question = asked(clock.on_connected(0))
    clock.on_disconnected()

    assert clock.tick(10 * HOUR_MS) == []
    assert clock.on_reply(TimeReply(question.id, 0, 1), 10) == []
