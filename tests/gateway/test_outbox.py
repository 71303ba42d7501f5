"""Changes reach everybody in version order, after the commit, again after a crash."""

import json

import pytest

from gateway.catalogue import upsert_items
from gateway.outbox import Outbox
from gateway.policies import default_document, save_policy
from gateway.store import Store
from tests.gateway.conftest import LIBRARY

KEY = bytes(16)


class Wire:
    """Takes messages until it is cut."""

    def __init__(self, takes=10**6):
        self.sent = []
        self.takes = takes

    def publish(self, send):
        if len(self.sent) >= self.takes:
            return False
        self.sent.append(send)
        return True

    def steps(self, kind):
        """Return from and to of each change of a kind, in the order they were sent."""
        payloads = [json.loads(s.payload) for s in self.sent if s.topic.endswith(f"/{kind}")]
        return [(payload["from"], payload["to"]) for payload in payloads]


def shelve(store, mark):
    """Change one item."""
    with store.write(LIBRARY) as write:
        upsert_items(write, [{"barcode": "1001", "shelf_mark": mark}])


@pytest.fixture
def outbox(store):
    """The publisher, at the beginning."""
    return Outbox(store, LIBRARY, key=KEY)


def test_changes_are_sent_once_and_in_order(store, outbox):
    """Each version goes out after the one before it, and never twice by itself."""
    wire = Wire()
    for mark in "ABC":
        shelve(store, mark)

    outbox.send_changes(wire.publish)
    outbox.send_changes(wire.publish)

    assert wire.steps("catalogue") == [(0, 1), (1, 2), (2, 3)]
    assert wire.steps("may_leave") == [(0, 1), (1, 2), (2, 3)]


def test_a_step_that_another_program_commits_meanwhile_is_sent_too(store, outbox, clock):
    """That all was sent holds for the version that the library had, and for no later one."""
    wire = Wire()
    shelve(store, "A")
    outbox.send_changes(wire.publish)
    other = Store(store.url, clock=clock)
    with store.write(LIBRARY):
        pass
    outbox.send_changes(wire.publish)
    shelve(other, "B")
    other.close()

    outbox.send_changes(wire.publish)

    assert wire.steps("catalogue") == [(0, 1), (1, 2)]


def test_a_crash_between_commit_and_publish_loses_no_change(store, outbox, clock):
    """What was committed and never sent is sent by the next program, in order."""
    wire = Wire()
    shelve(store, "A")
    outbox.send_changes(wire.publish)
    shelve(store, "B")
    shelve(store, "C")

    reopened = Store(store.url, clock=clock)
    Outbox(reopened, LIBRARY, key=KEY).send_changes(wire.publish)
    reopened.close()

    assert wire.steps("catalogue") == [(0, 1), (1, 2), (2, 3)]


def test_a_cut_link_is_gone_on_with_where_it_stopped(store, outbox):
    """Nothing is counted as sent that was not handed over; a half-sent version goes again."""
    cut, restored = Wire(takes=3), Wire()
    for mark in "ABC":
        shelve(store, mark)

    outbox.send_changes(cut.publish)
    outbox.send_changes(restored.publish)

    assert cut.steps("catalogue") == [(0, 1), (1, 2)]
    assert restored.steps("catalogue") == [(1, 2), (2, 3)]


def test_rules_are_fetched_and_never_sent_as_changes(store, outbox):
    """A policy may be larger than a message; its version in the head is enough."""
    wire = Wire()
    with store.write(LIBRARY) as write:
        save_policy(write, default_document("UTC"))

    outbox.send_changes(wire.publish)

    assert wire.sent == []
    assert json.loads(outbox.head(0).payload)["versions"]["policy"] == 1


def test_more_steps_than_one_look_are_all_sent(store, outbox):
    """However many versions wait, they all go out in their order."""
    wire = Wire()
    for number in range(70):
        shelve(store, f"mark {number}")

    outbox.send_changes(wire.publish)

    assert wire.steps("catalogue") == [(n, n + 1) for n in range(70)]


def test_how_far_changes_were_sent_is_written_with_the_next_commit(store, outbox, clock):
    """A commit of its own for it would double their number; followers ignore what comes again."""
    shelve(store, "A")
    outbox.send_changes(Wire().publish)
    sent_again, gone_on = Wire(), Wire()

    send_by_the_next_program(store.url, clock, sent_again)
    shelve(store, "B")
    send_by_the_next_program(store.url, clock, gone_on)

    assert sent_again.steps("catalogue") == [(0, 1)]
    assert gone_on.steps("catalogue") == [(1, 2)]


def test_changes_of_another_program_are_sent_at_the_next_look(store, outbox, clock):
    """An import runs beside the gateway; that nothing was to send is remembered no longer."""
    wire = Wire()
    shelve(store, "A")
    outbox.send_changes(wire.publish)
    assert outbox.send_changes(wire.publish) == 0
    other = Store(store.url, clock=clock)

    shelve(other, "B")
    outbox.send_changes(wire.publish)
    other.close()

    assert wire.steps("catalogue") == [(0, 1), (1, 2)]


def send_by_the_next_program(url, clock, wire):
    """Send what a program that starts now finds unsent."""
    store = Store(url, clock=clock)
    Outbox(store, LIBRARY, key=KEY).send_changes(wire.publish)
    store.close()
