"""A root of the same key and name that is good for some domains only.

Whoever trusts it instead of the root trusts the same leaves below these domains, and nothing else
that the key may sign: name constraints (RFC 5280, section 4.2.1.10). Servers send what they sent
before, because the intermediates' issuer has the same name and the same key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cryptography import x509

from hiyoko.plane.ca.authority import ROOT, Authority, digest_for, issuer_builder
from hiyoko.settings import Settings

_ANY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def constrained_root(settings: Settings, domains: Sequence[str]) -> x509.Certificate:
    """A root for these domains and what is below them. Raises PlaneError."""
    root = Authority.open(settings).root
    builder = issuer_builder(
        ROOT,
        root.key,
        None,
        root.certificate.not_valid_before_utc,
        root.certificate.not_valid_after_utc,
    ).add_extension(
        x509.NameConstraints(
            permitted_subtrees=[x509.DNSName(domain) for domain in domains],
            # A list of permitted domains says nothing of other kinds of names.
            excluded_subtrees=[x509.IPAddress(network) for network in _ANY_ADDRESS],
        ),
        critical=True,
    )
    return builder.sign(root.key, digest_for(root.key))
