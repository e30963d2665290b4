"""Certificates: proved by a look-up from the root, then issued; never the other way round."""

from __future__ import annotations

from dataclasses import dataclass, field

from hiyoko.blueprint.certificates import Certificate, Validation
from hiyoko.blueprint.draw_certificates import draw_certificates
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.ca import CertificateFiles
from hiyoko.plane.dns.lookup import Lookup, from_the_root
from hiyoko.plane.error import PlaneError
from hiyoko.reconcile.report import Report
from hiyoko.services.acm import rows as acm
from hiyoko.services.acm.model import Certificate as Wished
from hiyoko.services.acm.model import Status
from hiyoko.services.acm.seen import (
    FAILURES_SEEN,
    ISSUED_SEEN,
    VALIDATIONS_SEEN,
    FailureSeen,
    IssuedSeen,
    ValidationSeen,
)
from hiyoko.store.database import Store

AGAIN_S = 3.0
"""How often a missing proof is looked for again though nothing was committed."""
CHAIN_MAX = 5
"""https://docs.aws.amazon.com/acm/latest/userguide/troubleshooting-DNS-validation.html"""
CAA_ISSUERS = frozenset({"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"})
"""https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a look-up for a domain's proof gave."""

    found: bool
    detail: str


@dataclass(frozen=True, slots=True)
class CertificateReconciler:
    """Looks for the proofs of every pending certificate, and issues those that are proved."""

    store: Store
    files: CertificateFiles
    clock: Clock = field(default_factory=SystemClock)

    @property
    def name(self) -> str:
        """The module's."""
        return "certificates"

    async def activate(self) -> Report:
        """Compare all with all; a second run does nothing."""
        report = Report()
        now = self.clock.now()
        with self.store.reading() as tx:
            wished = acm.list_all_certificates(tx)
            issued = {seen.certificate_arn for seen in ISSUED_SEEN.list(tx)}
            failed = {seen.certificate_arn for seen in FAILURES_SEEN.list(tx)}
        pending = [
            certificate
            for certificate in wished
            if certificate.arn not in issued
            and certificate.status(None, "" if certificate.arn in failed else None, now)
            is Status.PENDING_VALIDATION
        ]
        if pending:
            report.again_s = AGAIN_S
            async with from_the_root() as lookup:
                for certificate in draw_certificates(pending).requested:
                    await self._advance(certificate, lookup, report)
        await self._restore([c for c in wished if c.arn in issued], report)
        self._forget(frozenset(c.arn.rsplit("/", 1)[-1] for c in wished), report)
        return report

    async def _restore(self, issued: list[Wished], report: Report) -> None:
        """Issue anew what was issued and whose files are gone: listeners can't do without."""
        present = self.files.observe()
        gone = [c for c in issued if c.arn.rsplit("/", 1)[-1] not in present]
        for certificate in draw_certificates(gone).requested:
            with report.attempt(f"issue the lost certificate for {certificate.domain} again"):
                await self._issue(certificate)

    async def _advance(self, certificate: Certificate, lookup: Lookup, report: Report) -> None:
        """Look for every proof; when all are found and no CAA record forbids, issue."""
        proofs = {v.domain: await prove(v, lookup) for v in certificate.validations}
        if self._record_proofs(certificate, proofs):
            report.saw_change = True
        if not all(proof.found for proof in proofs.values()):
            return
        try:
            for domain in certificate.names:
                forbids = await forbidding_caa(domain, lookup)
                if forbids is not None:
                    report.saw_change = True
                    self._record_failure(certificate, forbids)
                    return
        except PlaneError as error:
            report.refusals[f"look up who may issue for {certificate.domain}"] = str(error)
            return
        with report.attempt(f"issue a certificate for {', '.join(certificate.names)}"):
            await self._issue(certificate)

    async def _issue(self, certificate: Certificate) -> None:
        made = await self.files.issue(certificate)
        with self.store.transaction() as tx:
            if acm.CERTIFICATES.find(tx, arn=certificate.arn) is None:
                return  # deleted meanwhile; the next activation removes the file
            ISSUED_SEEN.put(
                tx,
                IssuedSeen(
                    certificate_arn=certificate.arn,
                    certificate_pem=made.certificate_pem,
                    chain_pem=made.chain_pem,
                    serial=made.serial,
                    not_before=made.not_before,
                    not_after=made.not_after,
                    issued_at=self.clock.now(),
                ),
            )

    def _record_proofs(self, certificate: Certificate, proofs: dict[str, Proof]) -> bool:
        """Note what was seen, if it is news: noting the same again would wake everybody."""
        with self.store.reading() as tx:
            noted = {
                seen.domain: (seen.found, seen.detail)
                for seen in VALIDATIONS_SEEN.list(tx, certificate_arn=certificate.arn)
            }
        news = {
            domain: proof
            for domain, proof in proofs.items()
            if noted.get(domain) != (proof.found, proof.detail)
        }
        if not news:
            return False
        with self.store.transaction() as tx:
            if acm.CERTIFICATES.find(tx, arn=certificate.arn) is None:
                return False
            for domain, proof in news.items():
                seen = ValidationSeen(
                    certificate.arn, domain, proof.found, proof.detail, self.clock.now()
                )
                VALIDATIONS_SEEN.put(tx, seen)
        return True

    def _record_failure(self, certificate: Certificate, detail: str) -> None:
        with self.store.transaction() as tx:
            if acm.CERTIFICATES.find(tx, arn=certificate.arn) is not None:
                FAILURES_SEEN.put(
                    tx, FailureSeen(certificate.arn, "CAA_ERROR", detail, self.clock.now())
                )

    def _forget(self, wanted: frozenset[str], report: Report) -> None:
        """Delete the files of certificates that are no more."""
        for name in sorted(self.files.observe() - wanted):
            with report.attempt(f"delete the key of certificate {name}"):
                self.files.forget(name)


