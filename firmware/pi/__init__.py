"""The gate on a Raspberry Pi: carries pins, tags and messages in and commands out."""
