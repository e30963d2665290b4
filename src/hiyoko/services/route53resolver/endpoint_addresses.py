"""An endpoint's addresses: interfaces in its subnets that EC2 makes for this service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response, operation
from hiyoko.services.ec2 import rows as ec2
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.model import EndpointAddress, ResolverEndpoint
from hiyoko.services.route53resolver.pages import page, size
from hiyoko.services.route53resolver.parsing import refuse

ADDRESSES_MIN, ADDRESSES_MAX = 2, 6
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""
REQUESTER = "amazon-route53resolver"


def vpc_of(call: Call, subnet_ids: Iterable[str]) -> str:
    """The VPC of all these subnets. Raises InvalidParameterException, InvalidRequestException."""
    found = set()
    for subnet_id in subnet_ids:
        subnet = ec2.SUBNETS.find(call, subnet_id)
        if subnet is None:
            raise errors.no_subnet(subnet_id)
        found.add(subnet.vpc_id)
    if len(found) > 1:
        raise errors.invalid_request("All the subnets of an endpoint must be of one VPC.")
    return found.pop()


def make_address(
    call: Call, endpoint: ResolverEndpoint, given: Mapping[str, Any]
) -> EndpointAddress:
    """An interface in the given subnet, guarded by the endpoint's groups."""
    refuse(given, "Ipv6")
    subnet_id, ip = given["SubnetId"], given.get("Ip") or ""
    ip_id = f"rni-{call.ids.hex(17)}"
    try:
        made = call.invoke(
            "ec2",
            "_CreateManagedInterface",
            {
                "SubnetId": subnet_id,
                "Groups": list(endpoint.groups),
                "Description": f"Route 53 Resolver: {endpoint.endpoint_id}:{ip_id}",
                "RequesterId": REQUESTER,
                "PrivateIpAddress": ip,
            },
        )
    except AwsError as error:
        raise errors.of_ec2(error, subnet_id, ip) from error
    return EndpointAddress(
        ip_id=ip_id,
        subnet_id=subnet_id,
        ip=made["PrivateIpAddress"],
        eni_id=made["NetworkInterfaceId"],
        created_at=call.now,
    )


def drop_interface(call: Call, address: EndpointAddress) -> None:
    """Take the address's interface down."""
    call.invoke("ec2", "_DeleteManagedInterface", {"NetworkInterfaceId": address.eni_id})


@operation("AssociateResolverEndpointIpAddress")
def associate_resolver_endpoint_ip_address(call: Call, request: Request) -> Response:
    """Add an address to an endpoint."""
    endpoint = _changeable(call, request)
    given = request["IpAddress"]
    if not given.get("SubnetId") or given.get("IpId"):
        raise errors.invalid_parameter("A SubnetId is needed, and no IpId.", "IpAddress")
    if vpc_of(call, [given["SubnetId"]]) != endpoint.vpc_id:
        raise errors.invalid_request(
            f"The subnet '{given['SubnetId']}' is not in the endpoint's VPC '{endpoint.vpc_id}'"
        )
    if len(endpoint.staying) >= ADDRESSES_MAX:
        raise errors.limit_exceeded(call.account, "max-ip-addresses-per-endpoint")
    made = make_address(call, endpoint, given)
    return _changed(call, endpoint, (*_remaining(call, endpoint), made))


@operation("DisassociateResolverEndpointIpAddress")
def disassociate_resolver_endpoint_ip_address(call: Call, request: Request) -> Response:
    """Take an address away, by its id or by its subnet and address; two stay at least."""
    endpoint = _changeable(call, request)
    leaving = _named(endpoint, request["IpAddress"])
    if len(endpoint.staying) <= ADDRESSES_MIN:
        raise errors.invalid_request(
            f"Resolver endpoint '{endpoint.endpoint_id}' must have at least {ADDRESSES_MIN} IP "
            "addresses."
        )
    drop_interface(call, leaving)
    addresses = (
        replace(one, leaving=True) if one == leaving else one for one in _remaining(call, endpoint)
    )
    return _changed(call, endpoint, tuple(addresses))


@operation("ListResolverEndpointIpAddresses")
def list_resolver_endpoint_ip_addresses(call: Call, request: Request) -> Response:
    """An endpoint's addresses, each with its status."""
    endpoint = rows.get_endpoint(call, request["ResolverEndpointId"])
    shown = [views.address(one, _status(call, endpoint, one)) for one in _remaining(call, endpoint)]
    return page(request, "IpAddresses", shown) | {"MaxResults": size(request)}


def _changeable(call: Call, request: Request) -> ResolverEndpoint:
    endpoint = rows.get_endpoint(call, request["ResolverEndpointId"])
    if not endpoint.works:
        raise errors.invalid_request(
            f"Resolver endpoint '{endpoint.endpoint_id}' is being deleted."
        )
    return endpoint


def _named(endpoint: ResolverEndpoint, given: Mapping[str, Any]) -> EndpointAddress:
    for one in endpoint.staying:
        if given.get("IpId"):
            same = given["IpId"] == one.ip_id
        else:
            same = (given.get("SubnetId"), given.get("Ip")) == (one.subnet_id, one.ip)
        if same:
            return one
    told = given.get("IpId") or given.get("Ip") or given.get("SubnetId") or ""
    raise errors.not_found("IP address", told)


def _remaining(call: Call, endpoint: ResolverEndpoint) -> tuple[EndpointAddress, ...]:
    """Its addresses without those that left and are gone."""
    return tuple(
        one
        for one in endpoint.addresses
        if one in endpoint.staying or rows.stands(call.tx, one.eni_id)
    )


def _status(call: Call, endpoint: ResolverEndpoint, one: EndpointAddress) -> str:
    if one not in endpoint.staying:
        return "DETACHING"
    if not rows.stands(call.tx, one.eni_id):
        return "CREATING"
    return "ATTACHED" if rows.serves(call.tx, one.eni_id) else "ATTACHING"


def _changed(
    call: Call, endpoint: ResolverEndpoint, addresses: tuple[EndpointAddress, ...]
) -> Response:
    changed = replace(endpoint, addresses=addresses, modified_at=call.now)
    rows.ENDPOINTS.put(call.tx, changed)
    return {"ResolverEndpoint": views.endpoint(changed, "UPDATING")}
