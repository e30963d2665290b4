"""Load balancers, target groups, listeners, rules and registrations: what was wished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from hiyoko.services.elbv2.ssl_policies import SslPolicy, find_ssl_policy, target_ssl_policy

__all__ = [
    "Action",
    "Claim",
    "Condition",
    "FixedResponse",
    "GroupStickiness",
    "HealthCheck",
    "HealthyMinimum",
    "Jwt",
    "Listener",
    "LoadBalancer",
    "MutualAuthentication",
    "Node",
    "Oidc",
    "Redirect",
    "Registration",
    "Rule",
    "SslPolicy",
    "TargetGroup",
    "Transform",
    "TrustStore",
    "TrustStoreRevocation",
    "WeightedGroup",
    "canonical_hosted_zone_id",
    "find_ssl_policy",
    "target_ssl_policy",
    "used_groups",
]

Tags = tuple[tuple[str, str], ...]

# https://docs.aws.amazon.com/general/latest/gr/elb.html
_HOSTED_ZONES = {
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "sa-east-1": "Z2P70J7HTTTPLU",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-northeast-2": "ZWKZPGTI48KDX",
    "ap-northeast-3": "Z5LXEXXYW11ES",
    "ap-east-1": "Z3DQVH9N71FHZ0",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "ap-south-1": "ZP97RAFLXTNZK",
}


def canonical_hosted_zone_id(region: str) -> str:
    """The zone that a Route 53 alias to a load balancer of this region names."""
    return _HOSTED_ZONES.get(region, "Z14GRHDCWA56QT")


@dataclass(frozen=True, slots=True)
class Node:
    """The balancer's place in one subnet: a managed interface with its addresses."""

    subnet_id: str
    zone: str
    eni_id: str
    private_ip: str
    public_ip: str | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """An Application Load Balancer. ``attributes`` holds only those that differ from defaults."""

    arn: str
    account: str
    region: str
    name: str
    dns_name: str
    scheme: str
    vpc_id: str
    security_groups: tuple[str, ...]
    nodes: tuple[Node, ...]
    created_at: float
    attributes: dict[str, str] = field(default_factory=dict)
    tags: Tags = ()

    @property
    def full_name(self) -> str:
        """``app/NAME/ID``: CloudWatch's dimension, and part of each interface's description."""
        return self.arn.split(":loadbalancer/", 1)[1]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How targets are checked. ``port`` is a number or ``traffic-port``."""

    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    interval_s: int = 30
    timeout_s: int = 5
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"


@dataclass(frozen=True, slots=True)
class HealthyMinimum:
    """How many targets must be healthy: so many, and so many percent. ``count`` 0 is AWS's off."""

    count: int = 1
    percent: int | None = None

    @classmethod
    def of(cls, attributes: Mapping[str, str], action: str) -> HealthyMinimum:
        """That of an action, ``dns_failover`` or ``unhealthy_state_routing``."""
        prefix = f"target_group_health.{action}.minimum_healthy_targets"
        count, percent = (attributes.get(f"{prefix}.{part}") for part in ("count", "percentage"))
        return cls(
            0 if count == "off" else int(count or 1),
            None if percent in (None, "off") else int(percent or 0),
        )

    def missed(self, healthy: int, total: int) -> bool:
        """True when one of the two is not reached."""
        return healthy < self.count or (
            self.percent is not None and healthy * 100 < self.percent * total
        )


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group of type ``ip``. ``attributes`` as in LoadBalancer."""

    arn: str
    account: str
    region: str
    name: str
    protocol: str
    port: int
    vpc_id: str
    created_at: float
    protocol_version: str = "HTTP1"
    target_type: str = "ip"
    health_check: HealthCheck = field(default_factory=HealthCheck)
    attributes: dict[str, str] = field(default_factory=dict)
    tags: Tags = ()

    @property
    def deregistration_delay_s(self) -> int:
        """How long a deregistered target drains."""
        return int(self.attributes.get("deregistration_delay.timeout_seconds", "300"))

    @property
    def cross_zone(self) -> bool:
        """True when every node sends to targets of every zone: the load balancer's own setting."""
        return self.attributes.get("load_balancing.cross_zone.enabled") != "false"

    @property
    def mitigates(self) -> bool:
        """True when targets that behave worse than the others are sent fewer requests."""
        return self.attributes.get("load_balancing.algorithm.anomaly_mitigation") == "on"

    @property
    def routing_minimum(self) -> HealthyMinimum:
        """Below it a node sends to all targets."""
        return HealthyMinimum.of(self.attributes, "unhealthy_state_routing")

    @property
    def dns_minimum(self) -> HealthyMinimum:
        """Below it a node's addresses leave the load balancer's name."""
        return HealthyMinimum.of(self.attributes, "dns_failover")

    @property
    def sticky(self) -> bool:
        """True when its clients are to come back to their targets."""
        return self.attributes.get("stickiness.enabled") == "true"


