"""The CNAME that proves control over a domain."""

from __future__ import annotations

import hashlib

from hiyoko.services.acm.model import Validation

_ZONE = "acm-validations.aws."


def validation_for(account: str, domain: str, endpoint_id: str = "") -> Validation:
    """The record for a domain: the same for every request of the account, in every Region.

    ``*.d`` and ``d`` share one, so that it need be published once. Each ACME endpoint has others.
    https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
    """
    bare = domain.removeprefix("*.")
    owner = f"{account} {endpoint_id}" if endpoint_id else account
    token, value, zone = (
        hashlib.sha256(f"{part} {owner} {bare}".encode()).hexdigest()
        for part in ("name", "value", "zone")
    )
    letters = "".join(chr(ord("a") + int(zone[2 * i : 2 * i + 2], 16) % 26) for i in range(10))
    return Validation(
        domain=domain,
        name=f"_{token[:32]}.{bare}.",
        value=f"_{value[:32]}.{letters}.{_ZONE}",
    )
