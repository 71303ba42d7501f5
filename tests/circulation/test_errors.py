"""What an error carries beside its words."""

from circulation.errors import SnapshotBusy, SnapshotUnreachable


def test_a_busy_gateway_names_when_to_come_again():
    """Whoever only knows that it is worth trying again may take it as that."""
    busy = SnapshotBusy("others are served first", again_ms=17_000)

    assert isinstance(busy, SnapshotUnreachable)
    assert (str(busy), busy.again_ms) == ("others are served first", 17_000)
