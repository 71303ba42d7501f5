"""The rules of lending and what every station shares."""
