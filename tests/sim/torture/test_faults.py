"""A storm is made from its seed: the same each time, of each kind one, none on top of another."""

import pytest

from sim.torture.faults import CABLE, CABLES, KINDS, Storm, make_faults

STORM = Storm(seed=7, facts=10_000, stations=4, facts_per_s=100, faults=60)


def test_the_same_seed_makes_the_same_storm():
    """One number is enough to play it again."""
    assert make_faults(STORM) == make_faults(STORM)


def test_another_seed_makes_another_storm():
    """The seed is used."""
    assert make_faults(STORM) != make_faults(Storm(8, 10_000, 4, 100, 60))


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_comes_at_least_once(seed):
    """Also a short storm has one of each."""
    faults = make_faults(Storm(seed, 2_000, 3, 100, len(KINDS)))

    assert {fault.kind for fault in faults} == set(KINDS)


def test_a_storm_that_is_too_short_is_refused():
    """Leaving a kind out would look like having survived it."""
    with pytest.raises(ValueError, match="10 faults cannot be one of each of 11 kinds"):
        make_faults(Storm(1, 2_000, 3, 100, 10))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_hit_again_before_it_is_mended(seed):
    """A program is not killed twice, and a line whose proxy is dead is left alone."""
    faults = make_faults(Storm(seed, 10_000, 4, 100, 80))
    mended_at = {}
    for fault in faults:
        assert fault.from_facts >= mended_at.get(fault.target, 0)
        if fault.target.startswith(CABLE):
            assert fault.from_facts >= mended_at.get(CABLES, 0)
        mended_at[fault.target] = fault.until_facts


def test_everything_is_mended_before_the_end():
    """The last facts are written in peace."""
    assert max(fault.until_facts for fault in make_faults(STORM)) <= 9_500