async def prove(validation: Validation, lookup: Lookup) -> Proof:
    """Look for a validation's CNAME from the root. The value's ``_`` may be missing, as for ACM."""
    found = await lookup.look_up(validation.name, "CNAME")
    name = validation.name
    for _ in range(CHAIN_MAX):
        targets = found.values("CNAME")
        if not targets:
            return Proof(False, f"{name} CNAME: {_why(found.rcode)}")
        target = targets[0].lower()
        if target in (validation.value, validation.value.removeprefix("_")):
            return Proof(True, f"{validation.name} CNAME {target}")
        name = target
        found = await lookup.look_up(name, "CNAME")
    return Proof(False, f"{validation.name} CNAME: the value asked for is not in the chain")


def _why(rcode: str) -> str:
    return {"NOERROR": "no such record", "SERVFAIL": "no server answered"}.get(rcode, rcode)


async def forbidding_caa(domain: str, lookup: Lookup) -> str | None:
    """The CAA records that forbid Amazon to issue for a domain; None when nothing does.

    The closest set from the name upwards counts (RFC 8659, section 3); no set at all allows.
    """
    wildcard = domain.startswith("*.")
    name = domain.removeprefix("*.") + "."
    while name.rstrip("."):
        found = await lookup.look_up(name, "CAA")
        if found.rcode == "SERVFAIL":
            raise PlaneError(f"look up CAA of {name}: no server answered")
        records = [_caa(value) for value in found.values("CAA")]
        if records:
            issue = [value for tag, value in records if tag == "issue"]
            wild = [value for tag, value in records if tag == "issuewild"]
            judged = wild if wildcard and wild else issue
            if judged and not CAA_ISSUERS & set(judged):
                return f"CAA records of {name} do not name Amazon: {', '.join(judged)}"
            return None
        name = name.split(".", 1)[1]
    return None


def _caa(value: str) -> tuple[str, str]:
    """Tag and issuer of a CAA record (``0 issue "amazon.com; policy=ev"``)."""
    _, tag, text = value.split(" ", 2)
    return tag.lower(), text.strip('"').split(";")[0].strip().lower()
