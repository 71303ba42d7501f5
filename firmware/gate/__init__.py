"""The decisions of the gate, without I/O. Portable."""
