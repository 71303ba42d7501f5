"""SQL made once and handed to the driver as it is: what every fact costs goes through here.

SQLAlchemy writes each statement in the engine's dialect, once; after that a call is the driver's
own. Looking a prepared statement up, checking its parameters and wrapping its rows otherwise cost
more than SQLite needs to answer (60 to 300 us a statement, measured on Python 3.11).

A list is one parameter, so that a statement reads the same for one value and for a thousand.
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.postgresql.psycopg import dialect as postgresql_dialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles

SQLITE = "sqlite"
JSON_TEXT = json.JSONEncoder(separators=(",", ":"), check_circular=False)  # trees, all of them
LIBRARY: sa.BindParameter[Any] = sa.bindparam("library_id", required=False)
Values = Mapping[str, Any]


class Among(sa.ColumnElement[bool]):
    """The condition that a column has, or has not, one of the values of a list parameter."""

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: sa.ColumnElement[Any], name: str, *, has: bool):
        self.column = column
        self.values = sa.bindparam(name, type_=sa.types.NullType(), required=False)
        self.has = has

    def self_group(self, against: Any = None) -> Among:
        """Stand as it is: SQLAlchemy would compare it with 1 for SQLite."""
        return self


@compiles(Among, SQLITE)
def _among_sqlite(element: Among, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    values = compiler.process(element.values, **options)
    operator = "IN" if element.has else "NOT IN"
    return f"{column} {operator} (SELECT value FROM json_each({values}))"


@compiles(Among, "postgresql")
def _among_postgresql(element: Among, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    operator = "= ANY" if element.has else "<> ALL"
    return f"{column} {operator}({compiler.process(element.values, **options)})"


def among(column: sa.ColumnElement[Any], name: str) -> Any:
    """Return the condition that a column has one of the values of the list parameter `name`."""
    return Among(column, name, has=True)


def outside(column: sa.ColumnElement[Any], name: str) -> Any:
    """Return the condition that a column has none of the values of the list parameter `name`."""
    return Among(column, name, has=False)


def driver(connection: sa.Connection) -> Any:
    """Return the driver's own connection, whose transaction is the one that is open.

    Of drivers that wait, as ours do, it is the one that SQLAlchemy uses itself.
    """
    return connection.connection.dbapi_connection


def tell(connection: sa.Connection, command: str) -> None:
    """Have the driver do something without parameters or rows, such as COMMIT."""
    try:
        driver(connection).execute(command)
    except _errors(connection) as error:
        raise _as_sqlalchemy_s(connection, command, error) from error


class Statement:
    """One statement with named parameters, compiled at its first use for an engine."""

    def __init__(self, executable: Any):
        """executable: SQLAlchemy's; every table it names is of the library `library_id`."""
        self._executable = executable
        self._made: dict[str, _Made] = {}

    def rows(self, connection: sa.Connection, **values: Any) -> list[Any]:
        """Return all rows, with their columns as attributes."""
        made = self._for(connection)
        return made.shaped(made.run(connection, values).fetchall())

    def dicts(self, connection: sa.Connection, **values: Any) -> list[dict[str, Any]]:
        """Return all rows, each by the names of its columns."""
        made = self._for(connection)
        return made.named(made.run(connection, values).fetchall())

    def first(self, connection: sa.Connection, **values: Any) -> Any:
        """Return the first row, or None."""
        made = self._for(connection)
        row = made.run(connection, values).fetchone()
        return None if row is None else made.shaped([row])[0]

    def column(self, connection: sa.Connection, **values: Any) -> list[Any]:
        """Return the first column of all rows."""
        return [row[0] for row in self._for(connection).run(connection, values).fetchall()]

    def value(self, connection: sa.Connection, **values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self._for(connection).run(connection, values).fetchone()
        return None if row is None else row[0]

    def run(self, connection: sa.Connection, **values: Any) -> int:
        """Change what it says; return how many rows."""
        return int(self._for(connection).run(connection, values).rowcount)

    def many(self, connection: sa.Connection, rows: Sequence[Values]) -> None:
        """Change what it says once for each of the rows."""
        if rows:
            self._for(connection).run_many(connection, rows)

    def text(self, engine: str) -> str:
        """Return the SQL for an engine, by the name of its dialect."""
        return self._in(engine).sql

    def _for(self, connection: sa.Connection) -> _Made:
        return self._made.get(connection.dialect.name) or self._in(connection.dialect.name)

    def _in(self, engine: str) -> _Made:
        if engine not in self._made:
            self._made[engine] = _Made(self._executable, engine)
        return self._made[engine]


class _Made:
    """A statement in the words of one engine."""

    def __init__(self, executable: Any, engine: str):
        is_sqlite = engine == SQLITE
        dialect = sqlite_dialect(paramstyle="named") if is_sqlite else _server_dialect()
        compiled = executable.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        self._given = {name: value for name, value in compiled.params.items() if value is not None}
        self._lists = {
            name
            for name, bind in compiled.binds.items()
            if is_sqlite and isinstance(bind.type, sa.types.NullType) and name not in self._given
        }
        columns = list(getattr(executable, "selected_columns", ()))
        self._names = [column.name for column in columns]
        self._make = _row_of(self._names)
        self._json = [
            place
            for place, column in enumerate(columns)
            if is_sqlite and isinstance(column.type, sa.JSON)
        ]

    def run(self, connection: sa.Connection, values: Values) -> Any:
        """Return the driver's cursor after the statement."""
        try:
            return driver(connection).execute(self.sql, self._encoded(values))
        except _errors(connection) as error:
            raise _as_sqlalchemy_s(connection, self.sql, error) from error

    def run_many(self, connection: sa.Connection, rows: Sequence[Values]) -> None:
        """Run the statement once for each row."""
        cursor = driver(connection).cursor()
        try:
            cursor.executemany(self.sql, [self._encoded(row) for row in rows])
        except _errors(connection) as error:
            raise _as_sqlalchemy_s(connection, self.sql, error) from error
        cursor.close()

    def shaped(self, rows: list[Any]) -> list[Any]:
        """Return the driver's rows as named tuples, JSON read."""
        return list(map(self._make, map(self._read, rows) if self._json else rows)) if rows else []

    def named(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Return the driver's rows by name, JSON read."""
        names = self._names
        whole = map(self._read, rows) if self._json else rows
        return [dict(zip(names, row, strict=True)) for row in whole]

    def _read(self, row: Sequence[Any]) -> Sequence[Any]:
        cells = None
        for place in self._json:
            if row[place] is not None:
                cells = cells or list(row)
                cells[place] = json.loads(row[place])
        return cells or row

    def _encoded(self, values: Values) -> Values:
        if not self._given and not self._lists:
            return values
        whole = {**self._given, **values}
        for name in self._lists:
            value = whole.get(name)
            if isinstance(value, list | tuple | set | dict):
                whole[name] = JSON_TEXT.encode(list(value))
        return whole


def _row_of(names: list[str]) -> Callable[[Iterable[Any]], Any]:
    """Return what makes rows whose columns are attributes."""
    row: Any = namedtuple("row", names, rename=True)  # type: ignore[misc]
    made: Callable[[Iterable[Any]], Any] = row._make
    return made


def _server_dialect() -> Any:
    return postgresql_dialect()  # type: ignore[no-untyped-call]


def _errors(connection: sa.Connection) -> Any:
    """Return the root of the driver's errors."""
    return connection.dialect.loaded_dbapi.Error


def _as_sqlalchemy_s(connection: sa.Connection, sql: str, error: Any) -> Exception:
    """Return the driver's error as SQLAlchemy's, which the rest of the program knows."""
    dialect = connection.dialect
    made: Exception = sa.exc.DBAPIError.instance(
        sql, None, error, _errors(connection), dialect=dialect
    )
    return made


class Insert:
    """Rows into one table, all of them in one call; made once for its columns.

    replace: None if a key that exists is an error, False if it stays as it is, True if the
    named columns are written over it; then of two rows with one key the last one stands.
    """

    def __init__(self, table: sa.Table, names: tuple[str, ...], replace: bool | None):
        self._table = table
        self._names = names
        self._key = [column.name for column in table.primary_key if column.name != "library_id"]
        self._replace = replace
        # Of one name `itemgetter` returns no tuple.
        self._cells: Callable[[Values], tuple[Any, ...]] = (
            itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        )
        self._json = [n for n, name in enumerate(names) if isinstance(table.c[name].type, sa.JSON)]
        self._sql: dict[str, str] = {}

    def write(self, connection: sa.Connection, library_id: str, rows: list[Any]) -> None:
        """Write the rows, dicts of the same columns."""
        self.put(connection, library_id, list(map(self._cells, rows)))

    def put(self, connection: sa.Connection, library_id: str, cells: list[Any]) -> None:
        """Write the rows, tuples of the columns in the order they were named in."""
        engine = connection.dialect.name
        sql = self._sql.get(engine)
        if sql is None:
            make = self._for_sqlite if engine == SQLITE else self._for_postgresql
            sql = self._sql[engine] = make()
        if self._json:
            cells = [self._with_text(row) for row in cells]
        cursor = driver(connection).cursor()
        try:
            if engine == SQLITE:
                cursor.executemany(sql, [(library_id, *row) for row in cells])
            else:
                cursor.execute(sql, {"library_id": library_id, **self._columns(cells)})
        except _errors(connection) as error:
            raise _as_sqlalchemy_s(connection, sql, error) from error
        cursor.close()

    def _columns(self, cells: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
        columns = zip(*self._last_of_each(cells), strict=True)
        return {name: list(one) for name, one in zip(self._names, columns, strict=True)}

    def _with_text(self, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        whole = list(cells)
        for place in self._json:
            if whole[place] is not None:
                whole[place] = JSON_TEXT.encode(whole[place])
        return tuple(whole)

    def _last_of_each(self, cells: list[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
        """PostgreSQL refuses to replace one row twice in a statement."""
        if not self._replace or len(cells) == 1:
            return cells
        key = itemgetter(*(self._names.index(name) for name in self._key))
        return {key(row): row for row in cells}.values()

    def _for_sqlite(self) -> str:
        names = ("library_id", *self._names)
        insert = sqlite_insert(self._table).values({name: sa.bindparam(name) for name in names})
        compiled: Any = self._on_conflict(insert).compile(dialect=sqlite_dialect())
        # Values of the statement follow the table's order of columns, ours the caller's.
        ordered = str(compiled)
        places = compiled.positiontup
        sql = ordered.replace("?", "\0", len(places))
        for name in places:
            sql = sql.replace("\0", f"?{names.index(name) + 1}", 1)
        return sql

    def _for_postgresql(self) -> str:
        columns = [self._table.c[name] for name in self._names]
        arrays = [
            sa.cast(sa.bindparam(column.name), ARRAY(_plain(column.type))) for column in columns
        ]
        given = (
            sa.func.unnest(*arrays)
            .table_valued(*[sa.column(c.name, _plain(c.type)) for c in columns], name="given")
            .render_derived()
        )
        cells = [
            sa.cast(given.c[c.name], sa.JSON) if isinstance(c.type, sa.JSON) else given.c[c.name]
            for c in columns
        ]
        select = sa.select(sa.cast(LIBRARY, sa.Text), *cells)
        insert = postgresql_insert(self._table).from_select(["library_id", *self._names], select)
        return str(self._on_conflict(insert).compile(dialect=_server_dialect()))

    def _on_conflict(self, insert: Any) -> Any:
        if self._replace is None:
            return insert
        key = ["library_id", *self._key]
        named = {name: insert.excluded[name] for name in self._names if name not in key}
        if self._replace and named:
            return insert.on_conflict_do_update(index_elements=key, set_=named)
        return insert.on_conflict_do_nothing(index_elements=key)


def _plain(kind: Any) -> Any:
    """Return a type for a parameter that cuts nothing off; the column's own refuses."""
    if isinstance(kind, sa.LargeBinary):
        return sa.LargeBinary()
    return sa.BigInteger() if isinstance(kind, sa.Integer) else sa.Text()


_INSERTS: dict[tuple[str, tuple[str, ...], bool | None], Insert] = {}


def insert_into(table: sa.Table, names: tuple[str, ...], replace: bool | None) -> Insert:
    """Return the insert of these columns, made at its first use."""
    key = (table.name, names, replace)
    found = _INSERTS.get(key)
    if found is None:
        found = _INSERTS[key] = Insert(table, names, replace)
    return found
