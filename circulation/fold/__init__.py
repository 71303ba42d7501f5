"""The state of an item as a pure fold of its facts."""
