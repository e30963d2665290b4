"""Certificates as they are wished, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hiyoko.services.acm.seen import IssuedSeen

VALIDATION_TIME_S = 72 * 3600
"""https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html"""
ACME_HOST = "acm-acme-enroll.*.api.aws"
"""The host of all ACME endpoints, but for the Region."""
DAY_S = 86400
RENEW_BEFORE_S = 45 * DAY_S
"""https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html"""

_AMAZONS = ("amazonaws.com", "cloudfront.net", "elasticbeanstalk.com")
_RESERVED = ("local", "localhost", "invalid", "onion", "internal", "test", "example", "arpa")
"""Top-level domains that nobody can register (RFC 6761, RFC 6762, RFC 7686): no public CA issues
for them."""


class Status(StrEnum):
    """A certificate's status."""

    PENDING_VALIDATION = "PENDING_VALIDATION"
    ISSUED = "ISSUED"
    EXPIRED = "EXPIRED"
    VALIDATION_TIMED_OUT = "VALIDATION_TIMED_OUT"
    REVOKED = "REVOKED"
    FAILED = "FAILED"


class Kind(StrEnum):
    """Where a certificate comes from."""

    AMAZON_ISSUED = "AMAZON_ISSUED"
    IMPORTED = "IMPORTED"


class Method(StrEnum):
    """How its names are proved."""

    DNS = "DNS"
    EMAIL = "EMAIL"


@dataclass(frozen=True, slots=True)
class Validation:
    """The proof for one name: a CNAME ``name`` with this ``value``, both absolute."""

    domain: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What an imported certificate says of itself. Times in seconds since the epoch."""

    subject: str
    issuer: str
    serial: str
    signature_algorithm: str
    not_before: float
    not_after: float
    key_usages: tuple[str, ...] = ()
    extended_key_usages: tuple[tuple[str, str], ...] = ()
    """Name and object identifier of each."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported. ``key_id`` names the key, which is not in the database."""

    certificate_pem: str
    chain_pem: str
    key_id: str
    imported_at: float
    facts: Facts


@dataclass(frozen=True, slots=True)
class AcmeRequest:
    """The request by which an ACME client got the certificate; its key never left the client."""

    endpoint_arn: str
    account_id: str
    request_pem: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A requested or imported certificate. ``names`` has the domain first, each name once."""

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
    method: Method = Method.DNS
    validation_domains: tuple[tuple[str, str], ...] = ()
    """Where mail for a name goes, when not to the name's own domain."""
    exportable: bool = False
    exported_at: float | None = None
    resent_at: float | None = None
    imported: Imported | None = None
    acme: AcmeRequest | None = None

    @property
    def kind(self) -> Kind:
        """Issued here, or brought along."""
        return Kind.AMAZON_ISSUED if self.imported is None else Kind.IMPORTED

    def status(
        self, issued: IssuedSeen | None, failure: str | None, now: float, revoked: bool = False
    ) -> Status:
        """What the certificate is: issued only when the CA was seen to have issued it.

        An imported one needs nobody's work any more: the import itself was refused or is complete.
        """
        if revoked:
            return Status.REVOKED
        if self.imported is not None:
            return Status.ISSUED if now < self.imported.facts.not_after else Status.EXPIRED
        if issued is not None:
            return Status.ISSUED if now < issued.not_after else Status.EXPIRED
        if failure is not None:
            return Status.FAILED
        if now >= self.times_out_at:
            return Status.VALIDATION_TIMED_OUT
        return Status.PENDING_VALIDATION

    @property
    def times_out_at(self) -> float:
        """When an unproved request is given up. Mail that is sent again begins anew."""
        return (self.resent_at or self.created_at) + VALIDATION_TIME_S

    def same_request(self, other: Certificate) -> bool:
        """True for two requests that ask for the same certificate."""
        mine = (self.domain, set(self.names), self.key_algorithm, self.method, self.exportable)
        return mine == (
            other.domain,
            set(other.names),
            other.key_algorithm,
            other.method,
            other.exportable,
        )

    def renewable(self, used: bool) -> bool:
        """Does ACM renew it by itself? What nobody uses, it lets expire."""
        return (
            self.imported is None and self.acme is None and (used or self.exported_at is not None)
        )

    def mail_domain(self, name: str) -> str:
        """The domain whose five addresses are asked about a name."""
        return dict(self.validation_domains).get(name, name.removeprefix("*."))

    def refused_for(self) -> str | None:
        """The failure reason of a request that no proof can help; None when there is none.

        https://docs.aws.amazon.com/acm/latest/userguide/troubleshooting-failed.html
        """
        for name in self.names:
            if any(name == zone or name.endswith(f".{zone}") for zone in _AMAZONS):
                return "ADDITIONAL_VERIFICATION_REQUIRED"
            if name.rsplit(".", 1)[-1] in _RESERVED:
                return "INVALID_PUBLIC_DOMAIN"
        return None


