"""Whether a tag that passes sounds the siren: the whole decision, as a table.

The first row that matches decides; everything that affects the outcome is here. docs/gate.md
shows this table, and a test compares the two. It is asked for tags that go out, or whose
direction is unknown; a tag that comes in never sounds anything.
"""

from collections import namedtuple

from firmware.gate.events import IN_STOCK, NO_SECURITY, ON_LOAN

# What the list says, the site's own news considered.
UNSECURED = "unsecured"
MAY_LEAVE = "may leave"
NOT = "not"

# Whose the tag is.
OURS = "ours"
FOREIGN = "foreign"
STRANGER = "stranger"  # its data block names nobody, or could not be read

# What follows.
ALARM = "alarm"
SILENT = "silent"
SILENT_REPORT_IN_STOCK = "silent; reported if the tag says in stock"
SILENT_COUNTED = "silent, counted, id not kept"
ALARM_UNLESS_CAME_IN = "alarm; not if the owner is unread and it came in today"
REPORT_OR_ALARM = "silent, reported as a disagreement (per site: alarm)"
ALARM_IF_SURE = "alarm if FRESH and every lending station heard; else silent and reported"

ANY = None

Row = namedtuple("Row", ("number", "listed", "security", "owner", "action"))
TagView = namedtuple("TagView", ("listed", "security", "owner", "came_in_today"))
Decision = namedtuple("Decision", ("row", "alarm", "report", "count"))

TABLE = (
    Row(1, UNSECURED, ANY, ANY, ALARM),
    Row(2, MAY_LEAVE, ANY, ANY, SILENT_REPORT_IN_STOCK),
    Row(3, ANY, ANY, FOREIGN, SILENT_COUNTED),
    Row(4, NOT, IN_STOCK, ANY, ALARM_UNLESS_CAME_IN),
    Row(5, NOT, ON_LOAN, ANY, REPORT_OR_ALARM),
    Row(6, NOT, NO_SECURITY, OURS, ALARM_IF_SURE),
    Row(0, ANY, ANY, ANY, SILENT),  # a card, a stranger's sticker: nothing of ours
)


def row_for(tag: TagView) -> Row:
    """Return the first row that matches."""
    return next(row for row in TABLE if _matches(row, tag))


def decide(tag: TagView, *, is_sure: bool, has_list: bool, disagreement_alarms: bool) -> Decision:
    """Return what happens to a tag that goes out.

    is_sure: the list is FRESH and every lending station of the site was heard lately. has_list:
    there is anything to disagree with; without a list a tag's own word is not reported.
    """
    row = row_for(tag)
    ours = tag.owner == OURS
    alarm = {
        ALARM: True,
        ALARM_UNLESS_CAME_IN: ours or not tag.came_in_today,
        REPORT_OR_ALARM: disagreement_alarms and ours,
        ALARM_IF_SURE: is_sure,
    }.get(row.action, False)
    # A stranger's id never leaves the gate, and what may go leaves no trace.
    report = {
        SILENT_REPORT_IN_STOCK: tag.security == IN_STOCK,
        REPORT_OR_ALARM: ours and has_list,
        ALARM_IF_SURE: has_list,
    }.get(row.action, False)
    return Decision(row.number, alarm, report and not alarm, row.action == SILENT_COUNTED)


def _matches(row: Row, tag: TagView) -> bool:
    pairs = ((row.listed, tag.listed), (row.security, tag.security), (row.owner, tag.owner))
    return False not in [wanted is ANY or wanted == given for wanted, given in pairs]
