"""The gate on a microcontroller: MicroPython around the same decisions as on the Pi."""
