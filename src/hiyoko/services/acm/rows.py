"""The rows of Certificate Manager."""

from __future__ import annotations

from hiyoko.services.acm import errors
from hiyoko.services.acm.model import Certificate
from hiyoko.services.acm.seen import FAILURES_SEEN, ISSUED_SEEN, VALIDATIONS_SEEN
from hiyoko.store.database import Transaction
from hiyoko.store.table import Table

CERTIFICATES = Table("acm_certificate", Certificate, key=("arn",), index=("account",))


def get_certificate(tx: Transaction, account: str, region: str, arn: str) -> Certificate:
    """The account's certificate in this Region. Raises ResourceNotFoundException."""
    found = CERTIFICATES.find(tx, arn=arn)
    if found is None or (found.account, found.region) != (account, region):
        raise errors.not_found(arn, account)
    return found


def list_certificates(tx: Transaction, account: str, region: str) -> list[Certificate]:
    """The account's certificates in this Region, newest first."""
    found = [c for c in CERTIFICATES.list(tx, account=account) if c.region == region]
    return sorted(found, key=lambda c: (-c.created_at, c.arn))


def list_all_certificates(tx: Transaction) -> list[Certificate]:
    """Every account's certificates."""
    return CERTIFICATES.list(tx)


def insert_certificate(tx: Transaction, certificate: Certificate) -> None:
    """Add a certificate."""
    CERTIFICATES.insert(tx, certificate)


def put_certificate(tx: Transaction, certificate: Certificate) -> None:
    """Replace a certificate."""
    CERTIFICATES.put(tx, certificate)


def delete_certificate(tx: Transaction, arn: str) -> None:
    """Delete a certificate with all that was seen of it."""
    CERTIFICATES.delete(tx, arn=arn)
    for seen in (VALIDATIONS_SEEN, FAILURES_SEEN, ISSUED_SEEN):
        seen.delete(tx, certificate_arn=arn)
