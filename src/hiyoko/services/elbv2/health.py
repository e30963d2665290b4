"""Target health: computed from what was wished and what the nodes' HAProxys see.

Several nodes check a target, each on its own. AWS does not document how it makes one state of
theirs; here the worst one is shown (unhealthy, then initial, then healthy), so that ``healthy``
means that no node will turn the target's clients away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hiyoko.services.elbv2 import rows
from hiyoko.services.elbv2.model import LoadBalancer, Registration, TargetGroup
from hiyoko.services.elbv2.seen import TARGETS_SEEN, TargetSeen, as_told
from hiyoko.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Health:
    """A target's state with AWS's reason and description, empty where AWS has none."""

    state: str
    reason: str = ""
    description: str = ""

    def view(self) -> dict[str, str]:
        """The API's shape."""
        shape = {"State": self.state}
        if self.reason:
            shape |= {"Reason": self.reason, "Description": self.description}
        return shape


NOT_REGISTERED = Health(
    "unused", "Target.NotRegistered", "Target is not registered to the target group"
)
NOT_IN_USE = Health(
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
ZONE_NOT_ENABLED = Health(
    "unused",
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)
IP_UNUSABLE = Health(
    "unused",
    "Target.IpUnusable",
    "The IP address cannot be used as a target, as it is in use by a load balancer",
)
REGISTERING = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
DRAINING = Health(
    "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
)

_WORST_FIRST = ("unhealthy", "initial", "healthy")


@dataclass(frozen=True, slots=True)
class HealthReader:
    """Reads the health of one group's targets; what is the group's is looked up only once."""

    group: TargetGroup
    balancer: LoadBalancer | None
    """Who uses the group: the first, when there are several."""
    seen: Mapping[tuple[str, int], Sequence[TargetSeen]]
    now: float
    unusable: frozenset[str]

    @classmethod
    def of(cls, tx: Transaction, group: TargetGroup, now: float) -> HealthReader:
        """A reader for the group as it is used at this moment."""
        unusable = frozenset(
            node.private_ip
            for balancer in rows.LOAD_BALANCERS.list(tx)
            if balancer.vpc_id == group.vpc_id
            for node in balancer.nodes
        )
        users = rows.listeners_using(tx, group.arn)
        balancer = rows.get_load_balancer(tx, users[0].balancer_arn) if users else None
        seen: dict[tuple[str, int], list[TargetSeen]] = {}
        for row in TARGETS_SEEN.list(tx, group_arn=group.arn):
            seen.setdefault((row.target_id, row.port), []).append(row)
        return cls(group, balancer, seen, now, unusable)

    def health(self, target: Registration | None) -> Health:
        """The state of a target; of None, that it is not registered."""
        if target is None:
            return NOT_REGISTERED
        noted = self.seen.get((target.target_id, target.port), ())
        if as_told(target, noted).expired(self.group, self.now):
            return NOT_REGISTERED
        balancer = self.balancer
        if target.deregistered_at is not None:
            return DRAINING if balancer is not None else NOT_REGISTERED
        if balancer is None:
            return NOT_IN_USE
        if target.target_id in self.unusable:
            return IP_UNUSABLE
        if target.zone is not None and target.zone not in {n.zone for n in balancer.nodes}:
            return ZONE_NOT_ENABLED
        enis = {
            node.eni_id
            for node in balancer.nodes
            if self.group.cross_zone or node.zone == target.zone
        }
        seen = [
            Health(row.state, row.reason, row.description)
            for row in noted
            # One that drained and was taken back is new to a node that has not heard of it yet.
            if row.eni_id in enis and row.state != "draining"
        ]
        worst = min(seen, key=lambda h: _WORST_FIRST.index(h.state), default=REGISTERING)
        if worst.state == "healthy" and len(seen) < len(enis):
            return REGISTERING
        return worst
