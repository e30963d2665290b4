"""Which tables a commit has changed, and which a look has read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from hiyoko.store.database import Store, Transaction, noting_reads
from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class Leaf:
    key: str
    text: str = ""


ONE = Table("test_reads_one", Leaf, key=("key",))
TWO = Table("test_reads_two", Leaf, key=("key",))


@pytest.fixture
def store() -> Store:
    store = Store.open(":memory:")
    with store.transaction() as tx:
        ONE.insert(tx, Leaf("a"))
    return store


def changed(store: Store) -> list[frozenset[str]]:
    found: list[frozenset[str]] = []
    store.watch(found.append)
    return found


def test_a_commit_tells_the_tables_that_it_changed(store: Store) -> None:
    found = changed(store)
    with store.transaction() as tx:
        ONE.put(tx, Leaf("a", "other"))
        TWO.insert(tx, Leaf("b"))
    with store.transaction() as tx:
        TWO.delete(tx, key="b")
    with store.transaction() as tx:
        tx.execute(f"DELETE FROM {ONE.name} WHERE key = ?", ("a",))
    assert found == [{ONE.name, TWO.name}, {TWO.name}, {ONE.name}]


def test_what_changes_nothing_is_not_told(store: Store) -> None:
    found = changed(store)
    with store.transaction() as tx:
        ONE.put(tx, Leaf("a"))
        TWO.delete(tx, key="nobody")
        tx.execute(f"DELETE FROM {TWO.name} WHERE key = ?", ("nobody",))
    assert found == []


def write_and_fail(tx: Transaction) -> None:
    with tx.savepoint():
        ONE.put(tx, Leaf("c"))
        raise ValueError("undone")


def test_unobserved_and_undone_writes_are_not_told_beside_others(store: Store) -> None:
    found = changed(store)
    with store.transaction() as tx:
        with tx.unobserved():
            ONE.put(tx, Leaf("a", "other"))
        with pytest.raises(ValueError, match="undone"):
            write_and_fail(tx)
        TWO.insert(tx, Leaf("b"))
    assert found == [{TWO.name}]


def statement(tx: Transaction) -> object:
    return tx.execute(f"SELECT count(*) FROM {TWO.name} JOIN {ONE.name} USING (key)").fetchone()


@pytest.mark.parametrize(
    ("look", "tables"),
    [
        (lambda tx: ONE.list(tx), {ONE.name}),
        (lambda tx: ONE.find(tx, key="a"), {ONE.name}),
        (lambda tx: TWO.count(tx, key="nobody"), {TWO.name}),
        (statement, {ONE.name, TWO.name}),
    ],
)
def test_a_look_is_known_by_its_tables(store: Store, look: object, tables: set[str]) -> None:
    assert callable(look)
    with noting_reads() as read:
        for begin in (store.reading, store.transaction):
            with begin() as tx:
                look(tx)
            assert read == tables
            read.clear()
    with store.reading() as tx:
        look(tx)
    assert read == set()  # it was over


async def test_looks_that_go_on_beside_each_other_are_told_apart(store: Store) -> None:
    async def look(table: Table[Leaf]) -> set[str]:
        with noting_reads() as read:
            for _ in range(2):
                await asyncio.sleep(0)
                with store.reading() as tx:
                    table.list(tx)
        return read

    one, two = await asyncio.gather(look(ONE), look(TWO))
    assert (one, two) == ({ONE.name}, {TWO.name})
