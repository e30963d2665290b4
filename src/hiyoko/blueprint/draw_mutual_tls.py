"""From a listener's wish and its trust store to what is asked of clients' certificates."""

from __future__ import annotations

from collections.abc import Iterable

from hiyoko.blueprint.balancers import MutualTls
from hiyoko.services.elbv2.model import MutualAuthentication, TrustStore, TrustStoreRevocation


def draw_mutual_tls(
    wish: MutualAuthentication | None,
    stores: Iterable[TrustStore],
    revocations: Iterable[TrustStoreRevocation],
) -> MutualTls | None:
    """None when nothing is asked. A trust store in use cannot be deleted, so it is there."""
    if wish is None:
        return None
    if wish.mode == "passthrough":
        return MutualTls("passthrough")
    bundle = next(store.ca_bundle for store in stores if store.arn == wish.trust_store_arn)
    lists = sorted(
        (row for row in revocations if row.trust_store_arn == wish.trust_store_arn),
        key=lambda row: row.revocation_id,
    )
    return MutualTls(
        "verify",
        ca_bundle=bundle,
        crls="".join(row.crl for row in lists),
        ignore_expiry=wish.ignore_expiry,
        advertise=wish.advertise,
    )
