"""One SQLite file in WAL mode: transactions in, one signal after each commit out.

Everything runs on one thread (the daemon's event loop), so a transaction is never interleaved with
another one: what a handler checked still holds when it writes. ``synchronous=FULL`` because a call
that was answered must be on disk (https://www.sqlite.org/pragma.html#pragma_synchronous). A commit
that wakes no reconciler may share its sync with others, when whoever is to be answered waits.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from hiyoko.store import shared_sync
from hiyoko.store.image import Images
from hiyoko.store.shared_sync import SharedSync
from hiyoko.store.table import all_tables

_WRITES = re.compile(
    r"\s*(?:(?:INSERT|REPLACE)\b[\w\s]*?\bINTO|UPDATE|DELETE\s+FROM)\s+(\w+)", re.I
)
_READS = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)", re.I)
MEMORY = ":memory:"
CACHE_KB = 256
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


T = TypeVar("T")
_noting: ContextVar[set[str] | None] = ContextVar("noting", default=None)


@contextmanager
def noting_reads() -> Iterator[set[str]]:
    """The tables that are read in this block, by its task and by those that it makes."""
    tables: set[str] = set()
    token = _noting.set(tables)
    try:
        yield tables
    finally:
        _noting.reset(token)


@lru_cache(maxsize=256)
def _tables_of(sql: str) -> tuple[str | None, tuple[str, ...]]:
    """The table that a statement writes, and the others that it reads."""
    match = _WRITES.match(sql)
    written: str | None = match[1] if match else None
    return written, tuple(name for name in _READS.findall(sql) if name != written)


class StoreError(Exception):
    """The file cannot be used, or its disk takes no more; the text says the way out."""


@dataclass(slots=True)
class Transaction:
    """An open transaction. ``revision`` is the number that its commit will carry.

    ``written`` are the tables that it has changed, ``read`` those that were looked at.
    """

    connection: sqlite3.Connection
    revision: int
    images: Images
    said: list[object] | None = None
    written: frozenset[str] = frozenset()
    read: set[str] = field(default_factory=set)

    def say(self, news: object) -> None:
        """Something for those who listen, and no row of theirs: they hear it after the commit."""
        if self.said is not None:
            self.said.append(news)

    def wrote(self, table: str) -> None:
        """Something in this table is another now."""
        self.written |= {table}

    @contextmanager
    def noting_reads(self) -> Iterator[set[str]]:
        """The tables that are read in this block."""
        outer, self.read = self.read, set()
        try:
            yield self.read
        finally:
            outer.update(self.read)
            self.read = outer

    def stamps(self, tables: Iterable[str]) -> dict[str, int]:
        """What :meth:`unchanged` wants to know later."""
        return {table: self.images.stamp(table) for table in tables}

    def unchanged(self, stamps: Mapping[str, int]) -> bool:
        """Whether these tables' rows are what they were. Who asks depends on them."""
        self.read.update(stamps)
        return all(self.images.stamp(table) == was for table, was in stamps.items())

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement with its values bound."""
        written, read = _tables_of(sql)
        cursor = self.connection.execute(sql, values)
        self.read.update(read)
        if written is not None and cursor.rowcount:
            self.images.forget(written)
            self.wrote(written)
        return cursor

    @contextmanager
    def unobserved(self) -> Iterator[None]:
        """Writes that no reconciler looks at: a commit of nothing else wakes nobody."""
        before = self.written
        yield
        self.written = before

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that may fail by itself: its writes are undone when it raises, the rest stays."""
        before, mark = self.written, self.images.mark()
        self.connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if not self.connection.in_transaction:  # a full disk has ended all of it
                raise
            self.connection.execute("ROLLBACK TO part")
            self.connection.execute("RELEASE part")
            self.images.undo(mark)
            self.written = before
            raise
        self.connection.execute("RELEASE part")


@dataclass(slots=True)
class Kept(Generic[T]):
    """What was worked out from tables, kept while none of their rows is another one."""

    _value: T | None = None
    _stamps: Mapping[str, int] | None = None

    def of(self, tx: Transaction, work: Callable[[], T]) -> T:
        """What ``work`` makes of the rows that it reads in this transaction, and of nothing else.

        It makes something other than None.
        """
        if self._value is None or self._stamps is None or not tx.unchanged(self._stamps):
            with tx.noting_reads() as read:
                self._value = work()
            self._stamps = tx.stamps(read)
        return self._value


