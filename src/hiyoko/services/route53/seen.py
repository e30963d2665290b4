"""What the zone reconciler saw of the DNS server. Only ``reconcile.zones`` writes these rows."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class ServedSeen:
    """The DNS server answers from the zones drawn at this store revision (``key`` is ``dns``).

    ``digest`` is the zone set's: the same one serves later revisions that changed no zone.
    """

    key: str
    revision: int
    seen_at: float
    digest: str = ""


@dataclass(frozen=True, slots=True)
class DelegationSeen:
    """The parent on the simulated internet delegates this public zone to its name servers."""

    zone_id: str
    parent: str
    seen_at: float


SERVED_SEEN = Table("route53_served_seen", ServedSeen, key=("key",))
DELEGATIONS_SEEN = Table("route53_delegation_seen", DelegationSeen, key=("zone_id",))
