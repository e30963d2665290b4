"""What the network reconciler saw. Only ``reconcile.network`` writes these rows."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class InterfaceSeen:
    """The interface stands in the kernel, both gates in place, since this moment."""

    eni_id: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class NatGatewaySeen:
    """The NAT gateway's namespace translates, since this moment."""

    nat_gateway_id: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class VpcSeen:
    """The VPC's router namespace stands, since this moment."""

    vpc_id: str
    seen_at: float


INTERFACES_SEEN = Table("ec2_interface_seen", InterfaceSeen, key=("eni_id",))
NAT_GATEWAYS_SEEN = Table("ec2_nat_gateway_seen", NatGatewaySeen, key=("nat_gateway_id",))
VPCS_SEEN = Table("ec2_vpc_seen", VpcSeen, key=("vpc_id",))
