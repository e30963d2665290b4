"""Certificates as they are wished, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hiyoko.services.acm.seen import IssuedSeen

VALIDATION_TIME_S = 72 * 3600
"""https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html"""


class Status(StrEnum):
    """A certificate's status."""

    PENDING_VALIDATION = "PENDING_VALIDATION"
    ISSUED = "ISSUED"
    EXPIRED = "EXPIRED"
    VALIDATION_TIMED_OUT = "VALIDATION_TIMED_OUT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Validation:
    """The proof for one name: a CNAME ``name`` with this ``value``, both absolute."""

    domain: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A requested certificate. ``names`` has the domain first, each name once."""

    arn: str
    account: str
    region: str
    domain: str
    names: tuple[str, ...]
    key_algorithm: str
    validations: tuple[Validation, ...]
    created_at: float
    idempotency_token: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def status(self, issued: IssuedSeen | None, failure: str | None, now: float) -> Status:
        """What the certificate is: issued only when the CA was seen to have issued it."""
        if issued is not None:
            return Status.ISSUED if now < issued.not_after else Status.EXPIRED
        if failure is not None:
            return Status.FAILED
        if now >= self.created_at + VALIDATION_TIME_S:
            return Status.VALIDATION_TIMED_OUT
        return Status.PENDING_VALIDATION
