"""A part of a transaction that fails by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hiyoko.store.database import Store, Transaction
from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class Note:
    key: str


NOTES = Table("test_savepoint_note", Note, key=("key",))


def write_and_fail(tx: Transaction, key: str, *, within: str = "") -> None:
    with tx.savepoint():
        if within:
            failing(tx, within)
        NOTES.insert(tx, Note(key))
        raise ValueError(key)


def failing(tx: Transaction, key: str, *, within: str = "") -> None:
    with pytest.raises(ValueError, match=key):
        write_and_fail(tx, key, within=within)


def test_what_a_failed_part_wrote_is_undone_and_the_rest_stays() -> None:
    store = Store.open(":memory:")
    with store.transaction() as tx:
        NOTES.insert(tx, Note("before"))
        failing(tx, "part")
        with tx.savepoint():
            NOTES.insert(tx, Note("after"))
    with store.reading() as tx:
        assert [note.key for note in NOTES.list(tx)] == ["after", "before"]


def test_a_commit_of_nothing_but_failed_parts_wakes_nobody() -> None:
    store = Store.open(":memory:")
    woken: list[int] = []
    store.watch(lambda _: woken.append(1))
    with store.transaction() as tx:
        failing(tx, "a")
        failing(tx, "c", within="b")
    assert not woken
    with store.transaction() as tx:
        failing(tx, "a")
        NOTES.insert(tx, Note("d"))
    assert woken == [1]


def test_a_commit_of_unobserved_writes_wakes_nobody() -> None:
    store = Store.open(":memory:")
    woken: list[int] = []
    store.watch(lambda _: woken.append(1))
    with store.transaction() as tx, tx.unobserved():
        NOTES.insert(tx, Note("a"))
    assert not woken
    with store.transaction() as tx:
        with tx.unobserved():
            NOTES.insert(tx, Note("b"))
        NOTES.insert(tx, Note("c"))
    assert woken == [1]
    with store.reading() as tx:
        assert len(NOTES.list(tx)) == 3
