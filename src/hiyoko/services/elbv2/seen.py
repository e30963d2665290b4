"""What was seen of load balancers and their targets.

``reconcile.balancers`` writes what HAProxy says, ``reconcile.anomalies`` how targets compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hiyoko.services.elbv2.model import Registration
from hiyoko.store.database import Transaction
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
    AWS's for that state, empty when it has none. ``draining``: it gets no new request from there,
    since ``seen_at``.
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


@dataclass(frozen=True, slots=True)
class AnomalySeen:
    """A target that behaves worse than the others of its group, or that has done so until lately.

    ``result`` is AWS's (anomalous, normal). ``halved`` is how many times its share of the requests
    is halved, one step at ``seen_at``.
    """

    group_arn: str
    target_id: str
    port: int
    result: str
    halved: int
    seen_at: float


NODES_SEEN = Table("elbv2_node_seen", NodeSeen, key=("eni_id",), index=("balancer_arn",))
TARGETS_SEEN = Table(
    "elbv2_target_seen", TargetSeen, key=("group_arn", "target_id", "port", "eni_id")
)
ANOMALIES_SEEN = Table("elbv2_anomaly_seen", AnomalySeen, key=("group_arn", "target_id", "port"))
TLS_LIBRARY_SEEN = Table("elbv2_tls_library_seen", TlsLibrarySeen, key=("program",))


def as_told(row: Registration, seen: Iterable[TargetSeen]) -> Registration:
    """A registration whose delay begins when the last node was told that the target drains.

    ``seen``: what the nodes see of this target. As long as one sends it requests the delay has not
    begun, whatever the time is: nobody may end the target under them.
    """
    if row.deregistered_at is None:
        return row
    known = [one.seen_at if one.state == "draining" else math.inf for one in seen]
    return replace(row, deregistered_at=max(row.deregistered_at, *known, 0.0))


def told(tx: Transaction, row: Registration) -> Registration:
    """``as_told``, with what is written of the target."""
    if row.deregistered_at is None:
        return row
    seen = TARGETS_SEEN.list(tx, group_arn=row.group_arn, target_id=row.target_id, port=row.port)
    return as_told(row, seen)
