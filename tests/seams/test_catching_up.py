"""A station that was away for a day, and a gateway with many small changes for it."""

from circulation.sync.changes import ChangeFollower
from circulation.sync.effects import ApplyChanges, SendRequest
from circulation.wire.messages import Head, decode, decode_reply
from gateway.catalogue import upsert_items
from gateway.hub import Hub
from gateway.snapshots import Snapshots
from tests.seams.house import KEY, LIBRARY

CHANGES = 400


def test_four_hundred_changes_are_caught_up_with_in_four_seconds(house):
    """After three seconds of patience, in case the delta was only late; told together."""
    store = house.gateway.store
    hub = Hub(store, LIBRARY, Snapshots(store, LIBRARY, house.folder / "s"), key=KEY, boot="b" * 8)
    follower = ChangeFollower("catalogue", random_below=lambda _: 0)
    head = newest_head(hub, 0)
    follower.on_loaded(head.lineage, head.versions["catalogue"])
    for number in range(CHANGES):
        with store.write(LIBRARY) as write:
            upsert_items(write, [{"barcode": "30000001", "shelf_mark": f"S {number}"}])

    applied = 0
    for now_ms in range(0, 4_000, 100):
        effects = follower.tick(now_ms)
        if now_ms % 15_000 == 0:
            effects += follower.on_head(newest_head(hub, now_ms), now_ms)
        for effect in effects:
            effects += answers(hub, follower, effect, now_ms)
            applied += isinstance(effect, ApplyChanges)

    assert follower.version == newest_head(hub, 4_000).versions["catalogue"]
    assert 1 <= applied < CHANGES / 10


def answers(hub, follower, effect, now_ms):
    """What the follower does with the answer to its question."""
    replies = (
        hub.requests.answer(effect.message, now_ms) if isinstance(effect, SendRequest) else ()
    )
    return [one for reply in replies for one in follower.on_change(decode_reply(reply), now_ms)]


def newest_head(hub, now_ms):
    return decode(Head, hub.outbox.head(now_ms).payload)
