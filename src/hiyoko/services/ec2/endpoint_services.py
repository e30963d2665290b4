"""Which of AWS's services have endpoints, and of which type.

https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from hiyoko.api import AwsError, Call, Request, Response
from hiyoko.services.ec2.endpoint_views import service_name
from hiyoko.services.ec2.filters import page, select
from hiyoko.services.ec2.model import (
    ENDPOINT_SERVICES,
    GATEWAY_SERVICES,
    endpoint_domain,
    gateway_range,
)
from hiyoko.services.ec2.operation import operation
from hiyoko.services.ec2.zones import zones


def _view(call: Call, service: str) -> dict[str, Any]:
    name = service_name(call.region, service)
    view = {
        "ServiceName": name,
        "ServiceId": "vpce-svc-" + hashlib.sha256(name.encode()).hexdigest()[:17],
        "ServiceType": [{"ServiceType": _type(service)}],
        "ServiceRegion": call.region,
        "AvailabilityZones": [zone.name for zone in zones(call.region)],
        "Owner": "amazon",
        "VpcEndpointPolicySupported": True,
        "AcceptanceRequired": False,
        "ManagesVpcEndpoints": False,
        "SupportedIpAddressTypes": ["ipv4"],
        "Tags": [],
    }
    if service in GATEWAY_SERVICES:
        return view | {"BaseEndpointDnsNames": [f"{service}.{call.region}.amazonaws.com"]}
    private = f"{ENDPOINT_SERVICES[service]}.{call.region}.amazonaws.com"
    return view | {
        "BaseEndpointDnsNames": [endpoint_domain(service, call.region)],
        "PrivateDnsName": private,
        "PrivateDnsNames": [{"PrivateDnsName": private}],
        "PrivateDnsNameVerificationState": "verified",
    }


def _type(service: str) -> str:
    return "Gateway" if service in GATEWAY_SERVICES else "Interface"


@operation("DescribeVpcEndpointServices", "ServiceNames", "Filters", "MaxResults", "NextToken")
def describe_vpc_endpoint_services(call: Call, request: Request) -> Response:
    """The services that an endpoint can be of; gateways in the regions that have addresses."""
    gateways = [each for each in GATEWAY_SERVICES if gateway_range(each, call.region)]
    names = {service_name(call.region, each): each for each in (*ENDPOINT_SERVICES, *gateways)}
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
            "service-type": lambda name: _type(names[name]),
            "supported-ip-address-types": lambda _: "ipv4",
        },
    )
    response = page(
        chosen,
        request,
        lambda name: name,
        lambda name: _view(call, names[name]),
        "ServiceDetails",
    )
    return {"ServiceNames": [s["ServiceName"] for s in response["ServiceDetails"]], **response}
