"""The bench: a web page on which a hand moves books, cards and network plugs."""
