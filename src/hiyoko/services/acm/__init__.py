"""Certificate Manager: public certificates, proved by DNS, issued by the world's own CA.

- ``model``         certificates; their status, computed from wish, sighting and time
- ``validation``    the CNAME that proves a domain: stable per account and domain   (pure)
- ``parsing``       certificates, chains and keys that users bring along            (pure)
- ``rows``, ``seen``  what is stored: wishes, and what the certificate reconciler saw
- ``key_store``     where private keys are kept, outside the database
- ``requests``, ``imports``, ``exports``, ``validations``, ``certificates``, ``search``,
  ``certificate_tags``, ``account``  the operations

A certificate that is validated by email is recorded and times out: nobody here reads mail.
Refused by name: HTTP validation, private CAs, N2 certificates.

Reference: https://docs.aws.amazon.com/acm/latest/APIReference/
"""

from . import (
    account,
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
    "certificate_tags",
    "certificates",
    "exports",
    "imports",
    "requests",
    "search",
    "validations",
]
