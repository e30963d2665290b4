"""The network made real: router namespaces, interfaces, routes, nftables.

- ``names``     interface names, table numbers, fingerprints: all computed, none kept
- ``rules``     a VPC's security as nftables text, in parts that can be changed one at a time (pure)
- ``lane``      how established connections pass all that once they were judged (pure)
- ``congestion`` how TCP paces itself in our namespaces
- ``nat``       what a NAT gateway's own namespace is given (pure)
- ``wiring``    interfaces, addresses, routes and policy rules of a VPC (pure)
- ``netlink``   whole lists, asked of the kernel without a program between
- ``observed``  what the kernel says of itself, as values
- ``steps``     blueprint against kernel: steps, puts before drops (pure)
- ``audit``     does the kernel hold what its fingerprints claim
- ``plane``     observes, applies a step
- ``internet``  the world's own namespace as the simulated internet

A packet from one interface to another passes, in the VPC's router: source guard → routing by the
sender's subnet → destination guard → ACL out → ACL in → gate of the sender (egress) → gate of the
receiver (ingress). Each is a base chain of its own, so an accept in one never skips another, and
each drops what it does not know.
"""

from hiyoko.plane.network.internet import prepare_internet
from hiyoko.plane.network.observed import Observed
from hiyoko.plane.network.plane import NetworkPlane
from hiyoko.plane.network.steps import LATER, NetworkStep, Rendered, standing, steps

__all__ = [
    "LATER",
    "NetworkPlane",
    "NetworkStep",
    "Observed",
    "Rendered",
    "prepare_internet",
    "standing",
    "steps",
]
