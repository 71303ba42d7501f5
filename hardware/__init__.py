"""Readers, scanners, pins and printers: the ports, their drivers, their codecs."""
