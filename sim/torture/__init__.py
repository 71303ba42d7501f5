"""Real programs over real sockets, under a storm: nothing lost, nothing twice.

A broker, the gateway's program and many stations are processes of this machine. Each reaches the
broker through a cable (`sim/proxy.py`) that is cut, stalled, slowed and left half open, and every
process is killed with SIGKILL and started again, all of it by one seed. Then the storm ends, and
when everything is quiet the books are compared (`audit.py`): what a station committed, what a
witness saw it commit, and what the gateway applied.

`play.py` plays a storm. `honest.py` plays a day: a whole kiosk and a whole gate on simulated
hardware, honest readers and a thief, while everything around them dies.
"""
