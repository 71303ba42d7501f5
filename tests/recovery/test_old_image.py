"""An old image of a kiosk's card is put in, once and twice: nothing lost, nothing twice."""

from gateway import wording
from tests.recovery.conftest import DUNE, EMIL, HOBBIT, KIOSK, LENA, MOMO

MATILDA = "30715000000049"


def roll_back(day, image):
    """Put an old image in while the kiosk is off, and start it."""
    day.house.cut_power(KIOSK)
    day.put_card(image)
    day.house.restore_power(KIOSK)


def test_an_old_image_is_told_from_the_card_it_was_made_of(day):
    """The gateway knows more than the card: a fork is shown, and a new epoch takes over."""
    day.lend(MOMO)
    day.run()
    image = day.card()
    day.lend(DUNE, EMIL)
    day.run()
    before = day.facts()

    roll_back(day, image)
    day.catch_up()

    said = [wording.event(entry) for entry in day.diary("forked")]
    assert said
    assert "its card was rolled back" in said[0]
    assert day.gateway.board.station(KIOSK).epoch_n == 2
    assert day.states(MOMO, DUNE) == ["on_loan", "on_loan"]
    assert day.lend(HOBBIT) == "done"
    day.catch_up()
    assert day.state(HOBBIT) == "on_loan"
    assert day.waiting() == 0
    assert day.entries("facts_lost") == []
    assert day.facts() >= before + 1


def test_an_image_put_in_twice_with_loans_between_loses_and_doubles_nothing(day):
    """Offline each time, so that both runs write other facts under the same numbers."""
    day.lend(MOMO)
    day.run()
    image = day.card()
    line = day.house.kiosks[KIOSK].line

    line.fail("off")
    assert day.lend(DUNE, EMIL) == "done"
    line.mend()
    day.catch_up()
    for book, card in ((HOBBIT, LENA), (MATILDA, EMIL)):
        line.fail("off")
        roll_back(day, image)
        assert day.lend(book, card) == "done"
        line.mend()
        day.catch_up()

    assert day.states(MOMO, DUNE, HOBBIT, MATILDA) == ["on_loan"] * 4
    assert day.gateway.board.station(KIOSK).epoch_n == 3
    assert len(day.diary("forked")) >= 2
    checkouts = [
        fact["id"] for fact in day.gateway.board.facts(KIOSK) if fact["kind"] == "checkout"
    ]
    assert len(checkouts) == len(set(checkouts)) == 4


def test_the_newer_card_put_in_once_more_brings_what_it_had_not_sent(day):
    """What lay on it alone arrives, what the old image brought meanwhile stays, nothing twice."""
    line = day.house.kiosks[KIOSK].line
    day.lend(MOMO)
    day.run()
    image = day.card()
    line.fail("off")
    assert day.lend(DUNE, EMIL) == "done"
    day.house.cut_power(KIOSK)
    newer = day.card()
    day.put_card(image)
    day.house.restore_power(KIOSK)
    assert day.lend(HOBBIT) == "done"
    line.mend()
    day.catch_up()
    before = day.states(MOMO, DUNE, HOBBIT)

    roll_back(day, newer)
    day.catch_up()

    assert before == ["on_loan", "available", "on_loan"]
    assert day.states(MOMO, DUNE, HOBBIT) == ["on_loan"] * 3
    assert day.entries("facts_lost") == []
    lent = [fact["id"] for fact in day.gateway.board.facts(KIOSK) if fact["kind"] == "checkout"]
    assert len(lent) == len(set(lent)) == 3
