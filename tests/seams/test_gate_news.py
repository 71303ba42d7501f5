"""What a kiosk tells, as the gate at the door understands it."""

import pytest

from circulation.wire.messages import SiteLoan, decode
from firmware.gate import decision, events
from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine
from firmware.gate.tags import Tag
from gateway.policies import save_policy
from hardware.chips.tag_data import AFI_ON_LOAN
from tests.kiosk.library import ATLAS, BARCODES, POLICY, UIDS
from tests.seams.house import KEY, LIBRARY

NUMBERS = iter(range(1, 10_000))
ROOM, BUILDING, STREET = 1, 2, 3


def gate_at(boundary):
    config = gate_config("gate-1", [("lane-1", 2)], ["DE-715"], boundary=boundary)
    return GateMachine(config, KEY, lambda: f"{next(NUMBERS):016x}")


def site_loans(kiosk):
    """What the kiosk told the gates, oldest first."""
    topic = kiosk.topics.site_loan("main")
    return [decode(SiteLoan, payload) for name, payload in kiosk.link.sent if name == topic]


def tag_of(item_id, *, security="in_stock", uid=None):
    tag = Tag(uid or UIDS[item_id][0], 0)
    tag.security = security
    tag.learn(BARCODES[item_id], "DE-715")
    return tag


@pytest.mark.parametrize("boundary", [ROOM, BUILDING, STREET])
def test_what_may_pass_a_boundary_is_not_stopped_there_for_its_tag(boundary):
    """An unsecured book lent into the building alarms at the street, not at the room's door."""
    machine = gate_at(boundary)
    uid = UIDS[ATLAS][0]
    listed = ExactList("1a" * 8, 1).loaded([[uid, BUILDING]], [uid])
    machine.receive(events.ListLoaded(listed), 0)

    said = machine.holdings.listed(tag_of(ATLAS, security="on_loan"))

    assert said == (decision.UNSECURED if boundary == STREET else decision.MAY_LEAVE)


def test_an_on_site_loan_with_a_wrong_tag_keeps_its_reach_for_the_gates(house):
    """It may go as far as it was lent, whatever its tag says."""
    with house.gateway.store.write(LIBRARY) as write:
        rule = {"loan": {"days": 28}, "max_loans": 5, "on_site_reach": BUILDING}
        version = {"version": 1, "from": "2020-01-01", "rules": [rule]}
        save_policy(write, POLICY | {"versions": [version]})
    house.open()
    kiosk = house["kiosk-1"]
    kiosk.tag(ATLAS).afi = AFI_ON_LOAN
    kiosk.tag(ATLAS).ignore_writes(1_000)
    kiosk.show_card()
    kiosk.place(ATLAS)
    kiosk.press("finish")

    told = [message for message in site_loans(kiosk) if message.item == ATLAS]

    assert [(m.state, m.reach) for m in told] == [("on", BUILDING), ("off_unsecured", BUILDING)]
