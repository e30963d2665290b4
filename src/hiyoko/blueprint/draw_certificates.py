"""Draws the certificates that must be proved, issued and kept."""

from __future__ import annotations

from collections.abc import Iterable

from hiyoko.blueprint.certificates import Certificate, Certificates, Validation
from hiyoko.services.acm.model import Certificate as Wished


def draw_certificates(certificates: Iterable[Wished]) -> Certificates:
    """Every requested certificate of every account, sorted by ARN."""
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
            for wished in sorted(certificates, key=lambda c: c.arn)
        )
    )
