"""One task's change writes and asks the same, however many tasks there are beside it.

Counted, not timed: the model of ``bench/control_plane.py``, in which everything but the planes is
the real thing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bench.control_plane import Model

from hiyoko.store.database import Store

SIZES = (2, 50)


@contextmanager
def statements(store: Store) -> Iterator[Counter[str]]:
    """The SQL statements that reach SQLite, by their first words."""
    seen: Counter[str] = Counter()
    store.connection.set_trace_callback(lambda sql: seen.update([" ".join(sql.split()[:3])]))
    try:
        yield seen
    finally:
        store.connection.set_trace_callback(None)


def model_at_rest(tasks: int) -> Model:
    model = Model(Store.open(":memory:"))
    model.build(tasks)
    model.schedule()
    return model


def replacement(tasks: int) -> tuple[Counter[str], int]:
    """What the replacement of one task takes: statements, and steps of the scheduler."""
    model = model_at_rest(tasks)
    model.end_one(0)
    steps = 0
    with statements(model.store) as seen:
        while done := asyncio.run(model.scheduler.activate()).steps:
            steps += len(done)
            model.play()
    return seen, steps


def test_a_task_is_replaced_by_as_many_statements_whatever_is_beside_it() -> None:
    (few, few_steps), (many, many_steps) = (replacement(size) for size in SIZES)
    assert few_steps == many_steps > 0
    assert many == few


def looks(tasks: int) -> dict[str, Counter[str]]:
    """What each reader asks the database for once a task has ended."""
    model = model_at_rest(tasks)
    for _, look in model.readers():
        look()
    model.end_one(0)
    found = {}
    for name, look in reversed(list(model.readers())):
        with statements(model.store) as seen:
            look()
        found[name] = seen
    return found


def test_a_look_after_one_change_asks_the_database_as_often() -> None:
    few, many = (looks(size) for size in SIZES)
    assert many == few
    assert few["blueprint of the network"].total() <= 3  # begin, the revision, end: rows are kept
