"""What all tests share."""

from __future__ import annotations

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
    """Close what a test has opened: SQLite's connections warn when nobody does (Python 3.13)."""
    opened: list[Store] = []
    make = Store.open

    def open_store(path: Path | str) -> Store:
        opened.append(make(path))
        return opened[-1]

    monkeypatch.setattr(Store, "open", open_store)
    yield
    for store in opened:
        store.close()
