"""A simulated MFRC522 at register level, with its antenna and ISO 14443-3 type A tags."""
