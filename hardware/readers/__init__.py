"""Drivers of tag readers, each behind the port `hardware.ports.TagReader`."""
