"""AWS's services that have addresses of their own on the internet: those with gateway endpoints.

All others answer at one address; these are apart, so that a prefix list can name them.
"""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address

from hiyoko.services.ec2.model import GATEWAY_SERVICES, REGIONS, gateway_address


@cache
def service_addresses() -> dict[IPv4Address, tuple[str, ...]]:
    """Each address with the names that lead to it; ``*.`` where all below do."""
    found = {}
    for service in GATEWAY_SERVICES:
        for region in REGIONS:
            address = gateway_address(service, region)
            assert address is not None, "these are the regions that have one"
            found[address] = service_names(service, region)
    return found


def service_names(service: str, region: str) -> tuple[str, ...]:
    """The service's names in a region.

    https://docs.aws.amazon.com/general/latest/gr/s3.html
    """
    domain = f"{region}.amazonaws.com"
    if service != "s3":
        return (f"{service}.{domain}",)
    # A wildcard first: a certificate is kept by its first name, and no client asks for this one.
    hosts = [f"s3.{domain}", f"s3.dualstack.{domain}"]
    if region == "us-east-1":
        hosts.append("s3.amazonaws.com")
    return tuple(name for host in hosts for name in (f"*.{host}", host))
