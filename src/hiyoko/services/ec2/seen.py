"""What was seen: by ``reconcile.network``, and by ``reconcile.endpoints`` who listens where."""

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


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """The service answers in the endpoint interface's namespace, since this moment."""

    eni_id: str
    seen_at: float


ENDPOINTS_SEEN = Table("ec2_endpoint_seen", EndpointSeen, key=("eni_id",))
INTERFACES_SEEN = Table("ec2_interface_seen", InterfaceSeen, key=("eni_id",))
NAT_GATEWAYS_SEEN = Table("ec2_nat_gateway_seen", NatGatewaySeen, key=("nat_gateway_id",))
VPCS_SEEN = Table("ec2_vpc_seen", VpcSeen, key=("vpc_id",))
