"""What was seen of endpoints' addresses and of logging (written by reconcilers only)."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """The DNS server has a socket at this interface of an endpoint, since this moment."""

    eni_id: str
    seen_at: float


ADDRESSES_SEEN = Table("route53resolver_address_seen", AddressSeen, key=("eni_id",))
