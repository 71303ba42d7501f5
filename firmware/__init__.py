"""Security gates: one decision, two Pythons."""
