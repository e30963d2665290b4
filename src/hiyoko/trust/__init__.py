"""Trust stores of this machine: the world's root goes in on request, and comes out again.

- ``stores``  the system's store, NSS databases (Chromium, Firefox): look, put, drop
- ``anchor``  which certificate: the root, or one of the same key that is good for some domains only

Everything that is put somewhere carries our mark in its name, and only what carries it is dropped.
"""

from hiyoko.trust.anchor import Anchor, anchor_for
from hiyoko.trust.stores import NssStore, Store, SystemStore, TrustError, put_into_nss, stores

__all__ = [
    "Anchor",
    "NssStore",
    "Store",
    "SystemStore",
    "TrustError",
    "anchor_for",
    "put_into_nss",
    "stores",
]
