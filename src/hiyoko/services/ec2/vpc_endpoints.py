"""VPC endpoints: interface endpoints here, gateway endpoints' routes in ``gateway_endpoints``.

Other types are refused by name. A policy is kept and shown; nobody here judges requests by it.
https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.endpoint_views import (
    endpoint_state,
    endpoint_type,
    endpoint_view,
    service_name,
)
from hiyoko.services.ec2.filters import Filters, describe
from hiyoko.services.ec2.gateway_endpoints import (
    change_routes,
    check_gateway_quota,
    drop_routes,
    put_routes,
)
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.making_interfaces import checked_groups, make_interface, unmake_interface
from hiyoko.services.ec2.model import (
    ENDPOINT_SERVICES,
    GATEWAY_SERVICES,
    EndpointInterface,
    Subnet,
    VpcEndpoint,
    gateway_range,
)
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import wanted_tags

ENDPOINTS_PER_VPC_MAX = 50
POLICY_CHARACTERS_MAX = 20480
_OF_INTERFACES = ("SubnetIds", "SecurityGroupIds", "PrivateDnsEnabled")
_CHANGES_OF_INTERFACES = (
    "AddSubnetIds", "RemoveSubnetIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds",
    "PrivateDnsEnabled",
)  # fmt: skip


@operation(
    "CreateVpcEndpoint", "VpcEndpointType", "VpcId", "ServiceName", "SubnetIds",
    "SecurityGroupIds", "RouteTableIds", "PrivateDnsEnabled", "PolicyDocument", "IpAddressType",
    "ClientToken", "TagSpecifications",
)  # fmt: skip
def create_vpc_endpoint(call: Call, request: Request) -> Response:
    """Record the endpoint: an interface in each of its subnets, or a route in its tables."""
    vpc = rows.get_vpc(call, request["VpcId"])
    service = _wanted_service(call, request)
    if request.get("IpAddressType", "ipv4") != "ipv4":
        raise unsupported("IpAddressType", request["IpAddressType"])
    _forget_deleted(call)
    endpoint = VpcEndpoint(
        account=call.account,
        region=call.region,
        vpc_endpoint_id=new_id(call, "vpce"),
        vpc_id=vpc.vpc_id,
        service=service,
        suffix=call.ids.hex(8),
        created_at=call.now,
        interfaces=(),
        groups=(),
        tags=wanted_tags(request, "vpc-endpoint"),
        gateway=service in GATEWAY_SERVICES,
        policy=_wanted_policy(request),
    )
    made = (_new_gateway if endpoint.gateway else _new_interfaces)(call, endpoint, request)
    response: Response = {"VpcEndpoint": endpoint_view(call, made)}
    if request.get("ClientToken"):
        response["ClientToken"] = request["ClientToken"]
    return response


def _new_gateway(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    _refuse_members(request, _OF_INTERFACES, "Gateway")
    check_gateway_quota(call)
    endpoint = rows.VPC_ENDPOINTS.put(call, replace(endpoint, private_dns=False))
    put_routes(call, endpoint, request.get("RouteTableIds") or ())
    return endpoint


def _new_interfaces(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    _refuse_members(request, ("RouteTableIds",), "Interface")
    mine = rows.VPC_ENDPOINTS.list(call, vpc_id=endpoint.vpc_id)
    if sum(other.works and not other.gateway for other in mine) >= ENDPOINTS_PER_VPC_MAX:
        raise AwsError(
            "VpcEndpointLimitExceeded",
            f"The maximum number of interface VPC endpoints ({ENDPOINTS_PER_VPC_MAX}) in the VPC "
            f"{endpoint.vpc_id} has been reached.",
        )
    subnets = _wanted_subnets(call, endpoint.vpc_id, request.get("SubnetIds") or ())
    endpoint = replace(
        endpoint,
        groups=checked_groups(call, endpoint.vpc_id, request.get("SecurityGroupIds") or ()),
        private_dns=request.get("PrivateDnsEnabled", True),
    )
    _check_private_dns(call, endpoint)
    interfaces = tuple(_make_interface(call, endpoint, subnet) for subnet in subnets)
    return rows.VPC_ENDPOINTS.put(call, replace(endpoint, interfaces=interfaces))


def _refuse_members(request: Request, members: Iterable[str], kind: str) -> None:
    for member in members:
        if request.get(member):
            raise AwsError(
                "InvalidParameter", f"{member} is not valid for endpoints of type {kind}."
            )


def _forget_deleted(call: Call) -> None:
    """Rows of endpoints that nothing is left of, which no answer shows any more."""
    for endpoint in rows.VPC_ENDPOINTS.list(call):
        if endpoint_state(call, endpoint) == "deleted":
            rows.VPC_ENDPOINTS.delete(call, endpoint)


def _wanted_service(call: Call, request: Request) -> str:
    # AWS's default is Gateway, for the years when there was nothing else.
    kind = request.get("VpcEndpointType", "Gateway")
    name = str(request.get("ServiceName") or "")
    if not name:
        raise errors.missing("serviceName")
    prefix = service_name(call.region, "")
    service = name.removeprefix(prefix)
    known = name.startswith(prefix) and service in (*ENDPOINT_SERVICES, *GATEWAY_SERVICES)
    if not known:
        raise AwsError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
    if service in GATEWAY_SERVICES and gateway_range(service, call.region) is None:
        raise unsupported("ServiceName", name)
    if kind not in ("Gateway", "Interface"):
        raise unsupported("VpcEndpointType", kind)
    offered = "Gateway" if service in GATEWAY_SERVICES else "Interface"
    if kind == "Interface" and offered == "Gateway":
        raise unsupported("VpcEndpointType", f"Interface of {name}")
    if kind != offered:
        raise AwsError(
            "InvalidParameter",
            f"Endpoint type ({kind}) does not match available service types ([{offered}]) for "
            f"the service '{name}'.",
        )
    return service


def _wanted_policy(request: Request) -> str:
    """The policy as it was given; empty for full access, which is what none means."""
    text: str = request.get("PolicyDocument") or ""
    if not text:
        return ""
    try:
        policy = json.loads(text)
    except ValueError as error:
        raise errors.bad_value("Policy document is not valid JSON") from error
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise errors.bad_value("Policy document has no Statement")
    if len(text) > POLICY_CHARACTERS_MAX:
        raise errors.bad_value(f"Policy document is longer than {POLICY_CHARACTERS_MAX} characters")
    return text


def _wanted_subnets(call: Call, vpc_id: str, wanted: Sequence[str]) -> list[Subnet]:
    subnets = [rows.get_subnet(call, subnet_id) for subnet_id in dict.fromkeys(wanted)]
    if any(subnet.vpc_id != vpc_id for subnet in subnets):
        raise errors.different_networks()
    _check_zones(s.zone for s in subnets)
    return subnets


def _check_zones(names: Iterable[str]) -> None:
    taken: set[str] = set()
    for name in names:
        if name in taken:
            raise AwsError(
                "DuplicateSubnetsInSameZone",
                "Found another VPC endpoint subnet in the availability zone of the given subnets.",
            )
        taken.add(name)


def _check_private_dns(call: Call, endpoint: VpcEndpoint) -> None:
    if not endpoint.private_dns:
        return
    vpc = rows.get_vpc(call, endpoint.vpc_id)
    if not (vpc.dns_support and vpc.dns_hostnames):
        raise AwsError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
            f"attributes set to true for {vpc.vpc_id}",
        )
    for other in rows.VPC_ENDPOINTS.list(call, vpc_id=vpc.vpc_id):
        same = other.service == endpoint.service and other.private_dns and other.works
        if same and other.vpc_endpoint_id != endpoint.vpc_endpoint_id:
            raise AwsError(
                "InvalidParameter",
                "private-dns-enabled cannot be set because there is already a conflicting DNS "
                f"domain for {endpoint.private_name.removeprefix('*.')} in the VPC {vpc.vpc_id}",
            )


def _make_interface(call: Call, endpoint: VpcEndpoint, subnet: Subnet) -> EndpointInterface:
    made = make_interface(
        call,
        subnet,
        endpoint.groups,
        description=f"VPC Endpoint Interface {endpoint.vpc_endpoint_id}",
        interface_type="vpc_endpoint",
        requester_id="amazon-vpce",
    )
    return EndpointInterface(made.eni_id, subnet.subnet_id, subnet.zone, made.private_ip)


def _filters(call: Call) -> Filters[VpcEndpoint]:
    return {
        "ip-address-type": lambda _: "ipv4",
        "service-name": lambda e: service_name(e.region, e.service),
        "vpc-endpoint-id": lambda e: e.vpc_endpoint_id,
        "vpc-endpoint-state": lambda e: endpoint_state(call, e),
        "vpc-endpoint-type": endpoint_type,
        "vpc-id": lambda e: e.vpc_id,
    }


@operation("DescribeVpcEndpoints", "VpcEndpointIds", "Filters", "MaxResults", "NextToken")
def describe_vpc_endpoints(call: Call, request: Request) -> Response:
    """Endpoints by id or filter; a deleted one until its interfaces are gone."""
    for endpoint_id in request.get("VpcEndpointIds") or ():
        _get(call, endpoint_id)
    return describe(
        call,
        rows.VPC_ENDPOINTS,
        request,
        endpoint_view,
        _filters(call),
        ids="VpcEndpointIds",
        answer="VpcEndpoints",
        rows=[e for e in rows.VPC_ENDPOINTS.list(call) if endpoint_state(call, e) != "deleted"],
    )


def _get(call: Call, endpoint_id: str) -> VpcEndpoint:
    endpoint = rows.VPC_ENDPOINTS.get(call, endpoint_id)
    if endpoint_state(call, endpoint) == "deleted":
        raise _not_found(endpoint_id)
    return endpoint


def _not_found(endpoint_id: str) -> AwsError:
    kind = rows.VPC_ENDPOINTS
    return AwsError(kind.not_found, kind.not_found_text.format(endpoint_id))


@operation("DeleteVpcEndpoints", "VpcEndpointIds")
def delete_vpc_endpoints(call: Call, request: Request) -> Response:
    """Wish each endpoint gone, with its interfaces; those that cannot be are ``Unsuccessful``."""
    unsuccessful = []
    for endpoint_id in dict.fromkeys(request["VpcEndpointIds"]):
        try:
            endpoint = _get(call, endpoint_id)
        except AwsError as error:
            fault = {"Code": error.code, "Message": error.message}
            unsuccessful.append({"ResourceId": endpoint_id, "Error": fault})
            continue
        if endpoint.works:
            drop_routes(call, endpoint, ())
            _unmake_interfaces(call, endpoint.interfaces)
            rows.VPC_ENDPOINTS.put(call, replace(endpoint, deleted_at=call.now))
    return {"Unsuccessful": unsuccessful}


def _unmake_interfaces(call: Call, interfaces: Iterable[EndpointInterface]) -> None:
    for each in interfaces:
        interface = rows.find_interface(call, each.eni_id)
        if interface is not None:
            unmake_interface(call, interface)


@operation(
    "ModifyVpcEndpoint", "VpcEndpointId", "AddSubnetIds", "RemoveSubnetIds",
    "AddSecurityGroupIds", "RemoveSecurityGroupIds", "AddRouteTableIds", "RemoveRouteTableIds",
    "PrivateDnsEnabled", "ResetPolicy", "PolicyDocument", "IpAddressType",
)  # fmt: skip
def modify_vpc_endpoint(call: Call, request: Request) -> Response:
    """Add and remove subnets and groups, or route tables; switch private DNS; keep a policy."""
    endpoint = _get(call, request["VpcEndpointId"])
    if not endpoint.works:
        raise _not_found(endpoint.vpc_endpoint_id)
    if request.get("IpAddressType", "ipv4") != "ipv4":
        raise unsupported("IpAddressType", request["IpAddressType"])
    if request.get("PolicyDocument") or request.get("ResetPolicy"):
        endpoint = replace(endpoint, policy=_wanted_policy(request))
    if endpoint.gateway:
        _refuse_members(request, _CHANGES_OF_INTERFACES, "Gateway")
        change_routes(call, endpoint, request)
    else:
        _refuse_members(request, ("AddRouteTableIds", "RemoveRouteTableIds"), "Interface")
        endpoint = _moved(call, _regrouped(call, endpoint, request), request)
        if (wanted := request.get("PrivateDnsEnabled")) is not None:
            endpoint = replace(endpoint, private_dns=wanted)
            _check_private_dns(call, endpoint)
    rows.VPC_ENDPOINTS.put(call, endpoint)
    return {"Return": True}


def _regrouped(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    drop = request.get("RemoveSecurityGroupIds") or ()
    add = request.get("AddSecurityGroupIds") or ()
    if not drop and not add:
        return endpoint
    left = [group for group in endpoint.groups if group not in drop]
    groups = checked_groups(call, endpoint.vpc_id, (*left, *add))
    for each in endpoint.interfaces:
        interface = rows.INTERFACES.get(call, each.eni_id)
        rows.INTERFACES.put(call, replace(interface, groups=groups))
    return replace(endpoint, groups=groups)


def _moved(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    drop = set(request.get("RemoveSubnetIds") or ())
    gone = [i for i in endpoint.interfaces if i.subnet_id in drop]
    left = [i for i in endpoint.interfaces if i.subnet_id not in drop]
    there = {i.subnet_id for i in left}
    wanted = [s for s in request.get("AddSubnetIds") or () if s not in there]
    subnets = _wanted_subnets(call, endpoint.vpc_id, wanted)
    _check_zones([*(i.zone for i in left), *(s.zone for s in subnets)])
    _unmake_interfaces(call, gone)
    made = [_make_interface(call, endpoint, subnet) for subnet in subnets]
    return replace(endpoint, interfaces=(*left, *made))
