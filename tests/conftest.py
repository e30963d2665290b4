"""What all tests share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hiyoko.store.database import Store

# An example's time says how loaded the machine is, nothing of the code.
settings.register_profile(
    "hiyoko",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hiyoko")


@pytest.fixture(autouse=True)
def databases_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test has opened: SQLite's connections warn when nobody does (Python 3.13).

    A thread has to close its own: no other may.
    """
    opened: list[Store] = []
    make = Store.open

    def open_store(path: Path | str) -> Store:
        store = make(path)
        if threading.current_thread() is threading.main_thread():
            opened.append(store)
        return store

    monkeypatch.setattr(Store, "open", open_store)
    yield
    for store in opened:
        store.close()
