"""MicroPython's modules of a board, on a wire to a board that is simulated elsewhere."""
