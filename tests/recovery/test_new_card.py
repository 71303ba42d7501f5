"""The kiosk's SD card dies: a new one, and what the old one took is counted."""

from gateway import wording
from tests.recovery.conftest import DUNE, EMIL, HOBBIT, KIOSK, LENA, MOMO


def test_a_dead_card_costs_at_most_what_had_not_been_sent_and_the_number_is_said(day):
    """What the gateway has stays; what the kiosk had announced and not brought is a number."""
    assert day.lend(MOMO) == "done"
    day.run()
    # Its birth still comes through, its journal no more: a network that drops large messages.
    day.house.broker.lost = lambda topic: topic.endswith("/journal")
    assert day.lend(DUNE, EMIL) == "done"
    day.run(16_000)
    announced = day.gateway.board.station(KIOSK).seq_last
    applied = day.gateway.board.station(KIOSK).hw
    day.house.cut_power(KIOSK)
    day.house.broker.lost = lambda topic: False

    day.put_card({})
    day.house.restore_power(KIOSK)
    day.run(5_000)

    (entry,) = day.entries("facts_lost")
    lost = announced - applied
    assert lost > 0
    assert entry["detail"] == {"first": applied + 1, "last": announced}
    assert f"{lost} of them, numbers {applied + 1} to {announced}." in wording.entry(entry)
    assert day.states(MOMO, DUNE) == ["on_loan", "available"]
    assert day.lend(HOBBIT) == "done"
    day.run()
    assert day.state(HOBBIT) == "on_loan"
    assert day.waiting() == 0


def test_a_new_card_fetches_its_lists_by_itself(day):
    """Nothing is copied by hand: catalogue, readers and rules come over the network."""
    day.lend(MOMO)
    day.run()
    day.house.cut_power(KIOSK)

    day.put_card({})
    day.house.restore_power(KIOSK)
    day.run(5_000)

    kiosk = day.house.kiosks[KIOSK]
    assert sorted(kiosk.view["versions"]) == ["catalogue", "patrons", "policy"]
    assert day.entries("facts_lost") == []
    assert [loan["title"] for loan in loans_of(day, LENA)] == ["Momo"]


def loans_of(day, card):
    """Return the loans the screen shows a reader."""
    day.world.move(card, f"{KIOSK}/card")
    day.house.run(1_000)
    return day.house.kiosks[KIOSK].view["loans"]
