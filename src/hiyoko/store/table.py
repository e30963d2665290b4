"""A table of frozen dataclasses.

The columns are the row's key and whatever it is looked up by; the row itself is kept whole, as
JSON, in ``body``. So a model may gain a field with a default without a migration, and all that a
service's ``rows.py`` has to say is which table holds which model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import EnumType
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cattrs.preconf.json import JsonConverter, make_converter

if TYPE_CHECKING:
    from hiyoko.store.database import Transaction

KNOWN_MAX = 2000
"""How many more rows than a table was seen to have are kept when ``reuse`` is on."""

T = TypeVar("T")
Key = str | int


def _row_converter() -> JsonConverter:
    """Rows are dataclasses, enumerations and plain values: the first two are told by a look.

    Left to itself, cattrs asks of each of our classes whether it is a Mapping, a Sequence, and so
    on; each "no" is remembered, by each of their many subclasses, for as long as we run.
    """
    converter = make_converter()
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


@dataclass(frozen=True)
class Table(Generic[T]):
    """Rows of ``model``, found by ``key`` and by each column of ``index``.

    ``key`` and ``index`` name attributes of the model whose values are strings or integers.
    ``reuse``: a body that was read before gives the same row again, unread; for tables of thousands
    of rows of which a handful change.
    """

    name: str
    model: type[T]
    key: tuple[str, ...]
    index: tuple[str, ...] = ()
    reuse: bool = False
    _known: dict[str, T] = field(default_factory=dict, repr=False, compare=False)

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
        marks = ", ".join("?" * (len(self.columns) + 1))
        tx.execute(
            f"INSERT INTO {self.name} ({', '.join(self.columns)}, body) VALUES ({marks})",
            (*self._values(row), self._encode(row)),
        )

    def put(self, tx: Transaction, row: T) -> bool:
        """Add the row, or replace the one with its key. True when something really changed."""
        body = self._encode(row)
        old = tx.execute(
            f"SELECT body FROM {self.name} WHERE {self._where(self.key)}",
            tuple(getattr(row, name) for name in self.key),
        ).fetchone()
        if old is not None and old[0] == body:
            return False
        marks = ", ".join("?" * (len(self.columns) + 1))
        tx.execute(
            f"INSERT OR REPLACE INTO {self.name} ({', '.join(self.columns)}, body)"
            f" VALUES ({marks})",
            (*self._values(row), body),
        )
        return True

    def find(self, tx: Transaction, **where: Key) -> T | None:
        """The first row with these column values, or None."""
        for row in self._select(tx, where, limit=" LIMIT 1"):
            return row
        return None

    def list(self, tx: Transaction, **where: Key) -> list[T]:
        """All rows with these column values, in key order."""
        return list(self._select(tx, where))

    def delete(self, tx: Transaction, **where: Key) -> int:
        """Delete the rows with these column values; how many there were."""
        clause = f" WHERE {self._where(tuple(where))}" if where else ""
        return tx.execute(f"DELETE FROM {self.name}{clause}", tuple(where.values())).rowcount

    def _select(self, tx: Transaction, where: Mapping[str, Key], limit: str = "") -> Iterator[T]:
        clause = f" WHERE {self._where(tuple(where))}" if where else ""
        order = ", ".join(self.key)
        cursor = tx.execute(
            f"SELECT body FROM {self.name}{clause} ORDER BY {order}{limit}", tuple(where.values())
        )
        found = cursor.fetchall()
        if not self.reuse:
            yield from (self._decode(body) for (body,) in found)
            return
        known = self._known
        if len(known) > KNOWN_MAX + len(found):
            known.clear()
        for (body,) in found:
            row = known.get(body)
            if row is None:
                row = known[body] = self._decode(body)
            yield row

    @staticmethod
    def _where(names: tuple[str, ...]) -> str:
        return " AND ".join(f"{name} = ?" for name in names)

    def _values(self, row: T) -> tuple[Key, ...]:
        return tuple(getattr(row, name) for name in self.columns)

    def _encode(self, row: T) -> str:
        return json.dumps(_converter.unstructure(row), separators=(",", ":"), sort_keys=True)

    def _decode(self, body: str) -> T:
        return _converter.structure(json.loads(body), self.model)
