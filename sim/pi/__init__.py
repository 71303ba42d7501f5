"""One simulated Raspberry Pi below the vendors' libraries: `SimPi` in `board.py` is the entry."""