@dataclass(slots=True)
class Store:
    """The database. ``watch`` registers who wants to hear which tables a commit has changed.

    ``listening`` hears what transactions say.
    """

    connection: sqlite3.Connection
    path: str = MEMORY
    _images: Images = field(default_factory=Images)
    _watchers: list[Callable[[frozenset[str]], None]] = field(default_factory=list)
    _listeners: list[Callable[[object], None]] = field(default_factory=list)
    _open: Transaction | None = None
    _shared: SharedSync = field(init=False)

    def __post_init__(self) -> None:
        # In WAL mode a commit is on disk when its frames in this file are.
        self._shared = SharedSync(partial(shared_sync.sync_file, f"{self.path}-wal"))

    @classmethod
    def open(cls, path: Path | str) -> Store:
        """Open or create the file (``:memory:`` for tests) with every declared table.

        Raises StoreError.
        """
        try:
            return cls._open_file(path)
        except (sqlite3.OperationalError, OSError) as error:
            raise StoreError(
                f"{path} cannot be opened or written: {error}; see that its disk has room, also for"
                " more files, and that it is ours to write, or choose another state directory with"
                " --state-dir"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path} cannot be used as hiyoko's database: {error}; move it away to begin with"
                " an empty cloud, or choose another state directory with --state-dir"
            ) from error

    @classmethod
    def _open_file(cls, path: Path | str) -> Store:
        if path != MEMORY:
            # Nobody else's to read, wherever its directory is; SQLite's other files follow it.
            Path(path).touch(mode=0o600)
        connection = sqlite3.connect(str(path), isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA busy_timeout=5000")
            # Rows stay in memory as rows; pages that are read again come from the kernel's cache.
            connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")
            connection.execute("CREATE TABLE IF NOT EXISTS revision (number INTEGER NOT NULL)")
            if connection.execute("SELECT count(*) FROM revision").fetchone()[0] == 0:
                connection.execute("INSERT INTO revision VALUES (0)")
            for table in all_tables():
                for statement in table.ddl():
                    connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return cls(connection, str(path))

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self._shared.close()
        self.connection.close()

    async def synced(self) -> None:
        """Return when every commit until now is on disk. Raises StoreError."""
        try:
            await self._shared.wait()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path} has lost what was written last: {error}; see to its disk, then stop the"
            " cloud and start it again"
        )

    def watch(self, wake: Callable[[frozenset[str]], None]) -> None:
        """Call ``wake`` after each commit with the tables that it changed, if any."""
        self._watchers.append(wake)

    @contextmanager
    def listening(self, hear: Callable[[object], None]) -> Iterator[None]:
        """Call ``hear`` with what transactions say from here to the end of the block."""
        self._listeners.append(hear)
        try:
            yield
        finally:
            self._listeners.remove(hear)

    @contextmanager
    def transaction(self, *, share_sync: bool = False) -> Iterator[Transaction]:
        """All or nothing: commits at the end of the block, rolls back when it raises.

        It is on disk then; with ``share_sync`` only once :meth:`synced` has returned, and it may
        write nothing that a reconciler looks at: what those do cannot be taken back.
        Raises StoreError when the disk takes no more.
        """
        assert self._open is None, "a transaction inside a transaction"
        if self._shared.failure is not None:
            raise self._lost(self._shared.failure)
        share_sync &= self.path != MEMORY
        if not share_sync:
            with self._transaction() as tx:
                yield tx
            return
        self.connection.execute("PRAGMA synchronous=NORMAL")
        try:
            with self._transaction() as tx:
                yield tx
                assert not tx.written, "what wakes a reconciler shares no sync"
            self._shared.committed()
        finally:
            self.connection.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        said: list[object] = []
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            revision = self.connection.execute("SELECT number FROM revision").fetchone()[0] + 1
            self._open = self._begun(revision, said if self._listeners else None)
            yield self._open
            written = self._open.written
            if written:
                self.connection.execute("UPDATE revision SET number = ?", (revision,))
            self.connection.execute("COMMIT")
            self._images.keep()
        except BaseException as error:
            self._images.undo()
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise self._explained(error) from error
            raise
        finally:
            self._open = None
        if written:
            for wake in self._watchers:
                wake(written)
        for news in said:
            for hear in list(self._listeners):
                hear(news)

    def _begun(self, revision: int, said: list[object] | None = None) -> Transaction:
        noting = _noting.get()
        read = set[str]() if noting is None else noting
        return Transaction(self.connection, revision, self._images, said, read=read)

    def _explained(self, error: sqlite3.OperationalError) -> Exception:
        """What the disk refused, with the way out; any other error as it is."""
        # The low byte is the kind (https://www.sqlite.org/rescode.html).
        if error.sqlite_errorcode & 0xFF in _DISK:
            return StoreError(
                f"{self.path} cannot be written: {error}; make room on its disk, then try again"
            )
        return error

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A consistent view for reading; what is written through it is rolled back."""
        assert self._open is None, "a reading inside a transaction"
        try:
            self.connection.execute("BEGIN")
            revision = self.connection.execute("SELECT number FROM revision").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise self._explained(error) from error
        changes = self.connection.total_changes
        self._open = self._begun(revision)
        try:
            yield self._open
        finally:
            self.connection.execute("ROLLBACK")
            if self.connection.total_changes == changes:
                self._images.keep()
            else:
                self._images.undo()
            self._open = None

    def empty(self) -> None:
        """Delete every row of every table in one transaction: the account is new again."""
        with self.transaction() as tx:
            for table in all_tables():
                table.delete(tx)
