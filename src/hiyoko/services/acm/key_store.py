"""Where private keys are kept: outside the database, by whoever the composition says.

An operation is one transaction, and a file takes no part in it. So a key is written, under a name
that nobody knows yet, before the row that names it is committed: a crash between the two leaves a
key that no row names, and the certificate reconciler deletes it. A row never names a key that is
not on disk.
"""

from __future__ import annotations

from typing import Protocol


class KeyStore(Protocol):
    """Private keys, as unencrypted PKCS 8 PEM that only we can read."""

    def hold(self, key_pem: bytes) -> str:
        """Keep a key on disk from now on, and return the name that it has there."""
        ...

    def secret(self, purpose: str) -> bytes:
        """32 bytes that nobody can guess: the same ones for the same purpose, and kept nowhere."""
        ...

    def private_key(self, arn: str) -> bytes | None:
        """The key of a certificate that was issued here; None when there is none."""
        ...


_store: list[KeyStore] = []


def use_key_store(store: KeyStore) -> None:
    """Say where keys are kept; the last word holds."""
    _store[:] = [store]


def key_store() -> KeyStore:
    """Where keys are kept."""
    assert _store, "nobody said where private keys are kept"
    return _store[0]
