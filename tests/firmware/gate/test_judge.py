"""Which tags an antenna is asked to read, of more than it can."""

from firmware.gate.events import TagRead
from firmware.gate.judge import READS_UNDER_WAY_MAX, Judge
from firmware.gate.lanes import LanePassages, Portal
from firmware.gate.tags import READ, TagTable


def test_of_a_crowd_a_few_tags_are_read_at_a_time():
    """An antenna that reads does not look for others: the next tag is asked for when one is
    done, and each of them once."""
    tags = TagTable()
    judge = Judge(tags, Portal([LanePassages("lane-1", 2, 30)]), is_known=lambda uid: False)
    uids = [f"e0040100000000{number:02x}" for number in range(READS_UNDER_WAY_MAX + 2)]
    for uid in uids:
        tags.see("lane-1", TagRead(uid, "in_stock", None, None), 0)

    first = [command.uid for command in judge.reads(0)]
    assert first == uids[:READS_UNDER_WAY_MAX]
    assert judge.reads(10) == []
    tags.get(first[0]).content = READ
    assert [command.uid for command in judge.reads(20)] == uids[READS_UNDER_WAY_MAX:-1]
