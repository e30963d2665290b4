"""CreateLoadBalancer and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.elbv2 import attributes, errors, rows, views
from hiyoko.services.elbv2.log_delivery import check_delivery
from hiyoko.services.elbv2.model import LoadBalancer, Node
from hiyoko.services.elbv2.requests import check_arn, check_name, only, page, parse_tags
from hiyoko.services.elbv2.seen import NODES_SEEN
from hiyoko.store.database import Transaction

Subnet = dict[str, Any]

BALANCERS_MAX = 50
_CREATE = frozenset(
    [
        "Name",
        "Subnets",
        "SubnetMappings",
        "SecurityGroups",
        "Scheme",
        "Tags",
        "Type",
        "IpAddressType",
    ]
)


def state(tx: Transaction, row: LoadBalancer) -> str:
    """``active`` once the HAProxy of every node was seen running, ``provisioning`` until then.

    A node that a later SetSubnets added does not take the balancer back to provisioning.
    """
    seen = {node.eni_id for node in NODES_SEEN.list(tx, balancer_arn=row.arn)}
    return (
        "active"
        if any(node.eni_id in seen for node in row.nodes)
        and seen.issuperset(node.eni_id for node in row.nodes)
        else "provisioning"
    )


def view(tx: Transaction, row: LoadBalancer) -> dict[str, Any]:
    """The API's shape of a load balancer."""
    return views.load_balancer(row, state(tx, row))


@operation("CreateLoadBalancer")
def create_load_balancer(call: Call, request: Request) -> Response:
    """Record the balancer and its interfaces. The same settings again return the first one."""
    only(request, _CREATE)
    name = request["Name"]
    check_name("Load balancer", name)
    if name.startswith("internal-"):
        raise errors.validation(f"The load balancer name '{name}' cannot begin with 'internal-'")
    if (kind := request.get("Type") or "application") != "application":
        raise unsupported("Type", kind)
    if (family := request.get("IpAddressType") or "ipv4") != "ipv4":
        raise unsupported("IpAddressType", family)
    tags = parse_tags(request.get("Tags") or [])
    scheme = request.get("Scheme") or "internet-facing"
    subnets = _subnets(call, _subnet_ids(request))
    vpc_id = subnets[0]["VpcId"]
    groups = _security_groups(call, vpc_id, request.get("SecurityGroups") or [])
    existing = rows.find_load_balancer(call.tx, call.account, call.region, name)
    if existing is not None:
        same = (
            existing.scheme == scheme
            and {n.subnet_id for n in existing.nodes} == {s["SubnetId"] for s in subnets}
            and set(existing.security_groups) == set(groups)
            and dict(existing.tags) == dict(tags)
        )
        if not same:
            raise errors.duplicate_load_balancer(name)
        return {"LoadBalancers": [view(call.tx, existing)]}
    if len(rows.list_load_balancers(call.tx, call.account, call.region)) >= BALANCERS_MAX:
        raise errors.too_many("TooManyLoadBalancers", "The limit of load balancers is reached")
    if scheme == "internet-facing":
        _check_internet_gateway(call, vpc_id)
    row = _new(call, name, scheme, vpc_id, groups)
    nodes = tuple(_node(call, row, subnet) for subnet in subnets)
    row = replace(row, nodes=nodes, tags=tags)
    rows.LOAD_BALANCERS.insert(call.tx, row)
    return {"LoadBalancers": [view(call.tx, row)]}


def _new(call: Call, name: str, scheme: str, vpc_id: str, groups: tuple[str, ...]) -> LoadBalancer:
    prefix = "internal-" if scheme == "internal" else ""
    number = call.ids.digits(10)
    return LoadBalancer(
        arn=call.arn("elasticloadbalancing", f"loadbalancer/app/{name}/{call.ids.hex(16)}"),
        account=call.account,
        region=call.region,
        name=name,
        dns_name=f"{prefix}{name}-{number}.{call.region}.elb.amazonaws.com",
        scheme=scheme,
        vpc_id=vpc_id,
        security_groups=groups,
        nodes=(),
        created_at=call.now,
    )


