"""What a reader is told, one module per language: `TEXTS` and `DETAILS`, keyed by reason code."""
