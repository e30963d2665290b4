"""Which addresses of each subnet are taken: a bit for each, kept in step with the interfaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from socket import inet_aton

from hiyoko.services.ec2.cidr import RESERVED_HEAD, RESERVED_TAIL
from hiyoko.services.ec2.model import NetworkInterface

_HOST_BITS = 16
"""No subnet is larger, so that these bits tell its addresses apart."""


@dataclass(slots=True)
class TakenAddresses:
    """Addresses of interfaces by subnet; see :meth:`hiyoko.store.table.Table.derived`.

    Thousands of them are looked through at once: an integer has a bit for each address.
    """

    _bits: dict[str, int] = field(default_factory=dict)

    def add(self, row: NetworkInterface) -> None:
        """The interface has its address."""
        self._bits[row.subnet_id] = self.of(row.subnet_id) | bits_of([row.private_ip])

    def remove(self, row: NetworkInterface) -> None:
        """It has it no more."""
        left = self.of(row.subnet_id) & ~bits_of([row.private_ip])
        if left:
            self._bits[row.subnet_id] = left
        else:
            del self._bits[row.subnet_id]

    def of(self, subnet_id: str) -> int:
        """The subnet's, as bits."""
        return self._bits.get(subnet_id, 0)


def bits_of(addresses: Iterable[str]) -> int:
    """Addresses of one subnet as bits."""
    bits = 0
    for address in addresses:
        bits |= 1 << (int.from_bytes(inet_aton(address), "big") % (1 << _HOST_BITS))
    return bits


def lowest_free(subnet: IPv4Network, taken: int) -> int | None:
    """The lowest of the subnet's usable addresses without a bit; None when there is none."""
    base = int(subnet.network_address)
    over = taken >> (base % (1 << _HOST_BITS) + RESERVED_HEAD)
    # The lowest zero bit is where a carry ends.
    offset = RESERVED_HEAD + (~over & (over + 1)).bit_length() - 1
    return base + offset if offset < subnet.num_addresses - RESERVED_TAIL else None
