"""Where a certificate says that more is to be known: its issuer, OCSP, the revocation list.

The names are below ``test.``, which nobody can ever register (RFC 6761): a certificate that is
looked at outside the world asks no stranger about itself. The shape is Amazon's
(``ocsp.r2m01.amazontrust.com``).
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

DOMAIN = "hiyoko-trust.test"


def pointers(label: str) -> tuple[x509.ExtensionType, x509.ExtensionType]:
    """The extensions that lead to the issuer with this label."""
    access = x509.AuthorityInformationAccess(
        [
            _access(AuthorityInformationAccessOID.OCSP, f"http://ocsp.{label}.{DOMAIN}"),
            _access(
                AuthorityInformationAccessOID.CA_ISSUERS,
                f"http://crt.{label}.{DOMAIN}/{label}.cer",
            ),
        ]
    )
    lists = x509.CRLDistributionPoints(
        [
            x509.DistributionPoint(
                [x509.UniformResourceIdentifier(f"http://crl.{label}.{DOMAIN}/{label}.crl")],
                None,
                None,
                None,
            )
        ]
    )
    return access, lists


def _access(method: x509.ObjectIdentifier, url: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
