"""Getting facts across, exactly once in effect, without I/O. Portable."""
