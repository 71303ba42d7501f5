"""Mistakes in the gateway: what it writes, what it answers, what it publishes."""

from sim.mutants.mutant import Mutant

CONNECTIONS = "gateway/connections.py"
INGEST = "gateway/ingest.py"
OUTBOX = "gateway/outbox.py"
LINEAGE = "gateway/lineage.py"
RETENTION = "gateway/retention.py"
VERDICTS = "gateway/verdicts.py"

MUTANTS = (
    Mutant(
        "delta-lost-in-a-crash",
        "a change counts as published although it could not be handed over",
        OUTBOX,
        "                    break\n                sent += len(messages)",
        "                    pass\n                sent += len(messages)",
        (10,),
        acts=("kill_gateway",),
        test="tests/gateway/test_outbox.py"
        "::test_a_cut_link_is_gone_on_with_where_it_stopped[sqlite]",
    ),
    Mutant(
        "recovered-too-soon",
        "a restored gateway says that all is back before the stations have sent it",
        LINEAGE,
        "        if connection.execute(behind).scalar_one():\n            return False",
        "        connection.execute(behind)",
        (9,),
        acts=("restore_backup",),
        test="tests/gateway/test_hub.py::test_recovered_is_said_when_all_have_sent_again[sqlite]",
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
        test="tests/gateway/test_verdicts.py",
    ),
    Mutant(
        "writers-begin-deferred",
        "a writer reads before it locks: two do not see each other's rows",
        CONNECTIONS,
        '"BEGIN IMMEDIATE" if writing else "BEGIN"',
        '"BEGIN"',
        (10, 12),
        test="tests/gateway/test_store.py",
    ),
)
