"""Rows in memory say what the file says, whatever was written, undone or written beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiyoko.store.database import Kept, Store, Transaction, noting_reads
from hiyoko.store.image import CHANGES_KEPT, Values
from hiyoko.store.table import Mark, Table


@dataclass(frozen=True, slots=True)
class Part:
    account: str
    shelf: str
    number: int
    colour: str
    words: tuple[str, ...] = ()


_KEY = ("account", "shelf", "number")
PARTS = Table("test_image_part", Part, key=_KEY, index=("colour",))
HISTORY = Table("test_image_history", Part, key=_KEY, index=("colour",), kept=2)
"""Gets the same writes as the other."""
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


class Colours:
    """Derived from the rows: how many have a colour."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, row: Part) -> None:
        self.counts[row.colour] += 1

    def remove(self, row: Part) -> None:
        self.counts[row.colour] -= 1


class Abort(Exception):
    """Ends a transaction that shall leave nothing."""


def write(tx: Transaction, verb: str, part: Part) -> None:
    for table in (PARTS, HISTORY):
        match verb:
            case "put":
                table.put(tx, part)
            case "delete":
                table.delete(tx, account=part.account, shelf=part.shelf, number=part.number)
            case "delete_colour":
                table.delete(tx, colour=part.colour)
            case "by_hand":
                tx.execute(f"DELETE FROM {table.name} WHERE number < ?", (part.number,))
    check(tx)


def check(tx: Transaction) -> None:
    """Every way to ask, against the file."""

    def told(keep: Callable[[Part], bool] = lambda part: True) -> list[Part]:
        found = tx.connection.execute(f"SELECT account, shelf, number, colour FROM {PARTS.name}")
        parts = [Part(at, shelf, n, colour, ("w",)) for at, shelf, n, colour in sorted(found)]
        return [part for part in parts if keep(part)]

    both = told(lambda one: (one.account, one.shelf) == ("2", "b"))
    assert +PARTS.derived(tx, Colours).counts == Counter(part.colour for part in told())
    one = told(lambda one: (one.account, one.shelf, one.number) == ("1", "a", 1))
    for table in (PARTS, HISTORY):
        assert table.list(tx) == told()
        assert table.list(tx, colour="red") == told(lambda one: one.colour == "red")
        assert table.list(tx, account="1") == told(lambda one: one.account == "1")
        assert table.list(tx, account="2", shelf="b") == both
        assert table.count(tx, account="2", shelf="b") == len(both)
        assert table.find(tx, account="1", shelf="a", number=1) == (one[0] if one else None)


@settings(max_examples=150, deadline=None)
@given(_blocks)
def test_what_is_told_from_memory_is_what_is_in_the_file(
    blocks: list[tuple[str, list[tuple[str, Part]]]],
) -> None:
    store = Store.open(":memory:")
    with store.reading() as tx:
        known = Known.of(tx)
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
            known = known.follow(tx)


@dataclass(frozen=True, slots=True)
class Known:
    """What somebody knows who reads only the rows that are told to have changed."""

    rows: dict[Values, Part]
    mark: Mark
    stamps: dict[str, int]

    @classmethod
    def of(cls, tx: Transaction) -> Known:
        mark, _ = PARTS.changed(tx, None)
        return cls(_by_key(PARTS.list(tx)), mark, tx.stamps([PARTS.name]))

    def follow(self, tx: Transaction) -> Known:
        """Read what changed; it is all that changed."""
        now, rows = Known.of(tx), dict(self.rows)
        _, keys = PARTS.changed(tx, self.mark)
        for key in now.rows.keys() | rows.keys() if keys is None else keys:
            if key in now.rows:
                rows[key] = now.rows[key]
            else:
                rows.pop(key, None)
        assert rows == now.rows
        assert self.rows == now.rows or not tx.unchanged(self.stamps)
        return now


def _by_key(parts: list[Part]) -> dict[Values, Part]:
    return {(part.account, part.shelf, part.number): part for part in parts}


def test_who_has_missed_too_many_writes_is_told_to_read_all() -> None:
    store = Store.open(":memory:")
    with store.reading() as tx:
        mark, _ = PARTS.changed(tx, None)
    with store.transaction() as tx:
        for number in range(CHANGES_KEPT):
            PARTS.put(tx, Part("1", "a", number, "red"))
    with store.transaction() as tx:
        assert len(PARTS.changed(tx, mark)[1] or ()) == CHANGES_KEPT
        PARTS.put(tx, Part("1", "a", 0, "blue"))
        assert PARTS.changed(tx, mark)[1] is None


def test_keys_of_writes_are_noted_for_those_who_follow() -> None:
    store = Store.open(":memory:")
    with store.transaction() as tx:
        PARTS.list(tx)
        PARTS.put(tx, Part("1", "a", 0, "red"))
        image = tx.images.find(PARTS.name)
        assert image is not None
        assert image.since(0) is None
        mark, _ = PARTS.changed(tx, None)
        PARTS.put(tx, Part("1", "a", 1, "red"))
        assert PARTS.changed(tx, mark)[1] == {("1", "a", 1)}
    store.close()


def test_what_a_part_of_a_look_reads_is_read_by_the_look_too() -> None:
    store = Store.open(":memory:")
    with noting_reads() as whole, store.reading() as tx:
        with tx.noting_reads() as part:
            PARTS.list(tx)
        with tx.noting_reads() as nothing:
            pass
    assert (part, nothing, whole) == ({PARTS.name}, set(), {PARTS.name})


def test_who_asks_whether_a_table_is_the_same_depends_on_it() -> None:
    store = Store.open(":memory:")
    with store.reading() as tx:
        stamps = tx.stamps([PARTS.name])
    with noting_reads() as read, store.reading() as tx:
        assert tx.unchanged(stamps)
    assert read == {PARTS.name}


def run(tx: Transaction, writes: list[tuple[str, Part]], *, abort: bool) -> None:
    for verb, part in writes:
        write(tx, verb, part)
    if abort:
        raise Abort


def test_of_a_table_of_history_only_the_rows_told_last_stay() -> None:
    store = Store.open(":memory:")
    with store.transaction() as tx:
        for number in range(3):
            HISTORY.put(tx, Part("1", "a", number, "red"))
    with store.reading() as tx:
        first, second, third = HISTORY.list(tx)
        assert HISTORY.find(tx, account="1", shelf="a", number=2) is third
        assert HISTORY.find(tx, account="1", shelf="a", number=1) is second
        assert HISTORY.find(tx, account="1", shelf="a", number=0) is not first
        assert tx.images.find(HISTORY.name) is None
    store.close()


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


def test_what_is_kept_is_worked_out_again_when_a_row_that_it_was_told_from_is_another() -> None:
    store, kept, works = Store.open(":memory:"), Kept[tuple[Part, ...]](), []

    def reds(tx: Transaction) -> tuple[Part, ...]:
        works.append(1)
        return tuple(PARTS.list(tx, colour="red"))

    def ask() -> tuple[Part, ...]:
        with store.reading() as tx:
            return kept.of(tx, lambda: reds(tx))

    assert ask() == ask() == ()
    part = Part("1", "a", 1, "red")
    with store.transaction() as tx:
        PARTS.put(tx, part)
    assert ask() is ask()
    assert ask() == (part,)
    assert len(works) == 2
    with noting_reads() as read:
        ask()
    assert read == {PARTS.name}  # who is woken by what it reads is woken by this too
