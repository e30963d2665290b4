"""What the balancer reconciler saw of HAProxy. Only ``reconcile.balancers`` writes these rows."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node's HAProxy runs and listens on these ports with the configuration of this digest.

    ``wished`` is the digest of the configuration that the blueprint asks for: equal when the
    node has caught up.
    """

    eni_id: str
    balancer_arn: str
    ports: tuple[int, ...]
    digest: str
    wished: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """A target's health as one node's HAProxy sees it.

    ``state`` is AWS's (initial, healthy, unhealthy, draining); ``reason`` and ``description`` are
    AWS's for that state, empty when it has none.
    """

    group_arn: str
    target_id: str
    port: int
    eni_id: str
    state: str
    reason: str
    description: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class TlsLibrarySeen:
    """The TLS library that HAProxy runs on, told by the program ``program``.

    ``hybrid_groups``: it knows post-quantum key exchange; ``fips``: a FIPS provider is loaded.
    """

    program: str
    name: str
    hybrid_groups: bool
    fips: bool


NODES_SEEN = Table("elbv2_node_seen", NodeSeen, key=("eni_id",), index=("balancer_arn",))
TARGETS_SEEN = Table(
    "elbv2_target_seen", TargetSeen, key=("group_arn", "target_id", "port", "eni_id")
)
TLS_LIBRARY_SEEN = Table("elbv2_tls_library_seen", TlsLibrarySeen, key=("program",))
