"""A whole site in one process on one virtual clock, without a socket.

The kiosks', gates' and gateway's own code runs here; what is replaced lies below it: MQTT by a
broker in memory, HTTP by reading the file, threads by turns (the one in which a gate fetches its
list is waited for), time by `HouseClock`. So a day of a library passes in minutes, and the same
each time.

    house.py    House: the building; `run` lets everybody work in turn
    clock.py    the one clock; a device that is slow holds up its own station only
    broker.py   topics, retained messages, wills
    line.py     a station's network cable, and its link over it
    lists.py    lists handed over in memory where HTTP would carry them
    gateway.py, kiosk.py, gate.py   the three programs, stepped by hand
"""
