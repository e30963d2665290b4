"""The world's certificate authority: a root, an intermediate, and the leaves that ACM issues.

- ``files``       keys and certificates on disk: 0600 in a 0700 directory, written in one step
- ``authority``   root and intermediates, made once
- ``pointers``    where a certificate says that more is to be known    (pure)
- ``leaf``        what a leaf certificate holds                                (pure)
- ``issuing``     certificates for ACM, as files that HAProxy reads; keys that were imported
- ``ledger``      what was issued, and what is revoked
- ``responder``   OCSP, revocation lists, issuers
- ``endpoints``   TLS for AWS's own names, a leaf per name

Private keys exist in ``settings.ca_dir`` and nowhere else.
"""

from hiyoko.plane.ca.authority import root_certificate_path, trust_bundle
from hiyoko.plane.ca.endpoints import endpoint_context, service_context
from hiyoko.plane.ca.issuing import CertificateFiles, Issued, certificate_path

__all__ = [
    "CertificateFiles",
    "Issued",
    "certificate_path",
    "endpoint_context",
    "root_certificate_path",
    "service_context",
    "trust_bundle",
]
