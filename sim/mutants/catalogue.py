"""All mutants, by name."""

from sim.mutants import of_gates, of_gateway, of_order, of_sync
from sim.mutants.mutant import Mutant

MUTANTS: dict[str, Mutant] = {
    mutant.name: mutant
    for mutant in (*of_sync.MUTANTS, *of_order.MUTANTS, *of_gateway.MUTANTS, *of_gates.MUTANTS)
}
