"""A fleet of stations and its gateway in one process: virtual time, one seed, every fault.

The production journal, sync, fold, gate and gateway run here; clock, network, disk and broker
are replaced, and nothing else. `play.play(plan)` is a pure function.
"""
