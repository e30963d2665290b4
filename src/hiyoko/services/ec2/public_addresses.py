"""The pool of public addresses: one for all accounts and regions, as there is one internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hiyoko.api import AwsError, Call
from hiyoko.services.ec2 import rows
from hiyoko.services.ec2.model import PUBLIC_POOL, PublicAddressCursor

_POOL = IPv4Network(PUBLIC_POOL)
_FIRST, _LAST = int(_POOL.network_address) + 1, int(_POOL.broadcast_address) - 1


def take_public_address(call: Call) -> str:
    """The next free address after the one given out last, so that a freed one rests a while."""
    cursor = rows.CURSORS.find(call.tx, pool=PUBLIC_POOL)
    last = int(IPv4Address(cursor.last)) if cursor else _FIRST - 1
    for number in (*range(last + 1, _LAST + 1), *range(_FIRST, last + 1)):
        address = str(IPv4Address(number))
        if _is_free(call, address):
            rows.CURSORS.put(call.tx, PublicAddressCursor(PUBLIC_POOL, address))
            return address
    raise AwsError(
        "InsufficientAddressCapacity", "There are not enough free addresses in the pool."
    )


def _is_free(call: Call, address: str) -> bool:
    return (
        rows.ADDRESSES.table.find(call.tx, public_ip=address) is None
        and rows.INTERFACES.table.find(call.tx, public_ip=address) is None
    )
