"""What a journal is made of, and the port every journal implements.

A journal is a duck with these properties and methods. Each change is durable when the method
returns, or when the caller's own transaction around it is.

    epoch            -> Epoch, the newest
    last_seq         -> seq of the newest row of this epoch, 0 before the first
    acked            -> seq up to which the gateway has said that it applied this epoch's rows
    lineage          -> the gateway's history that `acked` belongs to, or None
    has_older        -> whether rows of earlier epochs are still kept
    append(body, salt=None, patron=None) -> Row
    rows(first_seq, count_max, bytes_max) -> [Row], ascending; at least one if there is one
    hash_at(seq)     -> bytes, or None if that row was never there or is gone; 0 is the start
    mark_acked(seq, keep_from)     prune nothing at or above keep_from, nor above seq
    set_lineage(lineage, acked)    another history: acked is what that one has
    open_epoch(common_seq, epoch_id, n)    copy every row after common_seq into epoch n
    gather(epoch_id, n)            copy every row still kept, of every epoch, into epoch n

`tests/contract/journal_contract.py` holds every implementation to this.
"""

from collections import namedtuple


class Row(namedtuple("Row", ["seq", "prev_hash", "hash", "body", "salt", "patron"])):
    """One fact in its place. salt (16 bytes) and patron (an id) are None, or blanked later."""


class Parent(namedtuple("Parent", ["n", "epoch", "seq", "hash"])):
    """Where an epoch began: the last row of an earlier epoch that it stands on."""


class Epoch(namedtuple("Epoch", ["n", "id", "parent"])):
    """One unbroken run of rows. parent is None for a station's first."""
