"""What cannot exist here, said truly: tools that look around a VPC ask for these and find none.

Asking for one by id is refused by name, and so is making one.
"""

from __future__ import annotations

from hiyoko.api import Call, Request, Response
from hiyoko.services.ec2.operation import operation

_ASKING = ("Filters", "MaxResults", "NextToken")


@operation("DescribeInstances", *_ASKING)
def describe_instances(_: Call, __: Request) -> Response:
    """No instances."""
    return {"Reservations": []}


@operation("DescribeVpcPeeringConnections", *_ASKING)
def describe_vpc_peering_connections(_: Call, __: Request) -> Response:
    """No peering."""
    return {"VpcPeeringConnections": []}


@operation("DescribeVpnGateways", *_ASKING)
def describe_vpn_gateways(_: Call, __: Request) -> Response:
    """No VPN gateways."""
    return {"VpnGateways": []}


@operation("DescribeEgressOnlyInternetGateways", *_ASKING)
def describe_egress_only_internet_gateways(_: Call, __: Request) -> Response:
    """No egress-only gateways: there is no IPv6."""
    return {"EgressOnlyInternetGateways": []}
