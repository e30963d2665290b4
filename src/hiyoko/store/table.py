"""A table of frozen dataclasses.

The columns are the row's key and whatever it is looked up by; the row itself is kept whole, as
JSON, in ``body``. So a model may gain a field with a default without a migration, and all that a
service's ``rows.py`` has to say is which table holds which model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from enum import EnumType
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cattrs.preconf.json import JsonConverter, make_converter

from hiyoko.store.image import Derived, Entry, Following, Image, Key, Values

if TYPE_CHECKING:
    from hiyoko.store.database import Transaction

T = TypeVar("T")
D = TypeVar("D", bound=Derived)


def _row_converter() -> JsonConverter:
    """Rows are dataclasses, enumerations and plain values: the first two are told by a look.

    Left to itself, cattrs asks of each of our classes whether it is a Mapping, a Sequence, and so
    on; each "no" is remembered, by each of their many subclasses, for as long as we run.
    """
    # Rows are our own text: to say of a wrong one where it is wrong would be code for each field.
    converter = make_converter(detailed_validation=False)
    converter.register_structure_hook_factory(is_dataclass, converter.gen_structure_attrs_fromdict)
    converter.register_unstructure_hook_factory(
        is_dataclass, converter.gen_unstructure_attrs_fromdict
    )
    converter.register_structure_hook_func(_is_enumeration, lambda value, kind: kind(value))
    converter.register_unstructure_hook_func(_is_enumeration, lambda member: member.value)
    return converter


def _is_enumeration(kind: Any) -> bool:
    return isinstance(kind, EnumType)


_converter = _row_converter()
_tables: list[Table[Any]] = []


def all_tables() -> tuple[Table[Any], ...]:
    """Every table declared so far: what a database must hold when it is opened."""
    return tuple(_tables)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody knows a table's rows."""

    image: Image
    writes: int