@dataclass(frozen=True, slots=True)
class Revocation:
    """A serial number that its owner wished revoked. It outlives the certificate: revoked is for
    ever."""

    serial: str
    account: str
    certificate_arn: str
    reason: str
    revoked_at: float


@dataclass(frozen=True, slots=True)
class AccountConfiguration:
    """An account's settings in a Region. ``days_before_expiry`` is when daily events begin."""

    account: str
    region: str
    days_before_expiry: int
    idempotency_token: str
    put_at: float


@dataclass(frozen=True, slots=True)
class AcmeEndpoint:
    """An ACME server of the account's own, at a URL of its own."""

    arn: str
    account: str
    region: str
    endpoint_id: str
    contact_required: bool
    key_algorithms: tuple[str, ...]
    created_at: float
    updated_at: float
    idempotency_token: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    certificate_tags: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """Where its clients go. https://docs.aws.amazon.com/acm/latest/userguide/acm-acme-issuance.html"""
        return f"https://{ACME_HOST.replace('*', self.region)}/{self.endpoint_id}"


@dataclass(frozen=True, slots=True)
class AcmeDomainValidation:
    """Names that an endpoint may issue for, once the CNAME is found."""

    arn: str
    endpoint_arn: str
    account: str
    region: str
    domain: str
    exact: bool
    subdomains: bool
    wildcards: bool
    validation: Validation
    created_at: float
    updated_at: float
    hosted_zone_id: str | None = None
    failure: str = ""
    """Why the record could not be written into the hosted zone: a failure reason."""
    idempotency_token: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def covers(self, name: str) -> bool:
        """May the endpoint issue for this name by this validation?"""
        bare = name.removeprefix("*.")
        below = bare.endswith(f".{self.domain}")
        if name != bare:
            return self.wildcards and (bare == self.domain or (below and self.subdomains))
        return (self.exact and name == self.domain) or (self.subdomains and below)

    def status(self, found: bool, now: float) -> str:
        """Valid when the CNAME was seen; given up after 72 hours, as a certificate is."""
        if found:
            return "VALID"
        late = now >= self.updated_at + VALIDATION_TIME_S
        return "INVALID" if late or self.failure else "VALIDATING"


@dataclass(frozen=True, slots=True)
class AcmeBinding:
    """Leave to register accounts with an endpoint. The MAC key is not in the database."""

    arn: str
    endpoint_arn: str
    account: str
    region: str
    role_arn: str
    key_id: str
    created_at: float
    updated_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    idempotency_token: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def usable(self, now: float) -> bool:
        """May a new account be registered with it?"""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class AcmeAccount:
    """A client's account: its public key (a JWK as JSON), and the binding that let it in."""

    account_id: str
    endpoint_arn: str
    binding_arn: str
    key: str
    thumbprint: str
    status: str
    contacts: tuple[str, ...]
    created_at: float


@dataclass(frozen=True, slots=True)
class AcmeOrder:
    """What an account asked for. ``certificate_arn`` once it was finalized."""

    order_id: str
    endpoint_arn: str
    account_id: str
    names: tuple[str, ...]
    created_at: float
    certificate_arn: str | None = None
