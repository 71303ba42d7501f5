"""Real programs over real sockets, under every kind of fault: nothing lost, nothing twice.

A short storm for each broker; `lendgate-sim torture` plays long ones. Mosquitto runs once as we
ship it and once as its package starts it, which keeps nothing and drops what queues up.
"""

import pytest

from sim.torture.brokers import AMQTT, DEFAULT, TUNED
from sim.torture.faults import KINDS, Storm
from sim.torture.play import Player

NEEDS = pytest.mark.needs("mosquitto")
SEEDS = {AMQTT: 11, TUNED: 12, DEFAULT: 13}
FACTS = 2_500


@pytest.mark.timeout(600)  # a station may wait two minutes before it sends again
@pytest.mark.parametrize(
    "broker", [AMQTT, pytest.param(TUNED, marks=NEEDS), pytest.param(DEFAULT, marks=NEEDS)]
)
def test_a_storm_loses_no_fact_and_repeats_none(tmp_path, broker):
    """Every committed fact is applied once, in its order, under its hash; no ack ran ahead."""
    storm = Storm(seed=SEEDS[broker], facts=FACTS, stations=4, facts_per_s=300, faults=len(KINDS))
    said = []

    player = Player(tmp_path / "storm", broker, storm, tell=lambda n, what: said.append((n, what)))
    outcome = player.play()

    assert outcome.findings == (), said
    assert outcome.applied == outcome.facts >= FACTS
    assert dict(outcome.faults) == dict.fromkeys(KINDS, 1)
    assert outcome.samples > 0
    assert outcome.carried.facts_delivered >= outcome.facts
