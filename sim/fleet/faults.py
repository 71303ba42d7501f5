"""Every fault there is, how often each comes, and what it is: one table.

`docs/reliability.md` shows the same table, and a test keeps the two alike.
"""

from typing import NamedTuple

EVERY_STATION, EVERY_KIOSK, EVERY_SITE, FLEET = "station", "kiosk", "site", "fleet"


class Fault(NamedTuple):
    """A kind of fault, whom it befalls, and its probability in a simulated hour for each."""

    kind: str
    befalls: str
    per_hour: float
    says: str


FAULTS = (
    Fault("loss", EVERY_STATION, 0.30, "some minutes in which 2 to 40 % of its messages are lost"),
    Fault("duplicate", EVERY_STATION, 0.30, "some minutes in which messages arrive twice"),
    Fault("delay", EVERY_STATION, 0.30, "some minutes in which messages are up to 30 s late"),
    Fault("reorder", EVERY_STATION, 0.20, "some minutes in which messages overtake each other"),
    Fault("broker_restart", EVERY_SITE, 0.40, "the broker restarts and forgets everything"),
    Fault("broker_overflow", EVERY_SITE, 0.25, "the broker drops what is queued beyond a few"),
    Fault("partition", EVERY_STATION, 0.20, "a station hears nobody, for up to half the time"),
    Fault("dark", EVERY_KIOSK, 0.15, "cut off, it loses its power twice: no clock knows its boot"),
    Fault("site_partition", EVERY_SITE, 0.30, "a site loses the gateway and keeps its broker"),
    Fault("swizzle", FLEET, 0.15, "links stop one by one and start again in another order"),
    Fault("power_cut", EVERY_STATION, 0.30, "the power goes, at any step of a write"),
    Fault("torn_tail", EVERY_STATION, 0.10, "the power goes and half of a write stays behind"),
    Fault("roll_back", EVERY_KIOSK, 0.10, "an old image of its card is put back"),
    Fault("roll_back_twice", EVERY_KIOSK, 0.04, "the same old image is put back two times"),
    Fault("roll_back_dark", EVERY_KIOSK, 0.02, "an old image comes back while it is cut off"),
    Fault("new_card", EVERY_KIOSK, 0.04, "its card dies; an empty one takes its place"),
    Fault("clock_back", EVERY_STATION, 0.08, "its wall clock jumps back by up to two days"),
    Fault("clock_1970", EVERY_STATION, 0.04, "its wall clock says 1970"),
    Fault("clock_2106", EVERY_STATION, 0.04, "its wall clock says 2106"),
    Fault("twin", EVERY_KIOSK, 0.04, "a second station has its name and a copy of its card"),
    Fault("kill_before_commit", FLEET, 0.20, "the gateway dies before a commit"),
    Fault("kill_after_commit", FLEET, 0.20, "the gateway dies after a commit, before its ack"),
    Fault("kill_after_ack", FLEET, 0.20, "the gateway dies just after an acknowledgement"),
    Fault("restore_backup", FLEET, 0.12, "the gateway is restored from an old backup"),
    Fault("poison", EVERY_STATION, 0.10, "it writes something nobody can read"),
    Fault("choke", EVERY_STATION, 0.05, "it writes what this gateway can read as bytes only"),
    Fault("disk_full", EVERY_KIOSK, 0.06, "its disk is full for some minutes"),
    Fault("slow_consumer", FLEET, 0.15, "the gateway takes seconds for each batch"),
    Fault("deaf", EVERY_STATION, 0.05, "its connection stays, and hears nothing any more"),
    Fault("replay", EVERY_SITE, 0.10, "a bridge tells a site's latest news once more"),
    Fault("old_version", EVERY_STATION, 0.06, "it runs the version before this one"),
    Fault("tag_stays", EVERY_KIOSK, 0.50, "a tag refuses to be switched"),
)
"""The default mix: about a dozen faults in an hour of three kiosks and two gates."""

KINDS = tuple(fault.kind for fault in FAULTS)
