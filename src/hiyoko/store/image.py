"""A table's rows in memory: what SQLite has on disk, read once.

There is one writer and one thread, so what was read stays true until that writer writes. Reading a
table anew costs its size each time; a reconciler that compares all with all would pay that for
every change. A row is told from its JSON when it is first asked for, and is the same object ever
after, so what was worked out from it can be kept beside it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

Key = str | int
Values = tuple[Key, ...]
"""A row's looked-up columns, the key first."""
CHANGES_KEPT = 1024
"""Of how many writes a table's image knows the keys. Who has missed more reads all rows."""


@dataclass(slots=True)
class Entry:
    """One row: its looked-up columns, and the row or, until somebody asks for it, its JSON."""

    values: Values
    row: Any


class Derived(Protocol):
    """What was worked out from a table's rows, kept in step with them row by row."""

    def add(self, row: Any) -> None:
        """The row is there now."""
        ...

    def remove(self, row: Any) -> None:
        """The row that was added is there no more, or is another one now."""
        ...


@dataclass(slots=True)
class Following:
    """Something derived, the rows that it knows, and after how many writes."""

    derived: Derived
    rows: dict[Values, Any]
    writes: int


@dataclass(slots=True)
class Sorted:
    """Keys in order, with their entries and, once all were told, the rows beside them."""

    keys: list[Values]
    entries: list[Entry]
    _rows: list[Any] | None = None
    _untold: set[Values] = field(default_factory=set)

    def put(self, key: Values, entry: Entry, *, fresh: bool) -> None:
        """Another entry at this key, or at a key that is ``fresh``."""
        at = bisect_left(self.keys, key)
        if fresh:
            self.keys.insert(at, key)
        here = slice(at, at if fresh else at + 1)
        self.entries[here] = [entry]
        if self._rows is not None:
            self._rows[here] = [None]
            self._untold.add(key)

    def drop(self, key: Values) -> None:
        """The key is there no more."""
        at = bisect_left(self.keys, key)
        del self.keys[at], self.entries[at]
        if self._rows is not None:
            del self._rows[at]
            self._untold.discard(key)

    def told(self, tell: Callable[[Entry], Any]) -> tuple[Any, ...]:
        """All rows."""
        if self._rows is None:
            self._rows = [tell(entry) for entry in self.entries]
        for key in self._untold:
            at = bisect_left(self.keys, key)
            self._rows[at] = tell(self.entries[at])
        self._untold.clear()
        return tuple(self._rows)


@dataclass(slots=True)
class Image:
    """The rows of one table by key; an index (keys in order) of each column once asked for."""

    columns: tuple[str, ...]
    key_length: int
    entries: dict[Values, Entry] = field(default_factory=dict)
    whole: tuple[Any, ...] | None = None
    """All rows in order, as they were last told; None since a write."""
    writes: int = 0
    following: dict[type[Derived], Following] = field(default_factory=dict)
    """What is derived from the rows, by its class."""
    _last: deque[Values] | None = None
    """The keys of the last writes, once somebody follows them."""
    _sorted: Sorted | None = None
    """Everything in key order, once asked for."""
    _indexes: dict[int, dict[Key, list[Values]]] = field(default_factory=dict)

    def since(self, writes: int) -> set[Values] | None:
        """The keys of the rows written since there were so many writes; None: it is too long."""
        missed = self.writes - writes
        if self._last is None or missed > len(self._last):
            return None
        return set(islice(reversed(self._last), missed))

    def told(self, tell: Callable[[Entry], Any]) -> tuple[Any, ...]:
        """All rows in key order; ``tell`` is asked for those that were not told before."""
        if self.whole is None:
            self.whole = self._in_order().told(tell)
        return self.whole

    def follow(self) -> None:
        """From now on somebody wants to know what is written."""
        if self._last is None:
            self._last = deque(maxlen=CHANGES_KEPT)

    def _written(self, key: Values) -> None:
        self.whole = None
        self.writes += 1
        if self._last is not None:
            self._last.append(key)

    def put(self, entry: Entry) -> Entry | None:
        """Add a row or replace the one with its key, which is returned."""
        key = entry.values[: self.key_length]
        old = self.entries.get(key)
        self.entries[key] = entry
        self._written(key)
        if self._sorted is not None:
            self._sorted.put(key, entry, fresh=old is None)
        self._index(key, old, entry)
        return old

    def drop(self, key: Values) -> Entry | None:
        """Take a row out; what it was, or None."""
        old = self.entries.pop(key, None)
        self._written(key)
        if self._sorted is not None and old is not None:
            self._sorted.drop(key)
        self._index(key, old, None)
        return old

    def restore(self, key: Values, entry: Entry | None) -> None:
        """What stood at this key before a write that is undone."""
        if entry is None:
            self.drop(key)
        else:
            self.put(entry)

    def select(self, where: Mapping[str, Key]) -> list[Entry]:
        """The rows with these column values, in key order."""
        wanted = {self.columns.index(name): value for name, value in where.items()}
        found = self._candidates(wanted)
        for at, value in wanted.items():
            found = [entry for entry in found if entry.values[at] == value]
        return found

    def _candidates(self, wanted: dict[int, Key]) -> list[Entry]:
        """Rows among which the wanted ones are; what all of them have is wanted no more."""
        if all(at in wanted for at in range(self.key_length)):
            entry = self.entries.get(tuple(wanted.pop(at) for at in range(self.key_length)))
            return [] if entry is None else [entry]
        # An account and a region are the same in nearly every row.
        telling = [at for at in wanted if self.columns[at] not in ("account", "region")]
        if telling:
            best = min(telling, key=lambda at: len(self._keys(at, wanted[at])))
            return [self.entries[key] for key in self._keys(best, wanted.pop(best))]
        return list(self._in_order().entries)

    def _in_order(self) -> Sorted:
        if self._sorted is None:
            keys = sorted(self.entries)
            self._sorted = Sorted(keys, [self.entries[key] for key in keys])
        return self._sorted

    def _keys(self, at: int, value: Key) -> Sequence[Values]:
        index = self._indexes.get(at)
        if index is None:
            index = self._indexes[at] = {}
            for key in sorted(self.entries):
                index.setdefault(self.entries[key].values[at], []).append(key)
        return index.get(value, ())

    def _index(self, key: Values, old: Entry | None, new: Entry | None) -> None:
        for at, index in self._indexes.items():
            if old is not None and new is not None and old.values[at] == new.values[at]:
                continue
            if old is not None:
                keys = index[old.values[at]]
                del keys[bisect_left(keys, key)]
                if not keys:
                    del index[old.values[at]]
            if new is not None:
                insort(index.setdefault(new.values[at], []), key)


