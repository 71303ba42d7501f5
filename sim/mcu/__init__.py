"""A microcontroller without a microcontroller: a real MicroPython, and a board around it."""
