"""What Route 53 Resolver keeps of a wish."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

Tags = tuple[tuple[str, str], ...]

FORWARD, SYSTEM, RECURSIVE = "FORWARD", "SYSTEM", "RECURSIVE"
INBOUND, OUTBOUND = "INBOUND", "OUTBOUND"


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """An address of an endpoint: an interface in one of its subnets.

    ``leaving``: it was taken away, and is shown for as long as its interface stands.
    """

    ip_id: str
    subnet_id: str
    ip: str
    eni_id: str
    created_at: float
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class ResolverEndpoint:
    """Where questions come into a VPC (INBOUND) or leave it (OUTBOUND)."""

    account: str
    region: str
    endpoint_id: str
    arn: str
    direction: str
    vpc_id: str
    groups: tuple[str, ...]
    addresses: tuple[EndpointAddress, ...]
    creator: str
    created_at: float
    modified_at: float
    name: str = ""
    deleted_at: float | None = None
    tags: Tags = ()

    @property
    def works(self) -> bool:
        """Whether it shall exist."""
        return self.deleted_at is None

    @property
    def staying(self) -> tuple[EndpointAddress, ...]:
        """The addresses that it shall have."""
        return tuple(one for one in self.addresses if self.works and not one.leaving)

    def status(self, ready: set[str], standing: set[str]) -> str:
        """AWS's status from the wish and what is seen; empty when nothing is left of it.

        ``ready`` are the interfaces that serve, ``standing`` those that the kernel has.
        """
        left = any(one.eni_id in standing for one in self.addresses if one not in self.staying)
        if not self.works:
            return "DELETING" if left else ""
        if left or any(one.eni_id not in ready for one in self.staying):
            return "UPDATING" if self.modified_at > self.created_at else "CREATING"
        return "OPERATIONAL"


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """A resolver that questions are forwarded to."""

    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class ResolverRule:
    """What becomes of questions for a domain and all below: FORWARD or SYSTEM.

    ``domain`` is absolute and in lower case. ``revision`` is the store's when it was changed last.
    """

    account: str
    region: str
    rule_id: str
    arn: str
    type: str
    domain: str
    creator: str
    created_at: float
    modified_at: float
    revision: int
    name: str = ""
    targets: tuple[TargetAddress, ...] = ()
    endpoint_id: str = ""
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class RuleAssociation:
    """A VPC whose questions a rule is for. ``leaving``: it was taken away at ``revision``."""

    account: str
    region: str
    association_id: str
    rule_id: str
    vpc_id: str
    revision: int
    name: str = ""
    leaving: bool = False

    def status(self, served: int) -> str:
        """AWS's status, given the revision that DNS was seen to answer from; empty when gone."""
        if self.leaving:
            return "DELETING" if served < self.revision else ""
        return "CREATING" if served < self.revision else "COMPLETE"


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that a VPC's resolver does or leaves."""

    account: str
    region: str
    vpc_id: str
    on: bool
    revision: int = 0
    prefix: ClassVar[str]

    @property
    def config_id(self) -> str:
        """It follows from the VPC: AWS shows one also where nobody has set anything."""
        return f"{self.prefix}-{hashlib.sha256(self.vpc_id.encode()).hexdigest()[:17]}"

    def status(self, served: int) -> str:
        """AWS's status, given the revision that DNS was seen to answer from."""
        return ("ENABL" if self.on else "DISABL") + ("ED" if served >= self.revision else "ING")


@dataclass(frozen=True, slots=True)
class DnssecConfig(Switch):
    """Whether a VPC's resolver validates what public zones say."""

    on: bool = False
    prefix = "rdsc"


@dataclass(frozen=True, slots=True)
class ReverseConfig(Switch):
    """Whether a VPC's resolver names the VPC's own addresses (AWS's ``ResolverConfig``)."""

    on: bool = True
    prefix = "rrc"


@dataclass(frozen=True, slots=True)
class QueryLogConfig:
    """A log group of CloudWatch Logs that lines about questions go to."""

    account: str
    region: str
    config_id: str
    arn: str
    name: str
    destination: str
    creator: str
    created_at: float
    tags: Tags = ()

    @property
    def log_group(self) -> str:
        """The log group's name."""
        return self.destination.split(":log-group:", 1)[1].removesuffix(":*")


@dataclass(frozen=True, slots=True)
class QueryLogAssociation:
    """A VPC whose questions are logged."""

    account: str
    region: str
    association_id: str
    config_id: str
    vpc_id: str
    created_at: float
    revision: int
