"""Where layers are kept: outside the database, by whoever the composition says.

A layer is on disk before the row that names it is committed; one that no row names is collected.
"""

from __future__ import annotations

from typing import Protocol


class LayerStore(Protocol):
    """Blobs by digest, and uploads by a name of ours (a UUID)."""

    def size(self, digest: str) -> int | None:
        """How many bytes a blob has; None when it is not there."""
        ...

    def add(self, data: bytes) -> str:
        """Keep a small blob and return its digest."""
        ...

    def begin(self) -> str:
        """Begin an upload."""
        ...

    def received(self, upload: str) -> int | None:
        """How many bytes have come; None when there is no such upload."""
        ...

    def append(self, upload: str, data: bytes) -> None:
        """Add bytes at the end."""
        ...

    def finish(self, upload: str, digest: str) -> str:
        """End an upload; the digest that it has, and only if that is the wished one, it is kept."""
        ...


_store: list[LayerStore] = []


def use_layer_store(store: LayerStore) -> None:
    """Say where layers are kept; the last word holds."""
    _store[:] = [store]


def layer_store() -> LayerStore:
    """Where layers are kept."""
    assert _store, "nobody said where layers are kept"
    return _store[0]
