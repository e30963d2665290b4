"""The balancer nodes that must exist: one namespace, interface and HAProxy per enabled subnet."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from hiyoko.services.elbv2.model import Claim, Jwt, Oidc

__all__ = [
    "Action",
    "BalancerNode",
    "Balancers",
    "Claim",
    "Condition",
    "FixedResponse",
    "Forward",
    "HealthCheck",
    "Jwt",
    "Listener",
    "Oidc",
    "Redirect",
    "Rule",
    "Stickiness",
    "Target",
    "TargetGroup",
    "Transform",
]


@dataclass(frozen=True, slots=True)
class Target:
    """A registered target. ``draining`` ones get no new request.

    ``settled`` is true once this node's checks have found it healthy or unhealthy: until then one
    success makes it healthy, and it takes no part when all others fail and the node fails open.
    ``halved`` is how many times its share of the requests is halved, because it fails them.
    ``young`` while it is so new that it may not listen yet: a check that fails is soon repeated.
    """

    target_id: str
    address: IPv4Address
    port: int
    zone: str | None
    draining: bool = False
    settled: bool = False
    halved: int = 0
    young: bool = False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How every node checks every target of a group. Times in seconds."""

    protocol: str
    port: int | None
    path: str
    interval_s: int
    timeout_s: int
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str


@dataclass(frozen=True, slots=True)
class Stickiness:
    """How long a client comes back to its target after each answer, in seconds.

    ``app_cookie`` names the target's own cookie that must come with the balancer's; None when the
    balancer's is enough.
    """

    duration_s: int
    app_cookie: str | None = None


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group that some listener or rule of the balancer uses.

    With fewer healthy targets than the minimum (a count, or percent of all), all get requests.
    """

    arn: str
    name: str
    protocol: str
    protocol_version: str
    health_check: HealthCheck
    targets: tuple[Target, ...]
    stickiness: Stickiness | None = None
    algorithm: str = "round_robin"
    slow_start_s: int = 0
    healthy_count_min: int = 1
    healthy_percent_min: int | None = None

    @property
    def opens_early(self) -> bool:
        """True when unhealthy targets get requests though some target is healthy."""
        return self.healthy_count_min > 1 or self.healthy_percent_min is not None

    @property
    def opens_apart(self) -> bool:
        """True when requests for all targets, healthy or not, are told apart from the others."""
        return self.opens_early or self.stickiness is not None


@dataclass(frozen=True, slots=True)
class Forward:
    """Send to target groups by weight.

    A client comes back to its group for ``stickiness_s`` seconds after each answer.
    """

    groups: tuple[tuple[str, int], ...]
    stickiness_s: int | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer 301 or 302; the parts may hold AWS's ``#{...}`` placeholders."""

    protocol: str
    host: str
    port: str
    path: str
    query: str
    status: int


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """Answer by itself."""

    status: int
    content_type: str
    body: str


Action = Forward | Redirect | FixedResponse


@dataclass(frozen=True, slots=True)
class Condition:
    """``field`` is AWS's name (host-header, path-pattern, ...); any value or regex matches.

    ``key`` is the header's name for http-header; query-string values are ``key=value`` pairs
    written as (key or "", value) tuples in ``pairs``.
    """

    field: str
    values: tuple[str, ...] = ()
    key: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    regexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transform:
    """What is rewritten on the way to a target: the first match of ``regex``.

    ``type`` is AWS's name (url-rewrite, host-header-rewrite); ``$1`` in ``replace`` is a group.
    """

    type: str
    regex: str
    replace: str


@dataclass(frozen=True, slots=True)
class Rule:
    """All conditions must match. ``priority`` 0 is the default rule, which comes last.

    ``guards`` let a request pass only when it is known whose it is; ``transforms`` change the
    request after it has been matched; ``action`` is the final one.
    """

    arn: str
    priority: int
    conditions: tuple[Condition, ...]
    action: Action
    transforms: tuple[Transform, ...] = ()
    guards: tuple[Oidc | Jwt, ...] = ()


@dataclass(frozen=True, slots=True)
class MutualTls:
    """What is asked of clients' certificates. ``mode`` is ``passthrough`` or ``verify``.

    ``ca_bundle`` and ``crls`` are PEM texts, empty for passthrough.
    """

    mode: str
    ca_bundle: str = ""
    crls: str = ""
    ignore_expiry: bool = False
    advertise: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A port with its rules by ascending priority, the default rule last."""

    arn: str
    port: int
    protocol: str
    ssl_policy: str | None
    certificate_arns: tuple[str, ...]
    rules: tuple[Rule, ...]
    tls_versions: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    mutual: MutualTls | None = None


@dataclass(frozen=True, slots=True)
class TargetTls:
    """What a node speaks to HTTPS targets: versions newest first, ciphers in order."""

    versions: tuple[str, ...]
    ciphers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BalancerNode:
    """One HAProxy in the namespace of ``eni_id``. All nodes of a balancer share the listeners."""

    balancer_arn: str
    name: str
    eni_id: str
    subnet_id: str
    zone: str
    address: IPv4Address
    listeners: tuple[Listener, ...]
    groups: tuple[TargetGroup, ...]
    idle_timeout_s: int = 60
    attributes: tuple[tuple[str, str], ...] = ()
    target_tls: TargetTls | None = None
    public_address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Balancers:
    """Every node of every balancer."""

    nodes: tuple[BalancerNode, ...] = ()
