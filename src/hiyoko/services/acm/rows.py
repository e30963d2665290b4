"""The rows of Certificate Manager."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hiyoko.services.acm import errors
from hiyoko.services.acm.model import (
    AccountConfiguration,
    AcmeAccount,
    AcmeBinding,
    AcmeDomainValidation,
    AcmeEndpoint,
    AcmeOrder,
    Certificate,
    Revocation,
    Status,
)
from hiyoko.services.acm.seen import (
    EVENTS_SEEN,
    FAILURES_SEEN,
    ISSUED_SEEN,
    RENEWALS_SEEN,
    REVOKED_SEEN,
    VALIDATIONS_SEEN,
    FailureSeen,
    IssuedSeen,
    RenewalSeen,
)
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

CERTIFICATES = Table("acm_certificate", Certificate, key=("arn",), index=("account",))
REVOCATIONS = Table("acm_revocation", Revocation, key=("serial",), index=("certificate_arn",))
ACME_ENDPOINTS = Table("acm_acme_endpoint", AcmeEndpoint, key=("arn",), index=("endpoint_id",))
ACME_VALIDATIONS = Table(
    "acm_acme_validation", AcmeDomainValidation, key=("arn",), index=("endpoint_arn",)
)
ACME_BINDINGS = Table(
    "acm_acme_binding", AcmeBinding, key=("arn",), index=("endpoint_arn", "key_id")
)
ACME_ACCOUNTS = Table(
    "acm_acme_account", AcmeAccount, key=("account_id",), index=("endpoint_arn", "thumbprint")
)
ACME_ORDERS = Table("acm_acme_order", AcmeOrder, key=("order_id",), index=("account_id",))
CONFIGURATIONS = Table("acm_account", AccountConfiguration, key=("account", "region"))


@dataclass(frozen=True, slots=True)
class Known:
    """A certificate with everything that was wished and seen of it."""

    certificate: Certificate
    issued: IssuedSeen | None
    failure: FailureSeen | None
    renewal: RenewalSeen | None
    revocation: Revocation | None
    found: frozenset[str]
    used_by: tuple[str, ...]
    """The load balancers one of whose listeners presents it."""

    def status(self, now: float) -> Status:
        """What the certificate is."""
        failure = self.failure.reason if self.failure else None
        return self.certificate.status(self.issued, failure, now, self.revocation is not None)

    @property
    def renewable(self) -> bool:
        """Does ACM renew it by itself?"""
        return self.issued is not None and self.certificate.renewable(bool(self.used_by))

    @property
    def not_after(self) -> float | None:
        """When it ends, once there is something that can."""
        if self.certificate.imported is not None:
            return self.certificate.imported.facts.not_after
        return self.issued.not_after if self.issued is not None else None


def get_certificate(tx: Transaction, account: str, region: str, arn: str) -> Certificate:
    """The account's certificate in this Region. Raises ResourceNotFoundException."""
    found = CERTIFICATES.find(tx, arn=arn)
    if found is None or (found.account, found.region) != (account, region):
        raise errors.not_found(arn, account)
    return found


def get_known(tx: Transaction, account: str, region: str, arn: str) -> Known:
    """The certificate with all that is known of it. Raises ResourceNotFoundException."""
    return _gathered(tx, [get_certificate(tx, account, region, arn)], certificate_arn=arn)[0]


def list_certificates(tx: Transaction, account: str, region: str) -> list[Certificate]:
    """The account's certificates in this Region, newest first."""
    found = [c for c in CERTIFICATES.list(tx, account=account) if c.region == region]
    return sorted(found, key=lambda c: (-c.created_at, c.arn))


def list_known(tx: Transaction, account: str, region: str) -> list[Known]:
    """The account's certificates in this Region with all that is known, newest first."""
    return _gathered(tx, list_certificates(tx, account, region))


def list_all_known(tx: Transaction) -> list[Known]:
    """Every account's certificates with all that is known of them."""
    return _gathered(tx, CERTIFICATES.list(tx))


def _gathered(tx: Transaction, certificates: Iterable[Certificate], **where: str) -> list[Known]:
    """Certificates with all that is known of them: each table is read once, however many."""
    issued = {seen.certificate_arn: seen for seen in ISSUED_SEEN.list(tx, **where)}
    failures = {seen.certificate_arn: seen for seen in FAILURES_SEEN.list(tx, **where)}
    renewals = {seen.certificate_arn: seen for seen in RENEWALS_SEEN.list(tx, **where)}
    told = {seen.serial for seen in REVOKED_SEEN.list(tx)}
    revocations = {row.serial: row for row in REVOCATIONS.list(tx) if row.serial in told}
    found: dict[str, set[str]] = {}
    for seen in VALIDATIONS_SEEN.list(tx, **where):
        if seen.found:
            found.setdefault(seen.certificate_arn, set()).add(seen.domain)
    used = users(tx)
    serials = {arn: seen.serial for arn, seen in issued.items()}
    return [
        Known(
            certificate=certificate,
            issued=issued.get(certificate.arn),
            failure=failures.get(certificate.arn),
            renewal=renewals.get(certificate.arn),
            revocation=revocations.get(serials.get(certificate.arn, "")),
            found=frozenset(found.get(certificate.arn, ())),
            used_by=tuple(sorted(used.get(certificate.arn, ()))),
        )
        for certificate in certificates
    ]


def users(tx: Transaction) -> dict[str, set[str]]:
    """The load balancers that present a certificate, by its ARN."""
    found: dict[str, set[str]] = {}
    for listener in elbv2.LISTENERS.list(tx):
        for arn in listener.certificates:
            found.setdefault(arn, set()).add(listener.balancer_arn)
    return found


def insert_certificate(tx: Transaction, certificate: Certificate) -> None:
    """Add a certificate."""
    CERTIFICATES.insert(tx, certificate)


def put_certificate(tx: Transaction, certificate: Certificate) -> None:
    """Replace a certificate."""
    CERTIFICATES.put(tx, certificate)


def delete_certificate(tx: Transaction, arn: str) -> None:
    """Delete a certificate with all that was seen of it; what was revoked stays revoked."""
    CERTIFICATES.delete(tx, arn=arn)
    for seen in (VALIDATIONS_SEEN, FAILURES_SEEN, ISSUED_SEEN, RENEWALS_SEEN, EVENTS_SEEN):
        seen.delete(tx, certificate_arn=arn)
