from __future__ import annotations

from hiyoko.api import Call
from hiyoko.plane import addresses
from hiyoko.services.ec2 import rows
from hiyoko.services.ec2.model import PUBLIC_POOL, Address, PublicAddressCursor
from hiyoko.services.ec2.public_addresses import take_public_address
from hiyoko.store.database import Store


def test_the_pool_is_the_one_of_the_simulated_internet() -> None:
    assert str(addresses.PUBLIC_POOL) == PUBLIC_POOL


def test_after_the_last_address_come_the_free_ones_from_the_start() -> None:
    with Store.open(":memory:").transaction() as tx:
        call = Call(tx=tx, service="ec2", operation="AllocateAddress")
        rows.CURSORS.put(tx, PublicAddressCursor(PUBLIC_POOL, "198.19.255.253"))
        first = Address(call.account, call.region, "eipalloc-1", "198.19.0.1")
        rows.ADDRESSES.put(call, first)
        assert take_public_address(call) == "198.19.255.254"
        assert take_public_address(call) == "198.19.0.2"
