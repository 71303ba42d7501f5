"""Mistakes in the upload of journals, and in following lists."""

from sim.mutants.mutant import Change, Mutant

UPLOADER = "circulation/sync/uploader.py"
BATCH = "circulation/sync/batch.py"
INTAKE = "circulation/sync/intake.py"
JOURNAL = "circulation/journal.py"
CHANGES = "circulation/sync/changes.py"

MUTANTS = (
    Mutant(
        "ack-without-hash",
        "a station believes any ack for its epoch, also one for rows that its card has forgotten",
        UPLOADER,
        "if own is not None and hexlify(own).decode() != ack.hash:",
        "if False:",
        (7,),
        shape="cards",
    ),
    Mutant(
        "fork-ignored",
        "a station that is told of a fork goes on in its old epoch",
        UPLOADER,
        "        if fork.epoch != journal.epoch.id:\n            return []",
        "        if fork.epoch != journal.epoch.id or True:\n            return []",
        (7,),
    ),
    Mutant(
        "fork-copies-nothing",
        "a new epoch begins empty: what the gateway never had is left behind in the old one",
        UPLOADER,
        "journal.open_epoch(common, self._new_id(8), max(",
        "journal.open_epoch(journal.last_seq, self._new_id(8), max(",
        (7,),
    ),
    Mutant(
        "fork-number-taken-again",
        "a new epoch takes the next number the card knows, which a forgotten one had",
        UPLOADER,
        "max(journal.epoch.n, fork.n) + 1",
        "journal.epoch.n + 1",
        (7,),
        test="tests/circulation/sync/test_upload.py"
        "::test_a_card_rolled_back_twice_applies_nothing_twice",
        masked="a gateway tells whoever uses a number of the past, and the one after is new",
    ),
    Mutant(
        "lost-ack-waited-for",
        "a batch without an answer is never sent again on the same connection",
        UPLOADER,
        "if self._resend_ms is not None and now_ms >= self._resend_ms:",
        "if False:",
        (14,),
    ),
    Mutant(
        "lost-grant-waited-for",
        "a station that was told to wait never asks whether the grant got lost",
        UPLOADER,
        "if self._credit == 0 and self._has_more and now_ms >= self._probe_ms:",
        "if False:",
        (14,),
        test="tests/circulation/sync/test_upload.py"
        "::test_a_lost_credit_grant_does_not_stop_the_upload_for_ever",
        masked="every connection begins with a new grant, and none of a fleet lasts",
    ),
    Mutant(
        "every-nack-obeyed",
        "a station goes back for every nack, also for those of rows it has sent again by then",
        UPLOADER,
        "        if is_repeated:\n            return []",
        "        if False:\n            return []",
        (14,),
        test="tests/circulation/sync/test_machine.py"
        "::test_the_same_nack_within_five_seconds_is_one",
        masked="it costs messages only, as long as nobody counts them",
    ),
    Mutant(
        "hole-not-declared",
        "what a station has no longer is asked for again and again, and blocks what it still has",
        BATCH,
        "lost = [first, start.seq - 1] if start.seq > first else None",
        "lost = None",
        (8,),
        test="tests/circulation/sync/test_upload.py"
        "::test_an_overrun_ring_does_not_block_what_is_still_there",
        masked="no card of a fleet is so small that it must drop what nobody has",
    ),
    Mutant(
        "half-open-kept",
        "a connection without a word from the gateway is kept for ever",
        UPLOADER,
        "if now_ms - self._head_ms >= self._silence_ms:",
        "if False:",
        (13,),
        shape="ghosts",
    ),
    Mutant(
        "restored-gateway-not-resent",
        "on a new lineage a station goes on counting from what the old one had acknowledged",
        UPLOADER,
        "self._journal.set_lineage(ack.lineage, ack.hw)\n            self._had = None\n"
        "            if is_behind:",
        "self._journal.set_lineage(ack.lineage, self._journal.acked)\n            if False:",
        (9,),
    ),
    Mutant(
        "older-epochs-not-gathered",
        "after a fork and a restored gateway the rows of the older epoch are not offered again",
        UPLOADER,
        "if is_first or not self._journal.has_older:",
        "if True:",
        (7, 9),
        acts=("roll_back", "restore_backup"),
    ),
    Mutant(
        "poison-sent-for-ever",
        "a batch that nobody can read is sent again as it is, and blocks what is behind it",
        UPLOADER,
        "self._batch_facts = (last - first + 1) // 2",
        "self._batch_facts = last - first + 1",
        (11,),
        shape="lines",
    ),
    Mutant(
        "pruned-when-acknowledged",
        "a station prunes what is acknowledged, not what the gateway no longer needs",
        JOURNAL,
        "last = min(keep_from - 1, acked)",
        "last = acked",
        (9,),
        acts=("restore_backup",),
    ),
    Mutant(
        "pruned-by-own-clock",
        "a station believes its clock, and deletes what that once said is thirty days old",
        JOURNAL,
        "            last = min(keep_from - 1, acked)\n",
        "            wall = \"json_extract(CAST(body AS TEXT), '$.wall')\"\n"
        "            connection.execute(\n"
        '                "DELETE FROM journal WHERE json_valid(CAST(body AS TEXT))"\n'
        '                f" AND {wall} < (SELECT max({wall}) FROM journal) - 2592000000"\n'
        "            )\n"
        "            last = min(keep_from - 1, acked)\n",
        (9,),
        shape="clocks",
        also=(
            Change(
                "kiosk/timekeeping.py",
                "if self.latest_known_ms and lead_ms > UNSURE_LEAD_MS_MAX:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "duplicate-by-place",
        "a row at a known place is a duplicate, whatever its hash",
        INTAKE,
        "elif stored != chained:",
        "elif False:",
        (7,),
        shape="cards",
    ),
    Mutant(
        "chain-forgotten",
        "neither side compares the hash its own next row stands on with the other's",
        INTAKE,
        "if known is not None and known != prev_hash:",
        "if False:",
        (7,),
        shape="cards",
        also=(
            Change(
                UPLOADER, "if own is not None and hexlify(own).decode() != ack.hash:", "if False:"
            ),
        ),
    ),
    Mutant(
        "gaps-ignored",
        "a batch beyond the mark is taken as if nothing were missing before it",
        INTAKE,
        "            return Gap(mark.hw)",
        "            return _judge_rows(batch, bodies, mark, None)",
        (8,),
    ),
    Mutant(
        "quiet-fork-unnoticed",
        "a rolled back station that writes nothing new is not told that its rows are fewer",
        INTAKE,
        "if mark.hw > status.seq_last:",
        "if False:",
        (7,),
        test="tests/circulation/sync/test_machine.py"
        "::test_a_birth_with_fewer_rows_than_we_have_is_a_fork",
        masked="the first row of every start is about the clock, and shows the fork",
    ),
    Mutant(
        "restore-unnoticed",
        "a gateway does not ask why stations know more of its history than it does",
        INTAKE,
        "why = _knows_more(status, mark, versions) if status.lineage == lineage else None",
        "why = None",
        (9,),
        test="tests/circulation/sync/test_machine.py"
        "::test_a_station_that_knows_more_betrays_a_restored_gateway",
        masked="whoever restores a gateway in a fleet says so",
    ),
    Mutant(
        "delta-across-lineages",
        "nobody asks of which history a list is: a delta is applied because its version fits",
        CHANGES,
        "if self.version is None or change.lineage != self.lineage:",
        "if self.version is None:",
        (9,),
        shape="backups",
        also=(
            Change(
                CHANGES,
                "if self.version is None or head.lineage != self.lineage:",
                "if self.version is None:",
            ),
            Change(CHANGES, "is_other = pointer.lineage != self.lineage", "is_other = False"),
        ),
    ),
    Mutant(
        "delta-from-the-wrong-version",
        "a delta is applied whatever version it begins at",
        CHANGES,
        "if change.from_version != self.version:",
        "if False:",
        (10,),
    ),
    Mutant(
        "last-delta-not-missed",
        "a head that names a newer version is not compared with the list",
        CHANGES,
        "if newest > self.version and self._ask_ms is None:",
        "if False:",
        (13,),
    ),
)
