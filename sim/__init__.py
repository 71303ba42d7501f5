"""Simulated hardware, sites and faults; the bench and the demo."""
