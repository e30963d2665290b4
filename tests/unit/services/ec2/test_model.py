from __future__ import annotations

from dataclasses import replace

import pytest

from hiyoko.services.ec2.model import NatGateway

NAT = NatGateway(
    account="123456789012",
    region="ap-northeast-1",
    nat_gateway_id="nat-1",
    vpc_id="vpc-1",
    subnet_id="subnet-1",
    zone="ap-northeast-1a",
    allocation_id="eipalloc-1",
    created_at=1000.0,
)
FAILED = replace(NAT, failure_code="Gateway.NotAttached", failure_message="no")
DELETED = replace(NAT, deleted_at=2000.0)


@pytest.mark.parametrize(
    ("nat", "seen", "state"),
    [
        (NAT, False, "pending"),
        (NAT, True, "available"),
        (FAILED, False, "failed"),
        (DELETED, True, "deleting"),
        (DELETED, False, "deleted"),
        (replace(FAILED, deleted_at=2000.0), False, "deleted"),
    ],
)
def test_a_nat_gateways_state_follows_from_wish_and_sight(
    nat: NatGateway, seen: bool, state: str
) -> None:
    assert nat.state(seen) == state


def test_failed_and_deleted_ones_are_listed_for_an_hour() -> None:
    assert NAT.listed(1e9)
    assert FAILED.listed(4599.0)
    assert not FAILED.listed(4600.0)
    assert DELETED.listed(5599.0)
    assert not DELETED.listed(5600.0)
