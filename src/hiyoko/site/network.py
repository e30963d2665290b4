"""The VPC: subnets, ways out, who may talk to whom, and names inside."""

from __future__ import annotations

from ipaddress import IPv4Network

from hiyoko.site import endpoints
from hiyoko.site.model import Site
from hiyoko.site.nodes import Node, att, logical, no_egress, ref
from hiyoko.site.nodes import named as _named
from hiyoko.site.nodes import resource as _resource
from hiyoko.site.nodes import rule as _rule

NAME_TTL_S = 10
"""How long somebody may go to a task that has left."""


def subnet_cidrs(site: Site) -> tuple[list[IPv4Network], list[IPv4Network]]:
    """Public and private subnets, one a zone: /24 where the VPC is large enough, else 16 parts."""
    whole = IPv4Network(site.network.cidr)
    parts = list(whole.subnets(new_prefix=max(24, whole.prefixlen + 4)))
    zones = site.network.zones
    return parts[:zones], parts[8 : 8 + zones]


def vpc(site: Site) -> dict[str, Node]:
    """The VPC and its internet gateway."""
    return {
        "Vpc": _resource(
            "AWS::EC2::VPC",
            {
                "CidrBlock": site.network.cidr,
                "EnableDnsSupport": True,
                "EnableDnsHostnames": True,
                "Tags": _named("vpc"),
            },
        ),
        "InternetGateway": _resource("AWS::EC2::InternetGateway", {"Tags": _named("igw")}),
        "InternetGatewayAttachment": _resource(
            "AWS::EC2::VPCGatewayAttachment",
            {"VpcId": ref("Vpc"), "InternetGatewayId": ref("InternetGateway")},
        ),
    }


def _subnets(cidrs: list[IPv4Network], kind: str) -> dict[str, Node]:
    resources: dict[str, Node] = {}
    for index, cidr in enumerate(cidrs):
        name = f"{kind}Subnet{index + 1}"
        resources[name] = _resource(
            "AWS::EC2::Subnet",
            {
                "VpcId": ref("Vpc"),
                "CidrBlock": str(cidr),
                "AvailabilityZone": {"Fn::Select": [index, {"Fn::GetAZs": ""}]},
                "Tags": _named(f"{kind.lower()}-{index + 1}"),
            },
        )
        resources[f"{name}RouteTableAssociation"] = _resource(
            "AWS::EC2::SubnetRouteTableAssociation",
            {"SubnetId": ref(name), "RouteTableId": ref(f"{kind}RouteTable")},
        )
    return resources


def _table(kind: str) -> Node:
    return _resource("AWS::EC2::RouteTable", {"VpcId": ref("Vpc"), "Tags": _named(kind.lower())})


def public(site: Site) -> dict[str, Node]:
    """Public subnets and their route table."""
    return {
        "PublicRouteTable": _table("Public"),
        "PublicDefaultRoute": _resource(
            "AWS::EC2::Route",
            {
                "RouteTableId": ref("PublicRouteTable"),
                "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": ref("InternetGateway"),
            },
            DependsOn="InternetGatewayAttachment",
        ),
        **_subnets(subnet_cidrs(site)[0], "Public"),
    }


def private(site: Site) -> dict[str, Node]:
    """Private subnets, their route table and the NAT gateway that it leads to."""
    return {
        "NatAddress": _resource(
            "AWS::EC2::EIP",
            {"Domain": "vpc", "Tags": _named("nat")},
            DependsOn="InternetGatewayAttachment",
        ),
        "NatGateway": _resource(
            "AWS::EC2::NatGateway",
            {
                "AllocationId": att("NatAddress", "AllocationId"),
                "SubnetId": ref("PublicSubnet1"),
                "Tags": _named("nat"),
            },
            # Also when all of it goes: a task's last words leave through the gateway.
            DependsOn=["PublicDefaultRoute", "PublicSubnet1RouteTableAssociation"],
        ),
        "PrivateRouteTable": _table("Private"),
        "PrivateDefaultRoute": _resource(
            "AWS::EC2::Route",
            {
                "RouteTableId": ref("PrivateRouteTable"),
                "DestinationCidrBlock": "0.0.0.0/0",
                "NatGatewayId": ref("NatGateway"),
            },
        ),
        **_subnets(subnet_cidrs(site)[1], "Private"),
    }


