"""Interface endpoints. Gateway endpoints (S3, DynamoDB) and other types are refused by name.

https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, unsupported
from hiyoko.services.ec2 import errors, rows
from hiyoko.services.ec2.filters import Filters, describe, page, select
from hiyoko.services.ec2.making import new_id
from hiyoko.services.ec2.making_interfaces import checked_groups, make_interface, unmake_interface
from hiyoko.services.ec2.model import (
    ENDPOINT_SERVICES,
    EndpointInterface,
    Subnet,
    VpcEndpoint,
    endpoint_domain,
)
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.tags import shown, wanted_tags
from hiyoko.services.ec2.zones import zones

ENDPOINTS_PER_VPC_MAX = 50
GATEWAY_SERVICES = ("s3", "dynamodb")
FULL_ACCESS = {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}


def _state(call: Call, endpoint: VpcEndpoint) -> str:
    stands = [rows.interface_seen(call, i.eni_id) for i in endpoint.interfaces]
    answers = [rows.endpoint_seen(call, i.eni_id) for i in endpoint.interfaces]
    pairs = list(zip(stands, answers, strict=True))
    return endpoint.state(sum(all(pair) for pair in pairs), sum(any(pair) for pair in pairs))


def _service_name(region: str, service: str) -> str:
    return f"com.amazonaws.{region}.{service}"


def _zone_id(name: str) -> str:
    """A hosted zone's id, made up from the name: the zone is AWS's, not an account's."""
    return "Z" + hashlib.sha256(name.encode()).hexdigest()[:13].upper()


def _dns_entries(endpoint: VpcEndpoint) -> list[dict[str, str]]:
    places = {i.zone for i in endpoint.interfaces}
    names = [endpoint.regional_name, *(endpoint.zonal_name(zone) for zone in sorted(places))]
    entries = [{"DnsName": n, "HostedZoneId": _zone_id(endpoint.base_name)} for n in names]
    if endpoint.private_dns:
        private = _zone_id(f"{endpoint.vpc_endpoint_id} {endpoint.private_name}")
        entries.append({"DnsName": endpoint.private_name, "HostedZoneId": private})
    return entries


def _view(call: Call, endpoint: VpcEndpoint) -> dict[str, Any]:
    groups = [rows.GROUPS.find(call, group_id) for group_id in endpoint.groups]
    return {
        "VpcEndpointId": endpoint.vpc_endpoint_id,
        "VpcEndpointType": "Interface",
        "VpcId": endpoint.vpc_id,
        "ServiceName": _service_name(endpoint.region, endpoint.service),
        "State": _state(call, endpoint),
        "PolicyDocument": json.dumps(FULL_ACCESS),
        "RouteTableIds": [],
        "SubnetIds": [i.subnet_id for i in endpoint.interfaces],
        "Groups": [{"GroupId": g.group_id, "GroupName": g.name} for g in groups if g is not None],
        "IpAddressType": "ipv4",
        "DnsOptions": {"DnsRecordIpType": "ipv4"},
        "PrivateDnsEnabled": endpoint.private_dns,
        "RequesterManaged": False,
        "NetworkInterfaceIds": [i.eni_id for i in endpoint.interfaces],
        "DnsEntries": _dns_entries(endpoint),
        "CreationTimestamp": endpoint.created_at,
        "OwnerId": endpoint.account,
        "Tags": shown(endpoint.tags),
    }


@operation(
    "CreateVpcEndpoint", "VpcEndpointType", "VpcId", "ServiceName", "SubnetIds",
    "SecurityGroupIds", "PrivateDnsEnabled", "PolicyDocument", "IpAddressType", "ClientToken",
    "TagSpecifications",
)  # fmt: skip
def create_vpc_endpoint(call: Call, request: Request) -> Response:
    """Record the endpoint and an interface in each of its subnets."""
    vpc = rows.get_vpc(call, request["VpcId"])
    service = _wanted_service(call, request)
    _refuse_what_has_no_effect(request)
    subnets = _wanted_subnets(call, vpc.vpc_id, request.get("SubnetIds") or ())
    mine = [e for e in rows.VPC_ENDPOINTS.list(call, vpc_id=vpc.vpc_id) if e.works]
    if len(mine) >= ENDPOINTS_PER_VPC_MAX:
        raise AwsError(
            "VpcEndpointLimitExceeded",
            f"The maximum number of interface VPC endpoints ({ENDPOINTS_PER_VPC_MAX}) in the VPC "
            f"{vpc.vpc_id} has been reached.",
        )
    endpoint = VpcEndpoint(
        account=call.account,
        region=call.region,
        vpc_endpoint_id=new_id(call, "vpce"),
        vpc_id=vpc.vpc_id,
        service=service,
        suffix=call.ids.hex(8),
        created_at=call.now,
        interfaces=(),
        groups=checked_groups(call, vpc.vpc_id, request.get("SecurityGroupIds") or ()),
        private_dns=request.get("PrivateDnsEnabled", True),
        tags=wanted_tags(request, "vpc-endpoint"),
    )
    _check_private_dns(call, endpoint)
    _forget_deleted(call)
    interfaces = tuple(_make_interface(call, endpoint, subnet) for subnet in subnets)
    endpoint = rows.VPC_ENDPOINTS.put(call, replace(endpoint, interfaces=interfaces))
    response: Response = {"VpcEndpoint": _view(call, endpoint)}
    if request.get("ClientToken"):
        response["ClientToken"] = request["ClientToken"]
    return response


