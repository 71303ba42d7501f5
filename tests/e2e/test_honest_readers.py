"""Honest readers leave in silence while broker, gateway and gate are killed; thieves do not.

A short day; `lendgate-sim honest` plays a thousand loans.
"""

import pytest

from sim.torture.brokers import TUNED
from sim.torture.honest import VICTIMS, VISIT_BOOKS, Readers

LOANS = 40


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(600)  # a station may wait two minutes before it sends again
def test_no_honest_reader_is_alarmed_while_everything_is_killed(tmp_path):
    """Each loan is at the gateway once, each walk past a living gate is right, told in time."""
    readers = Readers(tmp_path / "day", TUNED, loans=LOANS, seed=1, tell=lambda loans: None)

    day = readers.play()

    assert day.findings == ()
    assert day.figures["loans"] == LOANS
    assert day.figures["false_alarms"] == 0
    assert day.figures["left_by_label"] == LOANS // VISIT_BOOKS
    assert day.figures["books_seen"] > 0
    assert day.figures["thieves_heard"] > 0
    assert set(day.figures["kills"]) == set(VICTIMS)
    assert day.figures["loans_timed"] > 0
