"""What the certificate reconciler saw. Only ``reconcile`` writes these rows."""

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


@dataclass(frozen=True, slots=True)
class RenewalSeen:
    """How the renewal of a certificate stands: a RenewalStatus, and which names were proved."""

    certificate_arn: str
    status: str
    proved: tuple[str, ...]
    reason: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class RevokedSeen:
    """The CA says of this serial number, to whoever asks, that it is revoked."""

    serial: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class EventSeen:
    """An event that was put on the account's bus. ``mark`` tells it from others of its kind."""

    certificate_arn: str
    detail_type: str
    mark: str
    delivered: bool
    seen_at: float


@dataclass(frozen=True, slots=True)
class AcmeValidationSeen:
    """The CNAME of an ACME endpoint's domain validation was found by a look-up from the root."""

    arn: str
    seen_at: float


ACME_VALIDATIONS_SEEN = Table("acm_acme_validation_seen", AcmeValidationSeen, key=("arn",))
VALIDATIONS_SEEN = Table("acm_validation_seen", ValidationSeen, key=("certificate_arn", "domain"))
ISSUED_SEEN = Table("acm_issued_seen", IssuedSeen, key=("certificate_arn",))
FAILURES_SEEN = Table("acm_failure_seen", FailureSeen, key=("certificate_arn",))
RENEWALS_SEEN = Table("acm_renewal_seen", RenewalSeen, key=("certificate_arn",))
REVOKED_SEEN = Table("acm_revoked_seen", RevokedSeen, key=("serial",))
EVENTS_SEEN = Table("acm_event_seen", EventSeen, key=("certificate_arn", "detail_type", "mark"))
