"""Bringing a catalogue, its items and its patrons in from files: MARC and CSV."""
