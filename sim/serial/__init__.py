"""Simulated serial devices, from the bytes up."""
