"""Where resolvers listen, and what becomes of the questions that they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True)
class Outlet:
    """An interface of an outbound endpoint: forwarded questions leave from its address."""

    eni_id: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of questions for ``domain`` (absolute, lower case) and all below.

    They leave through one of the ``outlets`` to one of the ``targets``; a rule without targets says
    that the resolver answers them by itself, whatever a rule for a shorter name says.
    """

    domain: str
    targets: tuple[tuple[IPv4Address, int], ...] = ()
    outlets: tuple[Outlet, ...] = ()


@dataclass(frozen=True, slots=True)
class VpcResolver:
    """A resolver that listens at ``address`` (and 169.254.169.253) in the VPC's router.

    ``hosts`` are public host names of the VPC's own interfaces with their private addresses: from
    inside, such a name leads to the private one. ``rules`` have different domains. One that
    ``validates`` answers only what public zones can prove, or don't sign. Questions to a ``logged``
    one are written down. Without ``reverse`` the VPC's addresses have no names of its own.
    """

    vpc_id: str
    address: IPv4Address
    region: str
    cidrs: tuple[IPv4Network, ...] = ()
    hosts: tuple[tuple[str, IPv4Address], ...] = ()
    rules: tuple[Rule, ...] = ()
    validates: bool = False
    logged: bool = False
    reverse: bool = True


@dataclass(frozen=True, slots=True)
class Inlet:
    """An interface of an inbound endpoint: the VPC's resolver listens at its address too."""

    eni_id: str
    address: IPv4Address
    vpc_id: str
