"""A fleet of stations and its gateway in one process: virtual time, one seed, every fault.

The production journal, sync, fold, gate and gateway run here; clock, network, disk and broker
are replaced, and nothing else. `play.play(plan)` is a pure function.

What happens, as pure data:

    plan.py     make_plan: from a seed to a plan; acts.py, days.py, fates.py, faults.py its parts
    outcome.py  what a played plan left behind

The engine:

    play.py       play: acts when they are due, then healing, then rest
    world.py      Fleet: stations, brokers, cables, gateway, books, and the truth
    acting.py     what each act does
    timeline.py   the heap of virtual time; each station's own clocks
    network.py    cables, what of a message's way is chance, a program's link
    broker.py, bridge.py    brokers in memory; the line between a site's and the gateway's
    disk.py       cards of real files, cut off at any write, copied, put back
    station.py    what kiosks and gates share: power, card, cable, clocks
    kiosk.py, gate.py, gateway.py    the production programs, stepped by hand
    library.py    books, readers, rules, and a gateway's database that holds them
    collecting.py what is on the disks and in the tables at the end

The verdict:

    oracle.py     what is true; check.py and its parts: whether every promise was kept
    shrink.py, story.py    a failure made short, and told
    soak.py, command.py    many seeds
"""
