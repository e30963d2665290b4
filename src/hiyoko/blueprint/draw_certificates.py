"""Draws the certificates that must be proved, issued and kept."""

from __future__ import annotations

from collections.abc import Iterable

from hiyoko.blueprint.certificates import (
    Certificate,
    Certificates,
    ImportedCertificate,
    Revocation,
    Validation,
)
from hiyoko.services.acm.model import Certificate as Wished
from hiyoko.services.acm.model import Revocation as WishedRevocation


def draw_certificates(
    certificates: Iterable[Wished], revocations: Iterable[WishedRevocation] = ()
) -> Certificates:
    """Every certificate of every account, sorted by ARN, and all that is revoked."""
    wanted = sorted(certificates, key=lambda c: c.arn)
    return Certificates(
        requested=tuple(
            Certificate(
                arn=wished.arn,
                domain=wished.domain,
                names=wished.names,
                key_algorithm=wished.key_algorithm,
                validations=tuple(
                    Validation(domain=v.domain, name=v.name, value=v.value)
                    for v in wished.validations
                ),
            )
            for wished in wanted
            if wished.imported is None
        ),
        imported=tuple(
            ImportedCertificate(
                arn=wished.arn,
                certificate_pem=wished.imported.certificate_pem,
                chain_pem=wished.imported.chain_pem,
                key_id=wished.imported.key_id,
            )
            for wished in wanted
            if wished.imported is not None
        ),
        revoked=tuple(
            Revocation(wished.serial, wished.revoked_at, wished.reason)
            for wished in sorted(revocations, key=lambda r: r.serial)
        ),
    )