def _subnet_ids(request: Request) -> list[str]:
    mappings = request.get("SubnetMappings") or []
    given = request.get("Subnets") or []
    if mappings and given:
        raise errors.validation("You must specify either subnets or subnet mappings, not both")
    for mapping in mappings:
        only(mapping, {"SubnetId"})
    ids = list(dict.fromkeys([*given, *(mapping["SubnetId"] for mapping in mappings)]))
    if len(ids) < 2:
        raise errors.validation(
            "At least two subnets in two different Availability Zones must be specified"
        )
    return ids


def _subnets(call: Call, subnet_ids: Sequence[str]) -> list[Subnet]:
    found: list[Subnet] = []
    for subnet_id in subnet_ids:
        try:
            answer = call.invoke("ec2", "DescribeSubnets", {"SubnetIds": [subnet_id]})
        except AwsError as error:
            if "NotFound" in error.code or "Malformed" in error.code:
                raise errors.subnet_not_found(subnet_id) from error
            raise
        found.extend(answer["Subnets"])
    if len({subnet["VpcId"] for subnet in found}) > 1:
        raise errors.invalid_configuration("All subnets must belong to the same VPC")
    zones = [subnet["AvailabilityZone"] for subnet in found]
    if len(set(zones)) < len(zones):
        raise errors.invalid_configuration(
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        )
    for subnet in found:
        if subnet["AvailableIpAddressCount"] < 8:
            raise AwsError(
                "InvalidSubnet",
                f"Not enough IP space available in {subnet['SubnetId']}. ELB requires at least "
                "8 free IP addresses in each subnet.",
            )
    return found


def _security_groups(call: Call, vpc_id: str, group_ids: Sequence[str]) -> tuple[str, ...]:
    if not group_ids:
        names = [
            {"Name": "vpc-id", "Values": [vpc_id]},
            {"Name": "group-name", "Values": ["default"]},
        ]
        answer = call.invoke("ec2", "DescribeSecurityGroups", {"Filters": names})
        return tuple(group["GroupId"] for group in answer["SecurityGroups"])
    try:
        answer = call.invoke("ec2", "DescribeSecurityGroups", {"GroupIds": list(group_ids)})
    except AwsError as error:
        if "Group" in error.code:
            message = "One or more security groups are invalid"
            raise errors.invalid_configuration(message) from error
        raise
    for group in answer["SecurityGroups"]:
        if group["VpcId"] != vpc_id:
            raise errors.invalid_configuration(
                f"Security group '{group['GroupId']}' does not belong to VPC '{vpc_id}'"
            )
    return tuple(dict.fromkeys(group_ids))


def _check_internet_gateway(call: Call, vpc_id: str) -> None:
    filters = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    answer = call.invoke("ec2", "DescribeInternetGateways", {"Filters": filters})
    if not answer["InternetGateways"]:
        raise AwsError("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")


def _node(call: Call, row: LoadBalancer, subnet: Subnet) -> Node:
    made = call.invoke(
        "ec2",
        "_CreateManagedInterface",
        {
            "SubnetId": subnet["SubnetId"],
            "Groups": list(row.security_groups),
            "Description": f"ELB {row.full_name}",
            "RequesterId": "amazon-elb",
            "InterfaceType": "interface",
            "AssociatePublicIp": row.scheme == "internet-facing",
        },
    )
    return Node(
        subnet_id=subnet["SubnetId"],
        zone=subnet["AvailabilityZone"],
        eni_id=made["NetworkInterfaceId"],
        private_ip=made["PrivateIpAddress"],
        public_ip=made.get("PublicIp"),
    )


@operation("DescribeLoadBalancers")
def describe_load_balancers(call: Call, request: Request) -> Response:
    """All, or those of the given ARNs or names; a missing one is an error."""
    arns, names = request.get("LoadBalancerArns") or [], request.get("Names") or []
    if arns and names:
        raise errors.validation(
            "Load balancer names and load balancer ARNs cannot be specified at the same time"
        )
    for arn in arns:
        check_arn("load balancer", arn)
    found = rows.list_load_balancers(call.tx, call.account, call.region)
    if arns or names:
        found = [row for row in found if row.arn in arns or row.name in names]
        if len(found) < len({*arns, *names}):
            raise errors.load_balancer_not_found()
    shown, more = page("LoadBalancers", found, request)
    return {"LoadBalancers": [view(call.tx, row) for row in shown], **more}


