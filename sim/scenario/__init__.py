"""Scenarios: a readable file of what hands do and what must then be seen, one step a line.

forms.py    the words a step may be made of, as data
text.py     a file to steps; what cannot be read is named with file, line and what was expected
stage.py    what a player needs of the place it plays in
house.py    that place in this process, on virtual time: see `sim/house`
bench.py    that place at a running demo, in real time, over its pages
play.py     the player: one step after another, each told to whoever listens
command.py  `lendgate-sim play`
"""
