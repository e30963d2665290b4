"""Rows in memory say what the file says, whatever was written, undone or written beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiyoko.store.database import Store, Transaction
from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class Part:
    account: str
    shelf: str
    number: int
    colour: str
    words: tuple[str, ...] = ()


PARTS = Table("test_image_part", Part, key=("account", "shelf", "number"), index=("colour",))
_parts = st.builds(
    Part,
    st.sampled_from("12"),
    st.sampled_from("ab"),
    st.integers(0, 3),
    st.sampled_from(["red", "blue"]),
    st.just(("w",)),
)
_writes = st.one_of(
    st.tuples(st.just("put"), _parts),
    st.tuples(st.just("delete"), _parts),
    st.tuples(st.just("delete_colour"), _parts),
    st.tuples(st.just("by_hand"), _parts),
    st.tuples(st.just("read"), _parts),
)
_blocks = st.lists(
    st.tuples(st.sampled_from(["commit", "abort", "part", "peek"]), st.lists(_writes, max_size=6)),
    max_size=8,
)


class Abort(Exception):
    """Ends a transaction that shall leave nothing."""


def write(tx: Transaction, verb: str, part: Part) -> None:
    match verb:
        case "put":
            PARTS.put(tx, part)
        case "delete":
            PARTS.delete(tx, account=part.account, shelf=part.shelf, number=part.number)
        case "delete_colour":
            PARTS.delete(tx, colour=part.colour)
        case "by_hand":
            tx.execute(f"DELETE FROM {PARTS.name} WHERE number < ?", (part.number,))
    check(tx)


def check(tx: Transaction) -> None:
    """Every way to ask, against the file."""

    def told(keep: Callable[[Part], bool] = lambda part: True) -> list[Part]:
        found = tx.connection.execute(f"SELECT account, shelf, number, colour FROM {PARTS.name}")
        parts = [Part(at, shelf, n, colour, ("w",)) for at, shelf, n, colour in sorted(found)]
        return [part for part in parts if keep(part)]

    assert PARTS.list(tx) == told()
    assert PARTS.list(tx, colour="red") == told(lambda one: one.colour == "red")
    assert PARTS.list(tx, account="1") == told(lambda one: one.account == "1")
    both = told(lambda one: (one.account, one.shelf) == ("2", "b"))
    assert PARTS.list(tx, account="2", shelf="b") == both
    assert PARTS.count(tx, account="2", shelf="b") == len(both)
    one = told(lambda one: (one.account, one.shelf, one.number) == ("1", "a", 1))
    assert PARTS.find(tx, account="1", shelf="a", number=1) == (one[0] if one else None)


@settings(max_examples=150, deadline=None)
@given(_blocks)
def test_what_is_told_from_memory_is_what_is_in_the_file(
    blocks: list[tuple[str, list[tuple[str, Part]]]],
) -> None:
    store = Store.open(":memory:")
    for end, writes in blocks:
        if end == "peek":
            with store.reading() as tx:
                for verb, part in writes:
                    write(tx, verb, part)
            continue
        try:
            with store.transaction() as tx:
                if end == "part":
                    with pytest.raises(Abort), tx.savepoint():
                        run(tx, writes, abort=True)
                    check(tx)
                run(tx, writes, abort=end == "abort")
        except Abort:
            assert end == "abort"
        with store.reading() as tx:
            check(tx)


def run(tx: Transaction, writes: list[tuple[str, Part]], *, abort: bool) -> None:
    for verb, part in writes:
        write(tx, verb, part)
    if abort:
        raise Abort


def test_a_row_stays_the_same_object_until_it_is_written() -> None:
    store = Store.open(":memory:")
    one, other = Part("1", "a", 1, "red"), Part("1", "a", 2, "red")
    with store.transaction() as tx:
        PARTS.put(tx, one)
        PARTS.put(tx, other)
    with store.reading() as tx:
        first, second = PARTS.list(tx)
    with store.transaction() as tx:
        assert not PARTS.put(tx, one)
        assert PARTS.put(tx, Part("1", "a", 2, "blue"))
    with store.reading() as tx:
        again, changed = PARTS.list(tx)
    assert again is first
    assert changed is not second


def test_what_is_read_is_what_a_restart_reads() -> None:
    store = Store.open(":memory:")
    with store.transaction() as tx:
        PARTS.put(tx, Part("1", "a", 1, "red", ["w"]))  # type: ignore[arg-type]
        assert PARTS.list(tx)[0].words == ("w",)
