"""What SQLite should believe of our indexes, so that it never walks through a whole library.

Every key begins with the library, and a file has one library as a rule. Without statistics
SQLite takes the first column of an index to leave some ten rows, and then reads 200,000 rows of
the gates' list to find one. Statistics gathered from a young database would say the same, so
they are written down here, once, for a library of a million of everything.
"""

from __future__ import annotations

import sqlalchemy as sa

ROWS = 1_000_000
ALIKE = 10  # rows with the same key in an index that is not unique


def write_statistics(connection: sa.Connection) -> None:
    """Tell SQLite's planner about every index; new connections go by it."""
    execute = connection.exec_driver_sql
    execute("PRAGMA analysis_limit=1")
    execute("ANALYZE")  # makes the table of statistics
    execute("DELETE FROM sqlite_stat1")
    tables = execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL")
    for table in [name for (name,) in tables if not name.startswith("sqlite_")]:
        for _n, index, unique, origin, *_ in execute(f'PRAGMA index_list("{table}")').all():
            columns = len(execute(f'PRAGMA index_info("{index}")').all())
            row = (table, index, _leaves(columns, is_unique=bool(unique)))
            execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", row)
            if origin == "pk":  # where the table itself is that index, it goes by its name
                execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, table, row[2]))


def _leaves(columns: int, *, is_unique: bool) -> str:
    """Return how many rows the first column of an index leaves, the first two, and so on.

    >>> _leaves(3, is_unique=True)
    '1000000 1000000 1000 1'
    """
    least = 1 if is_unique else ALIKE
    steps = max(columns - 1, 1)
    left = [round(ROWS * (least / ROWS) ** (step / steps)) for step in range(columns)]
    return " ".join(map(str, [ROWS, *left]))
