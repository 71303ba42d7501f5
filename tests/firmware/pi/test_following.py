"""Following the list on a Pi, where what the broker should have said did not come."""

from circulation.gateway_http import plain
from circulation.wire.messages import Head
from firmware.pi.following import ListFollowing
from firmware.pi.lists import ListFolder

OLD, NEW = "00000000000000aa", "00000000000000bb"


def head(n, lineage):
    """Return what a gateway of that history says."""
    return Head(lineage, n, 0, {"may_leave": 5}, 5, False, "")


def test_a_gate_that_was_told_of_no_list_asks_where_it_is(tmp_path):
    """The pointer that the broker kept is lost: without a list a gate is blind, and after a
    restored backup it would stay with yesterday's. It asks, and not with every head."""
    following = ListFollowing(
        base_url="http://127.0.0.1:1",
        folder=ListFolder(tmp_path),
        tell=lambda _event: True,
        arrived=lambda _result: None,
        random_below=lambda _limit: 0,
        connect=plain,
    )

    (asked,) = following.on_head(head(1, NEW), 1_000)
    again = following.on_head(head(2, NEW), 2_000)

    said = asked.message
    assert (said.op, said.kind, said.version, said.lineage) == ("since", "may_leave", 0, None)
    assert said.format == "json-1"
    assert again == []
    (later,) = following.on_head(head(3, OLD), 200_000)
    assert later.message.op == "since"