@dataclass(slots=True)
class Images:
    """The images of a database's tables, and what the open transaction has changed in them."""

    _of: dict[str, Image] = field(default_factory=dict)
    _undo: list[tuple[Image, Values, Entry | None]] = field(default_factory=list)
    _loaded: list[str] = field(default_factory=list)
    _stamps: dict[str, int] = field(default_factory=dict)
    """How often a table was written, or a write of it undone, also where it has no image."""
    _touched: set[str] = field(default_factory=set)
    """The tables that the open transaction has written."""

    def stamp(self, table: str) -> int:
        """A number that is the same as long as the table's rows are."""
        return self._stamps.get(table, 0)

    def _touch(self, table: str) -> None:
        self._stamps[table] = self._stamps.get(table, 0) + 1
        self._touched.add(table)

    def find(self, table: str) -> Image | None:
        """The table's image, when it was read."""
        return self._of.get(table)

    def add(self, table: str, image: Image) -> None:
        """The table was read just now."""
        self._of[table] = image
        self._loaded.append(table)

    def put(self, table: str, entry: Entry) -> None:
        """A row was written."""
        self._touch(table)
        image = self._of.get(table)
        if image is not None:
            self._undo.append((image, entry.values[: image.key_length], image.put(entry)))

    def drop(self, table: str, where: Mapping[str, Key]) -> None:
        """The rows with these column values were deleted."""
        self._touch(table)
        image = self._of.get(table)
        if image is not None:
            for entry in image.select(where):
                key = entry.values[: image.key_length]
                self._undo.append((image, key, image.drop(key)))

    def forget(self, table: str) -> None:
        """Somebody wrote the table by a statement of their own: it is read anew when asked for."""
        self._touch(table)
        self._of.pop(table, None)

    def mark(self) -> tuple[int, int]:
        """Where a part of the transaction begins that may be undone by itself."""
        return len(self._undo), len(self._loaded)

    def undo(self, mark: tuple[int, int] = (0, 0)) -> None:
        """Everything is again as it was at the mark; what was read since is not to be trusted."""
        written, loaded = mark
        for table in self._touched:
            self._stamps[table] += 1
        while len(self._undo) > written:
            image, key, entry = self._undo.pop()
            image.restore(key, entry)
        for table in self._loaded[loaded:]:
            self._of.pop(table, None)
        del self._loaded[loaded:]

    def keep(self) -> None:
        """The transaction is over and its writes stand."""
        self._undo.clear()
        self._loaded.clear()
        self._touched.clear()
