"""What the certificate reconciler saw. Only ``reconcile.certificates`` writes these rows."""

from __future__ import annotations

from dataclasses import dataclass

from hiyoko.store.table import Table


@dataclass(frozen=True, slots=True)
class ValidationSeen:
    """The validation CNAME was found by a look-up from the root (``found``), or why not."""

    certificate_arn: str
    domain: str
    found: bool
    detail: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class IssuedSeen:
    """The CA issued the certificate. PEM texts; the key never leaves the state directory."""

    certificate_arn: str
    certificate_pem: str
    chain_pem: str
    serial: str
    not_before: float
    not_after: float
    issued_at: float


@dataclass(frozen=True, slots=True)
class FailureSeen:
    """The request failed for good (``CAA_ERROR``); AWS does not try a failed request again."""

    certificate_arn: str
    reason: str
    detail: str
    seen_at: float


VALIDATIONS_SEEN = Table("acm_validation_seen", ValidationSeen, key=("certificate_arn", "domain"))
ISSUED_SEEN = Table("acm_issued_seen", IssuedSeen, key=("certificate_arn",))
FAILURES_SEEN = Table("acm_failure_seen", FailureSeen, key=("certificate_arn",))
