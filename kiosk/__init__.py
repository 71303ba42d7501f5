"""The kiosk: lends and returns at a desk, with or without a network."""
