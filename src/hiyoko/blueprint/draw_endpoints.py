"""VPC endpoints become listeners in namespaces, interface endpoints also names in DNS. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from hiyoko.blueprint.endpoints import Endpoint, Endpoints
from hiyoko.blueprint.service_addresses import service_names
from hiyoko.blueprint.world_zones import endpoint_zone
from hiyoko.blueprint.zones import Zone
from hiyoko.services.ec2.model import VpcEndpoint, gateway_address


def draw_endpoints(endpoints: Iterable[VpcEndpoint]) -> Endpoints:
    """A listener for each interface of each endpoint that shall exist, and for each gateway."""
    drawn = [listener for each in endpoints if each.works for listener in _listeners(each)]
    return Endpoints(tuple(sorted(drawn, key=lambda e: e.eni_id)))


def _listeners(endpoint: VpcEndpoint) -> list[Endpoint]:
    if endpoint.gateway:
        address = gateway_address(endpoint.service, endpoint.region)
        assert address is not None, "made only where there is one"
        names = service_names(endpoint.service, endpoint.region)
        return [Endpoint(endpoint.vpc_endpoint_id, address, names)]
    return [
        Endpoint(interface.eni_id, IPv4Address(interface.private_ip), _names(endpoint))
        for interface in endpoint.interfaces
    ]


def _names(endpoint: VpcEndpoint) -> tuple[str, ...]:
    """What its certificate is for. Private DNS or not: a client may bring the name by itself."""
    return (f"*.{endpoint.base_name}", endpoint.private_name)


def public_names(endpoints: Iterable[VpcEndpoint]) -> dict[str, tuple[str, ...]]:
    """The names that everybody can resolve, though only the VPC reaches their addresses."""
    found: dict[str, tuple[str, ...]] = {}
    for endpoint in endpoints:
        if endpoint.works and endpoint.interfaces:
            found[endpoint.regional_name] = tuple(i.private_ip for i in endpoint.interfaces)
            for each in endpoint.interfaces:
                found[endpoint.zonal_name(each.zone)] = (each.private_ip,)
    return found


def private_zones(endpoints: Iterable[VpcEndpoint], seeing: set[str]) -> tuple[Zone, ...]:
    """A private zone for each endpoint with private DNS whose VPC has both DNS attributes."""
    chosen = [e for e in endpoints if e.works and e.private_dns and e.vpc_id in seeing]
    return tuple(
        endpoint_zone(
            endpoint.vpc_endpoint_id,
            endpoint.private_name,
            tuple(i.private_ip for i in endpoint.interfaces),
            endpoint.vpc_id,
        )
        for endpoint in sorted(chosen, key=lambda e: e.vpc_endpoint_id)
    )