def _forget_deleted(call: Call) -> None:
    """Rows of endpoints that nothing is left of, which no answer shows any more."""
    for endpoint in rows.VPC_ENDPOINTS.list(call):
        if _state(call, endpoint) == "deleted":
            rows.VPC_ENDPOINTS.delete(call, endpoint)


def _wanted_service(call: Call, request: Request) -> str:
    # AWS's default is Gateway, for the years when there was nothing else.
    kind = request.get("VpcEndpointType", "Gateway")
    name = str(request.get("ServiceName") or "")
    if not name:
        raise errors.missing("serviceName")
    prefix = _service_name(call.region, "")
    service = name.removeprefix(prefix)
    known = name.startswith(prefix) and service in (*ENDPOINT_SERVICES, *GATEWAY_SERVICES)
    if not known:
        raise AwsError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
    if service in GATEWAY_SERVICES:
        raise unsupported("ServiceName", name)
    if kind == "Gateway":
        raise AwsError(
            "InvalidParameter",
            f"Endpoint type (Gateway) does not match available service types ([Interface]) for "
            f"the service '{name}'.",
        )
    if kind != "Interface":
        raise unsupported("VpcEndpointType", kind)
    return service


def _refuse_what_has_no_effect(request: Request) -> None:
    if request.get("IpAddressType", "ipv4") != "ipv4":
        raise unsupported("IpAddressType", request["IpAddressType"])
    text = request.get("PolicyDocument")
    if not text:
        return
    try:
        policy = json.loads(text)
    except ValueError as error:
        raise errors.bad_value("Policy document is not valid JSON") from error
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    # Nobody judges requests here: only the policy that lets everything through is true.
    if statements not in (FULL_ACCESS["Statement"], FULL_ACCESS["Statement"][0]):
        raise unsupported("PolicyDocument")


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
        "service-name": lambda e: _service_name(e.region, e.service),
        "vpc-endpoint-id": lambda e: e.vpc_endpoint_id,
        "vpc-endpoint-state": lambda e: _state(call, e),
        "vpc-endpoint-type": lambda _: "Interface",
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
        _view,
        _filters(call),
        ids="VpcEndpointIds",
        answer="VpcEndpoints",
        rows=[e for e in rows.VPC_ENDPOINTS.list(call) if _state(call, e) != "deleted"],
    )


def _get(call: Call, endpoint_id: str) -> VpcEndpoint:
    endpoint = rows.VPC_ENDPOINTS.get(call, endpoint_id)
    if _state(call, endpoint) == "deleted":
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
    "AddSecurityGroupIds", "RemoveSecurityGroupIds", "PrivateDnsEnabled", "ResetPolicy",
    "PolicyDocument", "IpAddressType",
)  # fmt: skip
def modify_vpc_endpoint(call: Call, request: Request) -> Response:
    """Add and remove subnets and groups; switch private DNS."""
    endpoint = _get(call, request["VpcEndpointId"])
    if not endpoint.works:
        raise _not_found(endpoint.vpc_endpoint_id)
    _refuse_what_has_no_effect(request)
    endpoint = _regrouped(call, endpoint, request)
    endpoint = _moved(call, endpoint, request)
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


def _service_view(call: Call, service: str) -> dict[str, Any]:
    name = _service_name(call.region, service)
    private = f"{ENDPOINT_SERVICES[service]}.{call.region}.amazonaws.com"
    return {
        "ServiceName": name,
        "ServiceId": "vpce-svc-" + hashlib.sha256(name.encode()).hexdigest()[:17],
        "ServiceType": [{"ServiceType": "Interface"}],
        "ServiceRegion": call.region,
        "AvailabilityZones": [zone.name for zone in zones(call.region)],
        "Owner": "amazon",
        "BaseEndpointDnsNames": [endpoint_domain(service, call.region)],
        "PrivateDnsName": private,
        "PrivateDnsNames": [{"PrivateDnsName": private}],
        "PrivateDnsNameVerificationState": "verified",
        "VpcEndpointPolicySupported": True,
        "AcceptanceRequired": False,
        "ManagesVpcEndpoints": False,
        "SupportedIpAddressTypes": ["ipv4"],
        "Tags": [],
    }


@operation("DescribeVpcEndpointServices", "ServiceNames", "Filters", "MaxResults", "NextToken")
def describe_vpc_endpoint_services(call: Call, request: Request) -> Response:
    """The services that an interface endpoint can be of."""
    names = {_service_name(call.region, service): service for service in ENDPOINT_SERVICES}
    wanted: Sequence[str] = request.get("ServiceNames") or ()
    for name in wanted:
        if name not in names:
            raise AwsError(
                "InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist"
            )
    chosen = select(
        sorted(wanted or names),
        request.get("Filters") or (),
        {
            "owner": lambda _: "amazon",
            "service-name": lambda name: name,
            "service-type": lambda _: "Interface",
            "supported-ip-address-types": lambda _: "ipv4",
        },
    )
    response = page(
        chosen,
        request,
        lambda name: name,
        lambda name: _service_view(call, names[name]),
        "ServiceDetails",
    )
    return {"ServiceNames": [s["ServiceName"] for s in response["ServiceDetails"]], **response}
