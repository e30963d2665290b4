"""What Cloud Map keeps of a wish."""

from __future__ import annotations

from dataclasses import dataclass

Tags = tuple[tuple[str, str], ...]
Attributes = tuple[tuple[str, str], ...]

ADDRESS = "AWS_INSTANCE_IPV4"
PORT = "AWS_INSTANCE_PORT"
CNAME = "AWS_INSTANCE_CNAME"
ALIAS = "AWS_ALIAS_DNS_NAME"
INITIAL_HEALTH = "AWS_INIT_HEALTH_STATUS"
"""Attributes that Cloud Map acts on.

https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html
"""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A name for services to be below. ``kind``: DNS_PRIVATE, DNS_PUBLIC or HTTP.

    ``zone_id`` (bare) and ``soa_ttl_s`` are of a DNS namespace's hosted zone.
    """

    account: str
    region: str
    namespace_id: str
    arn: str
    name: str
    kind: str
    created_at: float
    creator: str
    description: str = ""
    zone_id: str = ""
    vpc_id: str = ""
    soa_ttl_s: int = 0
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class HealthCheckConfig:
    """A Route 53 health check that each instance gets."""

    type: str
    path: str = ""
    failure_threshold: int = 1


@dataclass(frozen=True, slots=True)
class Service:
    """What instances are registered in. ``records`` are types and TTLs in seconds.

    ``custom_health``: somebody tells each instance's health (UpdateInstanceCustomHealthStatus).
    ``revision`` grows with each change of an instance.
    """

    account: str
    region: str
    service_id: str
    arn: str
    namespace_id: str
    name: str
    created_at: float
    creator: str
    description: str = ""
    routing: str = ""
    records: tuple[tuple[str, int], ...] = ()
    health_check: HealthCheckConfig | None = None
    custom_health: bool = False
    attributes: Attributes = ()
    revision: int = 1
    tags: Tags = ()

    @property
    def kind(self) -> str:
        """HTTP: found by the API only; DNS_HTTP: in DNS too."""
        return "DNS_HTTP" if self.records else "HTTP"


@dataclass(frozen=True, slots=True)
class Instance:
    """One place where a service answers.

    ``told_health`` is what was told of it last (HEALTHY or UNHEALTHY), ``check_id`` its Route 53
    health check.
    """

    account: str
    region: str
    service_id: str
    instance_id: str
    creator: str
    registered_at: float
    attributes: Attributes
    told_health: str = "HEALTHY"
    check_id: str = ""

    def attribute(self, name: str) -> str:
        """An attribute's value; empty when it has none."""
        return dict(self.attributes).get(name, "")


@dataclass(frozen=True, slots=True)
class Operation:
    """A change that takes a while. It has succeeded once DNS answers from ``change_revision``.

    ``targets`` are kinds (NAMESPACE, SERVICE, INSTANCE) and ids. With an ``error_code`` nothing
    was changed. 0: DNS has nothing to do with it.
    """

    account: str
    region: str
    operation_id: str
    type: str
    created_at: float
    targets: tuple[tuple[str, str], ...]
    change_revision: int = 0
    error_code: str = ""
    error_message: str = ""
    creator: str = ""

    def target(self, kind: str) -> str:
        """The target of this kind; empty when there is none."""
        return dict(self.targets).get(kind, "")

    def status(self, served_revision: int) -> str:
        """SUCCESS, PENDING or FAIL, given the revision that DNS was seen to answer from."""
        if self.error_code:
            return "FAIL"
        return "PENDING" if served_revision < self.change_revision else "SUCCESS"
