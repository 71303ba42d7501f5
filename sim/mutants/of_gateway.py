"""Mistakes in the gateway: what it writes, what it answers, what it publishes."""

from sim.mutants.mutant import Change, Mutant

CONNECTIONS = "gateway/connections.py"
INGEST = "gateway/ingest.py"
OUTBOX = "gateway/outbox.py"
LINEAGE = "gateway/lineage.py"
RETENTION = "gateway/retention.py"
VERDICTS = "gateway/verdicts.py"
STORE = "gateway/store.py"

HUB = "gateway/hub.py"
SERVICE = "gateway/service.py"
HOLDINGS = "gateway/holdings.py"

MUTANTS = (
    Mutant(
        "ack-before-commit",
        "a station is told that its rows are applied before they are committed",
        INGEST,
        "            _save_stations(write, marks, rows)\n",
        "            _save_stations(write, marks, rows)\n            self.early(answers)\n",
        (7, 10),
        shape="backups",
        also=(
            Change(
                HUB,
                "        self.ingest = Ingest(store, library_id)\n",
                "        self.ingest = Ingest(store, library_id)\n"
                "        self.ingest.early = self._say_early\n"
                "        self.hand_over = lambda sends: None\n",
            ),
            Change(
                HUB,
                "    def _answer(self, connection",
                "    def _say_early(self, answers):\n"
                "        with self.store.read() as connection:\n"
                "            now_ms = self.store.clock()\n"
                "            sends = [self._answer(connection, one, now_ms) for one in answers]\n"
                "        self.hand_over([send for send in sends if send is not None])\n\n"
                "    def _answer(self, connection",
            ),
            Change(
                SERVICE,
                "        self.hub = hub\n",
                "        self.hub = hub\n"
                "        hub.hand_over = lambda sends: self._publish(sends)\n",
            ),
        ),
    ),
    Mutant(
        "dedupe-by-time",
        "a fact that is not newer by its clock than the station's last was applied before",
        INGEST,
        "        if fact_id not in known:\n",
        "        newest = sa.select(sa.func.max(FACT.c.wall_ms)).where(\n"
        "            FACT.c.station == row.station, FACT.c.library_id == write.library_id\n"
        "        )\n"
        "        if (row.fields.get('wall') or 0) < (write.execute(newest).scalar() or 0):\n"
        "            row.is_copy = True\n"
        "        elif fact_id not in known:\n",
        (5, 7),
        shape="cards",
    ),
    Mutant(
        "fold-reads-policy",
        "a loan that is folded again is due by the rules and the calendar of now",
        HOLDINGS,
        "        item.holding, item.last = folded.holding, folded.last\n",
        "        item.holding, item.last = folded.holding, folded.last\n"
        "        if item.holding.due_at is not None:\n"
        "            due_at = write.now_ms + 28 * 86_400_000\n"
        "            item.holding = item.holding._replace(due_at=due_at)\n",
        (4,),
        shape="desks",
    ),
    Mutant(
        "delta-lost-in-a-crash",
        "a change counts as published although it could not be handed over",
        OUTBOX,
        "                    break\n                sent += len(messages)",
        "                    pass\n                sent += len(messages)",
        (10,),
        shape="desks",
    ),
    Mutant(
        "recovered-too-soon",
        "a restored gateway says that all is back before the stations have sent it",
        LINEAGE,
        "        if connection.execute(behind).scalar_one():\n            return False",
        "        connection.execute(behind)",
        (9,),
        shape="backups",
    ),
    Mutant(
        "kept-for-nothing",
        "stations may prune all that is applied, whatever backup may have to be restored",
        RETENTION,
        "    return int(min(row.keep_from, hw + 1))",
        "    return hw + 1",
        (9,),
        acts=("restore_backup",),
    ),
    Mutant(
        "verdict-judged-again",
        "facts are judged all at once, by what was known when the last of them had come",
        VERDICTS,
        "            found = [(verdict.rule, dict(verdict.detail)) for verdict in verdicts]\n"
        "        self._count(fact)\n",
        "            found = [(verdict.rule, dict(verdict.detail)) for verdict in verdicts]\n",
        (6,),
        test="tests/gateway/test_verdicts.py::test_a_verdict_is_never_withdrawn[sqlite]",
        masked="the readers of a fleet break no rule of lending",
    ),
    Mutant(
        "writers-begin-deferred",
        "a writer reads before it locks: two do not see each other's rows",
        CONNECTIONS,
        '"BEGIN IMMEDIATE" if writing else "BEGIN"',
        '"BEGIN"',
        (10, 12),
        test="tests/gateway/test_store.py::test_two_writers_wait_for_each_other[sqlite]",
        masked="two threads of a program never meet in a fleet",
    ),
    Mutant(
        "library-not-locked",
        "two workers on a server fold the same item, each without the other's rows",
        STORE,
        ".where(schema.LIBRARY.c.library_id == LIBRARY).with_for_update()",
        ".where(schema.LIBRARY.c.library_id == LIBRARY)",
        (10,),
        test="tests/gateway/test_workers.py"
        "::test_two_writers_at_once_apply_each_fact_once[postgresql]",
        masked="the gateway of a fleet has a file, and a file has one writer",
    ),
)