@operation("DeleteLoadBalancer")
def delete_load_balancer(call: Call, request: Request) -> Response:
    """Delete the balancer with its listeners, rules and interfaces; a missing one is no error."""
    check_arn("load balancer", request["LoadBalancerArn"])
    row = rows.LOAD_BALANCERS.find(call.tx, arn=request["LoadBalancerArn"])
    if row is None:
        return {}
    if row.attributes.get("deletion_protection.enabled") == "true":
        raise errors.operation_not_permitted(
            f"Load balancer '{row.arn}' cannot be deleted because deletion protection is enabled"
        )
    for listener in rows.list_listeners(call.tx, row.arn):
        rows.RULES.delete(call.tx, listener_arn=listener.arn)
    rows.LISTENERS.delete(call.tx, balancer_arn=row.arn)
    for node in row.nodes:
        _drop_node(call, node)
    rows.LOAD_BALANCERS.delete(call.tx, arn=row.arn)
    return {}


def _drop_node(call: Call, node: Node) -> None:
    call.invoke("ec2", "_DeleteManagedInterface", {"NetworkInterfaceId": node.eni_id})


@operation("SetSecurityGroups")
def set_security_groups(call: Call, request: Request) -> Response:
    """Replace the security groups of every node's interface."""
    only(request, {"LoadBalancerArn", "SecurityGroups"})
    row = rows.get_load_balancer(call.tx, request["LoadBalancerArn"])
    groups = _security_groups(call, row.vpc_id, request["SecurityGroups"])
    for node in row.nodes:
        wish = {"NetworkInterfaceId": node.eni_id, "Groups": list(groups)}
        call.invoke("ec2", "_SetInterfaceGroups", wish)
    rows.LOAD_BALANCERS.put(call.tx, replace(row, security_groups=groups))
    return {"SecurityGroupIds": list(groups)}


@operation("SetSubnets")
def set_subnets(call: Call, request: Request) -> Response:
    """Replace the whole list of subnets; nodes of subnets that stay are kept."""
    only(request, {"LoadBalancerArn", "Subnets", "SubnetMappings", "IpAddressType"})
    if (family := request.get("IpAddressType") or "ipv4") != "ipv4":
        raise unsupported("IpAddressType", family)
    row = rows.get_load_balancer(call.tx, request["LoadBalancerArn"])
    kept = {node.subnet_id: node for node in row.nodes}
    subnets = _subnets(call, _subnet_ids(request))
    if any(subnet["VpcId"] != row.vpc_id for subnet in subnets):
        raise errors.invalid_configuration(f"All subnets must belong to the VPC '{row.vpc_id}'")
    nodes = tuple(kept.get(s["SubnetId"]) or _node(call, row, s) for s in subnets)
    for node in row.nodes:
        if node not in nodes:
            _drop_node(call, node)
    row = replace(row, nodes=nodes)
    rows.LOAD_BALANCERS.put(call.tx, row)
    return {
        "AvailabilityZones": views.load_balancer(row, "active")["AvailabilityZones"],
        "IpAddressType": "ipv4",
    }


@operation("DescribeLoadBalancerAttributes")
def describe_load_balancer_attributes(call: Call, request: Request) -> Response:
    """Every attribute with its value."""
    row = rows.get_load_balancer(call.tx, request["LoadBalancerArn"])
    return {"Attributes": attributes.view(attributes.LOAD_BALANCER, row.attributes)}


@operation("ModifyLoadBalancerAttributes")
def modify_load_balancer_attributes(call: Call, request: Request) -> Response:
    """Set attributes; answers the full list."""
    row = rows.get_load_balancer(call.tx, request["LoadBalancerArn"])
    wanted = attributes.merged(
        "Load balancer", attributes.LOAD_BALANCER, row.attributes, request["Attributes"]
    )
    check_delivery(call, row, row.attributes, wanted)
    rows.LOAD_BALANCERS.put(call.tx, replace(row, attributes=wanted))
    return {"Attributes": attributes.view(attributes.LOAD_BALANCER, wanted)}
