"""Which version of the gate's program these files are.

It is raised with every release that leaves the house: a device never takes an update that is not
higher, and a program flashed over USB wins over every update that is older than itself.
"""

VERSION = 1
