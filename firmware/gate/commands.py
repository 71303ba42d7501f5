"""What a gate asks its shell to do. The machine does nothing itself."""

from collections import namedtuple

RED = "red"
AMBER = "amber"


class SoundSiren(namedtuple("SoundSiren", ())):
    """Switch the siren on; it is switched off by a later command, and by its own limit."""


class StopSiren(namedtuple("StopSiren", ())):
    """Switch the siren off."""


class SetLamp(namedtuple("SetLamp", ("colour", "on"))):
    """Switch a lamp."""


class ReadContent(namedtuple("ReadContent", ("lane", "uid"))):
    """Read this tag's data block now and answer with `ContentRead`."""


class Record(namedtuple("Record", ("fact", "fields"))):
    """Journal a fact with this id; the shell adds boot, mono, wall and sure."""


class PublishAlarm(namedtuple("PublishAlarm", ("alarm", "fields"))):
    """Tell the site's kiosks of an alarm; one that knows the book answers with its title."""


class AskSite(namedtuple("AskSite", ("lineage", "version"))):
    """Ask the kiosks for what the list of this version does not have yet; None: no list."""


class Notice(namedtuple("Notice", ("code", "text"))):
    """Something staff should read, in telemetry and on this machine; text is English."""
