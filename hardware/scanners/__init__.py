"""Barcode scanners: on a serial port, or typing like a keyboard."""