def enclosed(site: Site) -> dict[str, Node]:
    """Private subnets whose route table leads nowhere else."""
    return {"PrivateRouteTable": _table("Private"), **_subnets(subnet_cidrs(site)[1], "Private")}


def _egress(site: Site) -> list[Node]:
    if site.egress == "endpoints":
        return endpoints.egress()
    outside = [
        _rule(item.protocol, item.port, f"{item.protocol} {item.port} to outside", CidrIp=item.to)
        for item in site.egress
    ]
    return outside or [no_egress()]


def _ports(site: Site) -> list[int]:
    return sorted({service.expose for service in site.services.values()})


def groups(site: Site) -> dict[str, Node]:
    """Security groups of load balancer and tasks, chained."""
    private = subnet_cidrs(site)[1]
    return {
        "LoadBalancerSecurityGroup": _resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Load balancer: HTTP and HTTPS from everywhere",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    _rule("tcp", 80, "HTTP, only to be redirected", CidrIp="0.0.0.0/0"),
                    _rule("tcp", 443, "HTTPS", CidrIp="0.0.0.0/0"),
                ],
                "SecurityGroupEgress": [
                    _rule("tcp", port, "to tasks", CidrIp=str(cidr))
                    for port in _ports(site)
                    for cidr in private
                ],
                "Tags": _named("load-balancer"),
            },
        ),
        "TaskSecurityGroup": _resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Tasks: reached by the load balancer only",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    _rule(
                        "tcp",
                        port,
                        "from the load balancer",
                        SourceSecurityGroupId=att("LoadBalancerSecurityGroup", "GroupId"),
                    )
                    for port in _ports(site)
                ],
                "SecurityGroupEgress": _egress(site),
                "Tags": _named("task"),
            },
        ),
    }


def open_groups(site: Site) -> dict[str, Node]:
    """The security group of tasks that have a public address."""
    return {
        "TaskSecurityGroup": _resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Tasks: reached from everywhere",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    _rule("tcp", port, "from everywhere", CidrIp="0.0.0.0/0")
                    for port in _ports(site)
                ],
                "SecurityGroupEgress": _egress(site),
                "Tags": _named("task"),
            },
        )
    }


def discovery(site: Site) -> dict[str, Node]:
    """A private domain with a name for each service, and leave for tasks to talk to each other."""
    group = att("TaskSecurityGroup", "GroupId")
    found = {
        "PrivateDomain": _resource(
            "AWS::ServiceDiscovery::PrivateDnsNamespace",
            {"Name": site.private_domain, "Vpc": ref("Vpc")},
        )
    }
    for port in _ports(site):
        found[f"TaskToTask{port}Ingress"] = _resource(
            "AWS::EC2::SecurityGroupIngress",
            {"GroupId": group, **_rule("tcp", port, "from tasks", SourceSecurityGroupId=group)},
        )
        found[f"TaskToTask{port}Egress"] = _resource(
            "AWS::EC2::SecurityGroupEgress",
            {"GroupId": group, **_rule("tcp", port, "to tasks", DestinationSecurityGroupId=group)},
        )
    for name in site.services:
        found[f"{logical(name)}Name"] = _resource(
            "AWS::ServiceDiscovery::Service",
            {
                "Name": name,
                "NamespaceId": ref("PrivateDomain"),
                "DnsConfig": {
                    "RoutingPolicy": "MULTIVALUE",
                    "DnsRecords": [{"Type": "A", "TTL": NAME_TTL_S}],
                },
            },
        )
    return found