@dataclass(frozen=True)
class Table(Generic[T]):
    """Rows of ``model``, found by ``key`` and by each column of ``index``.

    ``key`` and ``index`` name attributes of the model whose values are strings or integers.
    Rows are kept in memory once they were read (:mod:`hiyoko.store.image`). A table of history
    grows with what is over, so it is read from the file each time, and of its rows only those
    told last stay: ``kept`` of them. Samples and log events are read by statements of their
    service's own.
    """

    name: str
    model: type[T]
    key: tuple[str, ...]
    index: tuple[str, ...] = ()
    kept: int | None = None

    def __post_init__(self) -> None:
        _tables.append(self)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The looked-up columns: the key first."""
        return (*self.key, *(name for name in self.index if name not in self.key))

    def ddl(self) -> Iterator[str]:
        """The statements that create this table where it is missing."""
        columns = ", ".join(f"{name} NOT NULL" for name in self.columns)
        yield (
            f"CREATE TABLE IF NOT EXISTS {self.name} ({columns}, body TEXT NOT NULL,"
            f" PRIMARY KEY ({', '.join(self.key)})) WITHOUT ROWID"
        )
        for name in self.index:
            yield f"CREATE INDEX IF NOT EXISTS {self.name}_{name} ON {self.name} ({name})"

    def insert(self, tx: Transaction, row: T) -> None:
        """Add a row; a second one with the same key is a bug and raises IntegrityError."""
        self._write(tx, "INSERT", row, self._encode(row))

    def put(self, tx: Transaction, row: T) -> bool:
        """Add the row, or replace the one with its key. True when something really changed."""
        body = self._encode(row)
        old = tx.connection.execute(
            f"SELECT body FROM {self.name}{self._clause(self.key)}",
            tuple(getattr(row, name) for name in self.key),
        ).fetchone()
        if old is not None and old[0] == body:
            return False
        self._write(tx, "INSERT OR REPLACE", row, body)
        return True

    def find(self, tx: Transaction, **where: Key) -> T | None:
        """The first row with these column values, or None."""
        if self.kept is not None:
            return next(self._read(tx, where, "LIMIT 1"), None)
        image = self._image(tx)
        if len(where) == len(self.key) and all(name in where for name in self.key):
            entry = image.entries.get(tuple([where[name] for name in self.key]))
            return None if entry is None else self._row(entry)
        for entry in image.select(where):
            return self._row(entry)
        return None

    def list(self, tx: Transaction, **where: Key) -> list[T]:
        """All rows with these column values, in key order."""
        if self.kept is not None:
            return list(self._read(tx, where))
        if not where:
            return list(self.whole(tx))
        return [self._row(entry) for entry in self._image(tx).select(where)]

    def whole(self, tx: Transaction) -> tuple[T, ...]:
        """All rows in key order: the same object as long as none of them is another one."""
        return self._image(tx).told(self._row)

    def changed(self, tx: Transaction, since: Mark | None) -> tuple[Mark, set[Values] | None]:
        """The keys of rows that were written since then, and now; None: any row may be another."""
        image = self._image(tx)
        now = Mark(image, image.writes)
        if since is None or since.image is not image:
            image.follow()
            return now, None
        return now, image.since(since.writes)

    def derived(self, tx: Transaction, kind: type[D]) -> D:
        """What ``kind`` makes of all rows: told of each once, then of those that are others now.

        Undone writes are taken back from it like any. It is to be read, and read anew each time.
        """
        image = self._image(tx)
        known = image.following.get(kind)
        written = image.since(known.writes) if known is not None else None
        if known is None or written is None:
            image.follow()
            known, written = Following(kind(), {}, 0), set(image.entries)
            image.following[kind] = known
        for key in written:
            old, entry = known.rows.pop(key, None), image.entries.get(key)
            new = None if entry is None else self._row(entry)
            if new is not None:
                known.rows[key] = new
            if new is old:
                continue
            if old is not None:
                known.derived.remove(old)
            if new is not None:
                known.derived.add(new)
        known.writes = image.writes
        found: D = known.derived  # type: ignore[assignment]  # kept by its class
        return found

    def count(self, tx: Transaction, **where: Key) -> int:
        """How many rows have these column values."""
        if self.kept is not None:
            tx.read.add(self.name)
            sql = f"SELECT count(*) FROM {self.name}{self._clause(tuple(where))}"
            return int(tx.connection.execute(sql, tuple(where.values())).fetchone()[0])
        return len(self._image(tx).select(where))

    def delete(self, tx: Transaction, **where: Key) -> int:
        """Delete the rows with these column values; how many there were."""
        sql = f"DELETE FROM {self.name}{self._clause(tuple(where))}"
        cursor = tx.connection.execute(sql, tuple(where.values()))
        if cursor.rowcount:
            tx.images.drop(self.name, where)
            tx.wrote(self.name)
        return cursor.rowcount

    def _write(self, tx: Transaction, verb: str, row: T, body: str) -> None:
        marks = ", ".join("?" * (len(self.columns) + 1))
        values = tuple(getattr(row, name) for name in self.columns)
        tx.connection.execute(
            f"{verb} INTO {self.name} ({', '.join(self.columns)}, body) VALUES ({marks})",
            (*values, body),
        )
        # What is read from now on is what was written, not what was given: a list is a tuple then.
        tx.images.put(self.name, Entry(values, body))
        tx.wrote(self.name)

    def _read(self, tx: Transaction, where: Mapping[str, Key], limit: str = "") -> Iterator[T]:
        """Rows of a table of history, in key order."""
        tx.read.add(self.name)
        sql = (
            f"SELECT body FROM {self.name}{self._clause(tuple(where))}"
            f" ORDER BY {', '.join(self.key)} {limit}"
        )
        bodies = tx.connection.execute(sql, tuple(where.values())).fetchall()
        return (self.told(body) for (body,) in bodies)

    def _image(self, tx: Transaction) -> Image:
        assert self.kept is None, f"{self.name} is a table of history"
        tx.read.add(self.name)
        image = tx.images.find(self.name)
        if image is None:
            image = Image(self.columns, len(self.key))
            names = ", ".join(self.columns)
            order = ", ".join(self.key)
            for *values, body in tx.connection.execute(
                f"SELECT {names}, body FROM {self.name} ORDER BY {order}"
            ):
                key = tuple(values[: len(self.key)])
                image.entries[key] = Entry(tuple(values), body)
            tx.images.add(self.name, image)
        return image

    def told(self, body: str) -> T:
        """The row of this JSON, as a statement of one's own has read it."""
        return self._tell(body)

    @cached_property
    def _tell(self) -> Callable[[str], T]:
        """Whoever follows something asks for the same rows again and again."""
        return self._structured if self.kept is None else lru_cache(self.kept)(self._structured)

    def _structured(self, body: str) -> T:
        return _converter.structure(json.loads(body), self.model)

    def _row(self, entry: Entry) -> T:
        if isinstance(entry.row, str):
            entry.row = self.told(entry.row)
        row: T = entry.row
        return row

    @staticmethod
    def _clause(names: tuple[str, ...]) -> str:
        return " WHERE " + " AND ".join(f"{name} = ?" for name in names) if names else ""

    def _encode(self, row: T) -> str:
        return json.dumps(_converter.unstructure(row), separators=(",", ":"), sort_keys=True)
