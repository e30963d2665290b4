"""Inbound and outbound endpoints.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_CreateResolverEndpoint.html
"""

from __future__ import annotations

from dataclasses import replace

from hiyoko.api import Call, Request, Response, operation, unsupported
from hiyoko.services.route53resolver import errors, rows, views
from hiyoko.services.route53resolver.endpoint_addresses import (
    ADDRESSES_MAX,
    ADDRESSES_MIN,
    drop_interface,
    make_address,
    vpc_of,
)
from hiyoko.services.route53resolver.model import INBOUND, OUTBOUND, ResolverEndpoint
from hiyoko.services.route53resolver.pages import Filters, filtered, page, size
from hiyoko.services.route53resolver.parsing import refuse, tags_in

ENDPOINTS_MAX = 4
"""https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""

_UNSUPPORTED = (
    "OutpostArn", "PreferredInstanceType", "RniEnhancedMetricsEnabled",
    "TargetNameServerMetricsEnabled", "Dns64Enabled", "Ipv6InternetAccessEnabled",
)  # fmt: skip


@operation("CreateResolverEndpoint")
def create_resolver_endpoint(call: Call, request: Request) -> Response:
    """Record an endpoint with an interface for each of its addresses."""
    _refuse_others(request)
    rows.forget_gone_endpoints(call)
    known, given = rows.list_endpoints(call), request["IpAddresses"]
    if any(one.creator == request["CreatorRequestId"] for one in known):
        raise errors.made_already("Resolver endpoint", request["CreatorRequestId"])
    if len(known) >= ENDPOINTS_MAX:
        raise errors.limit_exceeded(call.account, "max-endpoints")
    if not request["SecurityGroupIds"]:
        raise errors.invalid_parameter("At least one security group is needed.", "SecurityGroupIds")
    if not ADDRESSES_MIN <= len(given) <= ADDRESSES_MAX:
        raise errors.invalid_request(
            f"Resolver endpoint must have from {ADDRESSES_MIN} to {ADDRESSES_MAX} IP addresses"
        )
    endpoint = _wanted(call, request)
    addresses = tuple(make_address(call, endpoint, one) for one in given)
    endpoint = replace(endpoint, addresses=addresses)
    rows.ENDPOINTS.insert(call.tx, endpoint)
    return {"ResolverEndpoint": views.endpoint(endpoint, "CREATING")}


def _refuse_others(request: Request) -> None:
    """What an endpoint here never is."""
    refuse(request, *_UNSUPPORTED)
    if (direction := request.get("Direction") or INBOUND) not in (INBOUND, OUTBOUND):
        raise unsupported("Direction", direction)
    if (kind := request.get("ResolverEndpointType") or "IPV4") != "IPV4":
        raise unsupported("ResolverEndpointType", kind)
    for protocol in request.get("Protocols") or ():
        if protocol != "Do53":
            raise unsupported("Protocols", protocol)


def _wanted(call: Call, request: Request) -> ResolverEndpoint:
    direction = request["Direction"]
    endpoint_id = f"rslvr-{'in' if direction == INBOUND else 'out'}-{call.ids.hex(17)}"
    return ResolverEndpoint(
        account=call.account,
        region=call.region,
        endpoint_id=endpoint_id,
        arn=call.arn("route53resolver", f"resolver-endpoint/{endpoint_id}"),
        direction=direction,
        vpc_id=vpc_of(call, [one["SubnetId"] for one in request["IpAddresses"]]),
        groups=tuple(dict.fromkeys(request["SecurityGroupIds"])),
        addresses=(),
        creator=request["CreatorRequestId"],
        created_at=call.now,
        modified_at=call.now,
        name=request.get("Name") or "",
        tags=tags_in(request),
    )


@operation("GetResolverEndpoint")
def get_resolver_endpoint(call: Call, request: Request) -> Response:
    """An endpoint by id."""
    return _shown(call, rows.get_endpoint(call, request["ResolverEndpointId"]))


_FILTERS: Filters = {
    "creatorrequestid": lambda one: one["CreatorRequestId"],
    "direction": lambda one: one["Direction"],
    "hostvpcid": lambda one: one["HostVPCId"],
    "ipaddresscount": lambda one: str(one["IpAddressCount"]),
    "name": lambda one: one.get("Name", ""),
    "securitygroupids": lambda one: one["SecurityGroupIds"],
    "status": lambda one: one["Status"],
}


@operation("ListResolverEndpoints")
def list_resolver_endpoints(call: Call, request: Request) -> Response:
    """The account's endpoints, by filter."""
    shown = [_shown(call, one)["ResolverEndpoint"] for one in rows.list_endpoints(call)]
    found = filtered(request, shown, _FILTERS)
    return page(request, "ResolverEndpoints", found) | {"MaxResults": size(request)}


@operation("UpdateResolverEndpoint")
def update_resolver_endpoint(call: Call, request: Request) -> Response:
    """Change an endpoint's name."""
    _refuse_others(request)
    refuse(request, "UpdateIpAddresses")
    endpoint = rows.get_endpoint(call, request["ResolverEndpointId"])
    if "Name" in request:
        endpoint = replace(endpoint, name=request["Name"], modified_at=call.now)
        rows.ENDPOINTS.put(call.tx, endpoint)
    return _shown(call, endpoint)


@operation("DeleteResolverEndpoint")
def delete_resolver_endpoint(call: Call, request: Request) -> Response:
    """Delete an endpoint that no rule uses; it is shown until its interfaces are gone."""
    endpoint = rows.get_endpoint(call, request["ResolverEndpointId"])
    using = [
        one.rule_id for one in rows.list_rules(call) if one.endpoint_id == endpoint.endpoint_id
    ]
    if using:
        raise errors.endpoint_in_use(using)
    for address in endpoint.staying:
        drop_interface(call, address)
    if endpoint.works:
        endpoint = replace(endpoint, deleted_at=call.now, modified_at=call.now)
        rows.ENDPOINTS.put(call.tx, endpoint)
    return {"ResolverEndpoint": views.endpoint(endpoint, "DELETING")}


def _shown(call: Call, endpoint: ResolverEndpoint) -> Response:
    status = rows.endpoint_status(call.tx, endpoint)
    return {"ResolverEndpoint": views.endpoint(endpoint, status)}