@dataclass(frozen=True, slots=True)
class WeightedGroup:
    """One target group of a forward action."""

    group_arn: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class GroupStickiness:
    """Whether the clients of a forward action come back to their target group, and for how long."""

    enabled: bool = False
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect action's parts, defaults filled in; they may hold ``#{...}`` placeholders."""

    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"
    status: int = 301


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """A fixed-response action. Empty ``content_type`` means that none was given."""

    status: int
    content_type: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Oidc:
    """An authenticate-oidc action: whom to ask, as whom, and how long a session lasts."""

    COOKIE: ClassVar[str] = "AWSELBAuthSessionCookie"

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    user_info_endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    cookie: str = COOKIE
    scope: str = "openid"
    timeout_s: int = 604_800
    extra: Tags = ()
    on_unauthenticated: str = "authenticate"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token must claim besides its times and its issuer."""

    name: str
    format: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jwt:
    """A jwt-validation action: whose tokens are taken."""

    jwks_endpoint: str
    issuer: str
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One action: ``type`` says which of the parts are set."""

    type: str
    order: int | None = None
    groups: tuple[WeightedGroup, ...] = ()
    redirect: Redirect | None = None
    fixed_response: FixedResponse | None = None
    stickiness: GroupStickiness = GroupStickiness()
    oidc: Oidc | None = None
    jwt: Jwt | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; any of ``values`` or of ``regexes`` (``pairs`` for query-string) matches.

    ``key`` is the name of an http-header condition.
    """

    field: str
    values: tuple[str, ...] = ()
    key: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    regexes: tuple[str, ...] = ()

    @property
    def evaluations(self) -> int:
        """How many values the condition compares: what the quota of a rule counts."""
        return len(self.values) + len(self.pairs) + len(self.regexes)


@dataclass(frozen=True, slots=True)
class Transform:
    """What a rule rewrites on the way to a target; ``type`` says whether URL or host header."""

    type: str
    regex: str
    replace: str


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The authorities whose clients are let in. ``ca_bundle`` is their certificates in PEM."""

    arn: str
    account: str
    region: str
    name: str
    created_at: float
    ca_bundle: str
    ca_count: int
    next_revocation_id: int = 1
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class TrustStoreRevocation:
    """A list of certificates that a trust store's authorities have taken back, in PEM."""

    trust_store_arn: str
    revocation_id: int
    crl: str
    entries: int


@dataclass(frozen=True, slots=True)
class MutualAuthentication:
    """How a listener handles clients' certificates. ``mode`` is ``passthrough`` or ``verify``."""

    mode: str
    trust_store_arn: str | None = None
    ignore_expiry: bool = False
    advertise: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener with its default rule. The first of ``certificates`` is the default one."""

    arn: str
    account: str
    region: str
    balancer_arn: str
    port: int
    protocol: str
    default_rule_arn: str
    default_actions: tuple[Action, ...]
    ssl_policy: str | None = None
    certificates: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    tags: Tags = ()
    mutual: MutualAuthentication | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with a priority; the default rule lives in its listener."""

    arn: str
    account: str
    region: str
    listener_arn: str
    priority: int
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    tags: Tags = ()
    transforms: tuple[Transform, ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """A target of a group. ``zone`` None means every enabled zone (``all``).

    A deregistered one drains until ``deregistered_at`` plus the group's delay; when that begins
    is up to the nodes, see ``seen.as_told``.
    """

    group_arn: str
    account: str
    region: str
    target_id: str
    port: int
    zone: str | None
    registered_at: float
    deregistered_at: float | None = None

    def drains(self, group: TargetGroup, now: float) -> bool:
        """True while a deregistered target still finishes its requests."""
        return self.deregistered_at is not None and not self.expired(group, now)

    def expired(self, group: TargetGroup, now: float) -> bool:
        """True when the deregistration delay is over: the target is no longer known."""
        at = self.deregistered_at
        return at is not None and now >= at + group.deregistration_delay_s


def used_groups(actions: Iterable[Action]) -> tuple[str, ...]:
    """The ARNs of the target groups that these actions forward to, in their order."""
    return tuple(dict.fromkeys(group.group_arn for a in actions for group in a.groups))
