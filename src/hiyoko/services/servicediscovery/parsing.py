"""What CreateService and UpdateService ask for: records, routing, health."""

from __future__ import annotations

from typing import Any

from hiyoko.api import Request, unsupported
from hiyoko.services.servicediscovery import errors
from hiyoko.services.servicediscovery.model import HealthCheckConfig, Namespace

TTL_MAX = 2147483647


def records_in(given: list[dict[str, Any]]) -> tuple[tuple[str, int], ...]:
    """The DnsRecords: A, SRV, both, or CNAME alone. Raises InvalidInput."""
    found = tuple((one["Type"], int(one["TTL"])) for one in given)
    kinds = [kind for kind, _ in found]
    if "AAAA" in kinds:
        raise unsupported("DnsConfig.DnsRecords.Type", "AAAA")
    if len(set(kinds)) != len(kinds):
        raise errors.invalid_input("A type of DNS record may be given once.")
    if "CNAME" in kinds and len(kinds) > 1:
        raise errors.invalid_input("A CNAME record cannot be together with other records.")
    if any(not 0 <= ttl <= TTL_MAX for _, ttl in found):
        raise errors.invalid_input(f"A TTL must be between 0 and {TTL_MAX}.")
    return found


def dns_in(request: Request, namespace: Namespace) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The routing policy and the records; nothing for a service without DNS."""
    config = request.get("DnsConfig")
    if not config or not config["DnsRecords"]:
        return "", ()
    if namespace.kind == "HTTP" or request.get("Type") == "HTTP":
        raise errors.invalid_input("A service of an HTTP namespace cannot have a DnsConfig.")
    records = records_in(config["DnsRecords"])
    routing = config.get("RoutingPolicy") or "MULTIVALUE"
    if records[0][0] == "CNAME" and routing != "WEIGHTED":
        raise errors.invalid_input("A CNAME record needs the routing policy WEIGHTED.")
    return routing, records


def health_in(
    request: Request, namespace: Namespace, records: tuple[tuple[str, int], ...]
) -> HealthCheckConfig | None:
    """The HealthCheckConfig. Raises InvalidInput."""
    given = request.get("HealthCheckConfig")
    if not given:
        return None
    if request.get("HealthCheckCustomConfig") is not None:
        raise errors.invalid_input(
            "HealthCheckConfig and HealthCheckCustomConfig cannot both be specified."
        )
    if namespace.kind == "DNS_PRIVATE":
        raise errors.invalid_input(
            "HealthCheckConfig is for public DNS and HTTP namespaces: Route 53's health checkers"
            " are on the internet. Use HealthCheckCustomConfig."
        )
    if any(kind == "CNAME" for kind, _ in records):
        raise errors.invalid_input("HealthCheckConfig cannot be together with a CNAME record.")
    path = given.get("ResourcePath") or ""
    if given["Type"] == "TCP" and path:
        raise errors.invalid_input("ResourcePath cannot be specified for the type TCP.")
    if given["Type"] != "TCP":
        path = path or "/"
    return HealthCheckConfig(given["Type"], path, int(given.get("FailureThreshold") or 1))
