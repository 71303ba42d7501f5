"""Bugs planted on purpose, to see that the fleet simulation would find them.

A simulation that finds nothing proves nothing until it is known what it would have found. Each
mutant is a small, plausible mistake in production code; `hunt` plays seeds against it until a
check is violated. One that survives the budget says that faults or checks are too weak.

    mutant.py     what a mutant is, and planting one while its module is imported
    of_*.py       the mutants, by the part of the house they are planted in
    catalogue.py  all of them
    child.py      one process with one mutant, playing seeds
    hunt.py       all of them in turn, and the table
    page.py       the table in docs/reliability.md
    command.py    `lendgate-sim mutants`
"""
