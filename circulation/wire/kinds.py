"""The kinds of facts there are; an unknown kind is parked by the gateway, never refused."""

CHECKOUT = "checkout"
CHECKIN = "checkin"
RENEWAL = "renewal"
USED_IN_HOUSE = "used_in_house"
SEEN = "seen"

TAG_SEEN = "tag_seen"
TAG_WRITTEN = "tag_written"
SECURITY_NOT_SET = "security_not_set"

HOLD_PLACED = "hold_placed"
HOLD_TRAPPED = "hold_trapped"
HOLD_SHELVED = "hold_shelved"
HOLD_ENDED = "hold_ended"

SENT = "sent"
RECEIVED = "received"
DEPOSITED = "deposited"
RECALLED = "recalled"

DECLARED = "declared"
REPAIRED = "repaired"
WITHDRAWN = "withdrawn"

CHARGED = "charged"
PAID = "paid"
WAIVED = "waived"

CARD_ISSUED = "card_issued"
CARD_LOST = "card_lost"
CARD_VOIDED = "card_voided"
BLOCKED = "blocked"
CLEARED = "cleared"

PASSAGES = "passages"
VISIT = "visit"
TALLY = "tally"
ALARM = "alarm"
ALARM_ANSWERED = "alarm_answered"

CLOCK = "clock"
LOST = "lost"
NOT_SHOWN = "not_shown"
DECISION = "decision"

# Every kind that may change what the fold says of an item. A tag that was written or seen, a
# charge and a card say something about the world, but never where the item is or who has it.
# `security_not_set` moves: it makes the item unsecured, and the gates' list is built from that.
# So does `tag_written`, which ends that state.
MOVING = frozenset(
    (
        CHECKOUT,
        CHECKIN,
        RENEWAL,
        USED_IN_HOUSE,
        SEEN,
        TAG_WRITTEN,
        SECURITY_NOT_SET,
        HOLD_TRAPPED,
        HOLD_SHELVED,
        HOLD_ENDED,
        SENT,
        RECEIVED,
        DEPOSITED,
        RECALLED,
        DECLARED,
        REPAIRED,
        WITHDRAWN,
        NOT_SHOWN,
        DECISION,
    )
)

ALL = MOVING | frozenset(
    (
        TAG_SEEN,
        HOLD_PLACED,
        CHARGED,
        PAID,
        WAIVED,
        CARD_ISSUED,
        CARD_LOST,
        CARD_VOIDED,
        BLOCKED,
        CLEARED,
        PASSAGES,
        VISIT,
        TALLY,
        ALARM,
        ALARM_ANSWERED,
        CLOCK,
        LOST,
    )
)
