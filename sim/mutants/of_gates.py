"""Mistakes at the doors: lists, the site's news, and who is believed."""

from sim.mutants.mutant import Change, Mutant

OVERLAY = "firmware/gate/overlay.py"
LISTS = "firmware/gate/lists.py"
MACHINE = "firmware/gate/machine.py"
HOLDINGS = "firmware/gate/holdings.py"
BIRTHS = "circulation/sync/births.py"
SITE = "kiosk/site.py"

MUTANTS = (
    Mutant(
        "overlay-dropped-too-early",
        "the site's news go when the gateway has applied them, before the gate's list has them",
        OVERLAY,
        "if version <= list_version:",
        "if True:",
        (9, 19),
        shape="rivals",
    ),
    Mutant(
        "late-off-wins",
        "a return that arrives once more, late, undoes a newer loan that knew of it",
        OVERLAY,
        "            if entry.station == new.station and new.position < entry.position:\n"
        "                return False\n",
        "",
        (19,),
        shape="rivals",
        acts=("replay",),
        also=(
            Change(
                OVERLAY,
                "            if new.fact in entry.ancestors:\n                return False\n",
                "",
            ),
        ),
    ),
    Mutant(
        "last-word-wins",
        "of two kiosks' news that did not know each other the last to arrive counts",
        OVERLAY,
        "if entry.fact in new.ancestors or entry.station == new.station:",
        "if True:",
        (19,),
        shape="rivals",
    ),
    Mutant(
        "old-list-dropped-at-once",
        "the list of a restored gateway takes the place of the one that knew last night's loans",
        LISTS,
        "return max(int(self.old.reach(key)), int(self.new.reach(key)))",
        "return int(self.new.reach(key))",
        (9,),
        shape="backups",
        acts=("restore_backup",),
    ),
    Mutant(
        "union-for-ever",
        "the old list goes on letting things leave when all is long back",
        HOLDINGS,
        "if isinstance(held, UnionList) and head.recovered and head.lineage == held.lineage:",
        "if False:",
        (9,),
        acts=("restore_backup",),
    ),
    Mutant(
        "site-not-asked",
        "a gate that comes back does not ask what it missed",
        MACHINE,
        '    def _ask(self) -> "list[Any]":\n',
        '    def _ask(self) -> "list[Any]":\n        return []\n',
        (19,),
        shape="doors",
        acts=("cut_power",),
    ),
    Mutant(
        "gate-adopts-any-delta",
        "a gate applies a delta of the site's old history to its new list",
        HOLDINGS,
        "if at != (event.lineage, event.from_version):",
        "if held is None:",
        (9, 10),
        test="tests/firmware/gate/test_machine.py::test_a_delta_that_does_not_fit_changes_nothing",
        masked="whoever follows a list asks for its history first",
    ),
    Mutant(
        "own-will-believed",
        "a station that hears its own last will, late, leaves it standing",
        BIRTHS,
        "        if status.on and status.boot == self._boot:\n            return []",
        "        if not status.on or status.boot == self._boot:\n            return []",
        (13,),
        shape="ghosts",
    ),
    Mutant(
        "kiosk-forgets-too-early",
        "a kiosk's own loans go when the gateway has applied them, before its list has them",
        "kiosk/news.py",
        '"UPDATE news SET done=1 WHERE done=0 AND covered<=?"',
        '"UPDATE news SET done=1 WHERE done=0 AND covered IS NOT NULL AND ?"',
        (12,),
        test="tests/kiosk/test_stories.py"
        "::test_a_snapshot_built_before_my_last_acks_does_not_unlend_my_books",
        masked="changes are told before the mark; a book must come back just between the two",
        also=(
            Change(
                "kiosk/news.py",
                "return any(version <= self.reached for version, _ in self.applied)",
                "return True",
            ),
        ),
    ),
)
