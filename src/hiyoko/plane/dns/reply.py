"""What is said to one question, whoever says it: a zone or a resolver."""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.rcode

from hiyoko.plane.dns.loaded import Name, Records, Type


@dataclass(slots=True)
class Reply:
    """What a zone says. ``aa`` is off in a referral.

    ``leaves_to`` is the target of a CNAME that leads out of the zone. ``chosen``: a routing policy
    had a say, so another question may get another answer. ``denied`` is the name that has no such
    type, or does not exist, with the types that it has; ``cut`` is where a referral leads.
    """

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    aa: bool = True
    answer: list[Records] = field(default_factory=list)
    authority: list[Records] = field(default_factory=list)
    additional: list[Records] = field(default_factory=list)
    leaves_to: Name | None = None
    chosen: bool = False
    denied: tuple[Name, tuple[Type, ...]] | None = None
    cut: Name | None = None
