"""Certificate Manager: public certificates, proved by DNS, issued by the world's own CA.

- ``model``         certificates; their status, computed from wish, sighting and time
- ``validation``    the CNAME that proves a domain: stable per account and domain   (pure)
- ``rows``, ``seen``  what is stored: wishes, and what the certificate reconciler saw
- ``certificates``, ``certificate_tags``  the operations

Works: request, describe, list, get, delete, tags. Refused by name: import, export, revocation,
email and HTTP validation, private CAs.

Reference: https://docs.aws.amazon.com/acm/latest/APIReference/
"""

from . import certificate_tags, certificates

__all__ = ["certificate_tags", "certificates"]
