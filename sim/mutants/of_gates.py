"""Mistakes at the doors: lists, the site's news, and who is believed."""

from sim.mutants.mutant import Mutant

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
        test="tests/firmware/gate/test_overlay.py::test_an_entry_goes_when_the_list_contains_it",
    ),
    Mutant(
        "late-off-wins",
        "a return that arrives late undoes a newer loan",
        OVERLAY,
        "            if entry.station == new.station and new.position < entry.position:\n"
        "                return False\n",
        "",
        (19,),
        test="tests/firmware/gate/test_overlay.py::test_one_station_is_ordered_by_its_own_numbers",
    ),
    Mutant(
        "last-word-wins",
        "of two kiosks' news that did not know each other the last to arrive counts",
        OVERLAY,
        "if entry.fact in new.ancestors or entry.station == new.station:",
        "if True:",
        (19,),
        test="tests/firmware/gate/test_overlay.py::test_of_too_many_siblings_an_off_goes_first",
    ),
    Mutant(
        "old-list-dropped-at-once",
        "the list of a restored gateway takes the place of the one that knew last night's loans",
        LISTS,
        "return max(int(self.old.reach(key)), int(self.new.reach(key)))",
        "return int(self.new.reach(key))",
        (9,),
        acts=("restore_backup",),
        test="tests/firmware/gate/test_lists.py::test_the_union_lets_pass_what_either_lets_pass",
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
        acts=("cut_power",),
        test="tests/firmware/gate/test_machine.py"
        "::test_a_newer_snapshot_takes_the_place_of_the_older",
    ),
    Mutant(
        "gate-adopts-any-delta",
        "a gate applies a delta of the site's old history to its new list",
        HOLDINGS,
        "if at != (event.lineage, event.from_version):",
        "if held is None:",
        (9, 10),
        test="tests/firmware/gate/test_machine.py",
    ),
    Mutant(
        "own-will-believed",
        "a station that hears its own last will, late, leaves it standing",
        BIRTHS,
        "        if status.on and status.boot == self._boot:\n            return []",
        "        if not status.on or status.boot == self._boot:\n            return []",
        (13,),
        test="tests/circulation/sync/test_liveness_and_births.py"
        "::test_a_station_that_reads_of_its_own_death_says_that_it_lives",
    ),
)
