"""Simulated hardware, sites and faults; the bench and the demo."""

PYTEST_PLUGIN = "sim.pytest_plugin"
"""What to name after pytest's `-p` to have the fixtures of the simulator."""
