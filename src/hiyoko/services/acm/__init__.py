"""Certificate Manager: public certificates, proved by DNS, issued by the world's own CA.

- ``model``         certificates; their status, computed from wish, sighting and time
- ``validation``    the CNAME that proves a domain: stable per account and domain   (pure)
- ``parsing``       certificates, chains and keys that users bring along            (pure)
- ``rows``, ``seen``  what is stored: wishes, and what the certificate reconciler saw
- ``key_store``     where private keys are kept, outside the database
- ``requests``, ``imports``, ``exports``, ``validations``, ``certificates``, ``search``,
  ``certificate_tags``, ``account``  the operations
- ``acme_endpoints``, ``acme_validations``, ``acme_bindings``  ACME endpoints and who may use them
- ``acme_protocol``  what their clients ask for (RFC 8555), called by ``gateway.acme``

A certificate that is validated by email is recorded and times out: nobody here reads mail.
Refused by name: HTTP validation, private CAs, N2 certificates.

Reference: https://docs.aws.amazon.com/acm/latest/APIReference/
"""

from . import (
    account,
    acme_bindings,
    acme_endpoints,
    acme_protocol,
    acme_validations,
    certificate_tags,
    certificates,
    exports,
    imports,
    requests,
    search,
    validations,
)

__all__ = [
    "account",
    "acme_bindings",
    "acme_endpoints",
    "acme_protocol",
    "acme_validations",
    "certificate_tags",
    "certificates",
    "exports",
    "imports",
    "requests",
    "search",
    "validations",
]
