"""Certificates: proved by a look-up from the root, then issued; never the other way round.

What was issued is renewed 45 days before its end, as long as somebody uses it and its proof still
stands. What was imported becomes a file; what is revoked is told to whoever asks the authority.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hiyoko.blueprint.certificates import Certificate, Certificates, Validation
from hiyoko.blueprint.draw_certificates import draw_certificates
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.ca import CertificateFiles
from hiyoko.plane.ca.issuing import Issued
from hiyoko.plane.ca.ledger import Revoked
from hiyoko.plane.dns.lookup import Lookup, from_the_root
from hiyoko.plane.error import PlaneError
from hiyoko.reconcile.certificate_events import tell
from hiyoko.reconcile.certificate_metrics import next_publication, publish
from hiyoko.reconcile.proofs import Proof, forbidding_caa, prove
from hiyoko.reconcile.report import Report
from hiyoko.services.acm import rows as acm
from hiyoko.services.acm.model import RENEW_BEFORE_S, Method, Status
from hiyoko.services.acm.rows import Known
from hiyoko.services.acm.seen import (
    ACME_VALIDATIONS_SEEN,
    FAILURES_SEEN,
    ISSUED_SEEN,
    RENEWALS_SEEN,
    REVOKED_SEEN,
    VALIDATIONS_SEEN,
    AcmeValidationSeen,
    FailureSeen,
    IssuedSeen,
    RenewalSeen,
    RevokedSeen,
    ValidationSeen,
)
from hiyoko.store.database import Store

AGAIN_S = 3.0
"""How often a missing proof is looked for again though nothing was committed."""
RENEWAL_AGAIN_S = 60.0
"""How often the proof of a certificate in use, which has weeks left, is looked for again."""


@dataclass(frozen=True, slots=True)
class CertificateReconciler:
    """Proves, issues, renews and revokes certificates, and forgets those that are gone."""

    store: Store
    files: CertificateFiles
    clock: Clock = field(default_factory=SystemClock)
    heard: Callable[[], bool] = lambda: True
    """Whether anybody has used EventBridge."""

    @property
    def name(self) -> str:
        """The module's."""
        return "certificates"

    async def activate(self) -> Report:
        """Compare all with all; a second run does nothing."""
        report = Report()
        now = self.clock.now()
        # Everybody who writes keys does so between two awaits of this loop's thread, or for us.
        self._sweep(report)
        # Files before rows, with nothing between: a key that no row names is one too many.
        bundles, keys = self.files.observe(), self.files.observe_keys()
        with self.store.reading() as tx:
            wished = acm.list_all_known(tx)
            revocations = acm.REVOCATIONS.list(tx)
        wanted = draw_certificates((known.certificate for known in wished), revocations)
        self._forget_keys(keys - {c.key_id for c in wanted.imported}, report)
        drawn = {certificate.arn: certificate for certificate in wanted.requested}
        await self._prove_and_issue([k for k in wished if _pending(k, now)], drawn, report)
        await self._renew([k for k in wished if renewal_due(k, now)], drawn, report)
        await self._prove_domains(report)
        await self._restore([k for k in wished if _owned(k)], bundles, drawn, report)
        self._note_missed_renewals([k for k in wished if _missed(k, now)], report)
        self._install(wanted, report)
        self._revoke(wanted, report)
        self._forget(bundles - {k.certificate.arn.rsplit("/", 1)[-1] for k in wished}, report)
        # Of what was at the beginning: what has changed since is a commit, which wakes us again.
        await tell(self.store, self.clock, wished, heard=self.heard())
        publish(self.store, self.clock, wished)
        _wake_for(wished, now, report)
        return report

    async def _prove_and_issue(
        self, pending: list[Known], drawn: Mapping[str, Certificate], report: Report
    ) -> None:
        """Refuse what can't be, then look for every proof of the others."""
        hopeful: list[Certificate] = []
        ordered: list[Known] = []
        for known in pending:
            reason = known.certificate.refused_for()
            if reason is not None:
                self._record_failure(known.certificate.arn, reason, "", report)
            elif known.certificate.acme is not None:
                ordered.append(known)
            elif known.certificate.method is Method.DNS:
                hopeful.append(drawn[known.certificate.arn])
        if not hopeful and not ordered:
            return
        if hopeful:
            report.again_s = AGAIN_S
        async with from_the_root() as lookup:
            for certificate in hopeful:
                await self._advance(certificate, lookup, report)
            for known in ordered:
                await self._sign(known, drawn[known.certificate.arn], lookup, report)

    async def _advance(self, certificate: Certificate, lookup: Lookup, report: Report) -> None:
        """Look for every proof; when all are found and no CAA record forbids, issue."""
        proofs = {v.domain: await prove(v, lookup) for v in certificate.validations}
        if self._record_proofs(certificate, proofs):
            report.saw_change = True
        if not all(proof.found for proof in proofs.values()):
            return
        if not await self._may_issue(certificate, lookup, report):
            return
        with report.attempt(f"issue a certificate for {', '.join(certificate.names)}"):
            self._record_issued(certificate.arn, await self.files.issue(certificate, self._now))

    async def _may_issue(self, certificate: Certificate, lookup: Lookup, report: Report) -> bool:
        """Does no CAA record forbid? When one does, the request fails for good."""
        try:
            forbids = await _forbidden(certificate, lookup)
        except PlaneError as error:
            report.refusals[f"look up who may issue for {certificate.domain}"] = str(error)
            return False
        if forbids is not None:
            self._record_failure(certificate.arn, "CAA_ERROR", forbids, report)
        return forbids is None

    async def _sign(self, known: Known, drawn: Certificate, lookup: Lookup, report: Report) -> None:
        """Issue what an ACME client asked for: its names were proved before."""
        certificate = known.certificate
        assert certificate.acme is not None
        if not await self._may_issue(drawn, lookup, report):
            return
        with report.attempt(f"sign a certificate for {', '.join(certificate.names)}"):
            made = await self.files.sign(certificate.acme.request_pem, certificate.names, self._now)
            self._record_issued(certificate.arn, made)

    async def _prove_domains(self, report: Report) -> None:
        """Look for the CNAMEs by which ACME endpoints may issue, until they are found."""
        now = self._now
        with self.store.reading() as tx:
            found = {seen.arn for seen in ACME_VALIDATIONS_SEEN.list(tx)}
            pending = [
                wished
                for wished in acm.ACME_VALIDATIONS.list(tx)
                if wished.arn not in found and wished.status(False, now) == "VALIDATING"
            ]
        if not pending:
            return
        report.again_s = AGAIN_S
        async with from_the_root() as lookup:
            for wished in pending:
                cname = wished.validation
                drawn = Validation(domain=cname.domain, name=cname.name, value=cname.value)
                if (await prove(drawn, lookup)).found:
                    self._record_domain(wished.arn, report)

    def _record_domain(self, arn: str, report: Report) -> None:
        with self.store.transaction() as tx:
            if acm.ACME_VALIDATIONS.find(tx, arn=arn) is not None:
                ACME_VALIDATIONS_SEEN.put(tx, AcmeValidationSeen(arn, self._now))
                report.saw_change = True

    async def _renew(
        self, due: list[Known], drawn: Mapping[str, Certificate], report: Report
    ) -> None:
        """Issue the next one under the same ARN, when the proofs still stand."""
        if not due:
            return
        report.again_s = min(report.again_s or RENEWAL_AGAIN_S, RENEWAL_AGAIN_S)
        async with from_the_root() as lookup:
            for known in due:
                await self._renew_one(known, drawn[known.certificate.arn], lookup, report)

    async def _renew_one(
        self, known: Known, certificate: Certificate, lookup: Lookup, report: Report
    ) -> None:
        assert known.issued is not None
        proofs = {v.domain: await prove(v, lookup) for v in certificate.validations}
        proved = tuple(domain for domain, proof in proofs.items() if proof.found)
        status, reason = "PENDING_VALIDATION", ""
        if not all(proof.answered for proof in proofs.values()):
            status = "PENDING_AUTO_RENEWAL"
        elif len(proved) == len(certificate.names):
            try:
                forbids = await _forbidden(certificate, lookup)
            except PlaneError:
                status = "PENDING_AUTO_RENEWAL"
            else:
                if forbids is None:
                    await self._issue_next(known, certificate, proved, report)
                    return
                reason = "CAA_ERROR"
        self._record_renewal(certificate.arn, status, proved, reason, report)

    async def _issue_next(
        self, known: Known, certificate: Certificate, proved: tuple[str, ...], report: Report
    ) -> None:
        assert known.issued is not None
        with report.attempt(f"renew the certificate for {', '.join(certificate.names)}"):
            made = await self.files.issue(certificate, self._now, known.issued.serial)
            self._record_issued(certificate.arn, made)
            self._record_renewal(certificate.arn, "SUCCESS", proved, "", report)

    async def _restore(
        self,
        issued: list[Known],
        bundles: frozenset[str],
        drawn: Mapping[str, Certificate],
        report: Report,
    ) -> None:
        """Issue anew what was issued and whose files are gone: listeners can't do without."""
        for known in issued:
            certificate = drawn[known.certificate.arn]
            if certificate.arn.rsplit("/", 1)[-1] in bundles:
                continue
            with report.attempt(f"issue the lost certificate for {certificate.domain} again"):
                self._record_issued(certificate.arn, await self.files.issue(certificate, self._now))

    def _install(self, wanted: Certificates, report: Report) -> None:
        """Write the bundles of imported certificates that are not there, or were replaced."""
        for certificate in wanted.imported:
            if not self.files.installed(certificate):
                with report.attempt(f"install the imported certificate {certificate.arn}"):
                    self.files.install(certificate)

    def _revoke(self, wanted: Certificates, report: Report) -> None:
        """Tell everybody who asks what is revoked, then note that it is told."""
        told = {
            int(revocation.serial.replace(":", ""), 16): Revoked(
                revocation.revoked_at, revocation.reason
            )
            for revocation in wanted.revoked
        }
        try:
            changed = self.files.ledger.revoked() != told
        except PlaneError:
            changed = True  # a broken file is written anew
        if changed:
            with report.attempt(f"tell of {len(told)} revoked certificates"):
                self.files.ledger.revoke(told)
            if report.refusals:
                return
        with self.store.transaction() as tx:
            noted = {seen.serial for seen in REVOKED_SEEN.list(tx)}
            for revocation in wanted.revoked:
                if revocation.serial not in noted:
                    REVOKED_SEEN.put(tx, RevokedSeen(revocation.serial, self._now))
                    report.saw_change = True

    def _note_missed_renewals(self, missed: list[Known], report: Report) -> None:
        for known in missed:
            assert known.renewal is not None
            renewal = known.renewal
            arn = known.certificate.arn
            self._record_renewal(arn, "FAILED", renewal.proved, renewal.reason, report)

    @property
    def _now(self) -> float:
        return self.clock.now()

    def _record_issued(self, arn: str, made: Issued) -> None:
        with self.store.transaction() as tx:
            if acm.CERTIFICATES.find(tx, arn=arn) is None:
                return  # deleted meanwhile; the next activation removes the file
            ISSUED_SEEN.put(
                tx,
                IssuedSeen(
                    certificate_arn=arn,
                    certificate_pem=made.certificate_pem,
                    chain_pem=made.chain_pem,
                    serial=made.serial,
                    not_before=made.not_before,
                    not_after=made.not_after,
                    issued_at=self._now,
                ),
            )

    def _record_renewal(
        self, arn: str, status: str, proved: tuple[str, ...], reason: str, report: Report
    ) -> None:
        """Note how a renewal stands, if it is news."""
        with self.store.transaction() as tx:
            before = RENEWALS_SEEN.find(tx, certificate_arn=arn)
            same = before is not None and (before.status, before.proved, before.reason) == (
                status,
                proved,
                reason,
            )
            # A second renewal is a success as the first one was, but another one.
            if (same and status != "SUCCESS") or acm.CERTIFICATES.find(tx, arn=arn) is None:
                return
            RENEWALS_SEEN.put(tx, RenewalSeen(arn, status, proved, reason, self._now))
        report.saw_change = True

    def _record_proofs(self, certificate: Certificate, proofs: Mapping[str, Proof]) -> bool:
        """Note what was seen, if it is news: noting the same again would wake us again."""
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
                seen = ValidationSeen(certificate.arn, domain, proof.found, proof.detail, self._now)
                VALIDATIONS_SEEN.put(tx, seen)
        return True

    def _record_failure(self, arn: str, reason: str, detail: str, report: Report) -> None:
        with self.store.transaction() as tx:
            if acm.CERTIFICATES.find(tx, arn=arn) is not None:
                FAILURES_SEEN.put(tx, FailureSeen(arn, reason, detail, self._now))
                report.saw_change = True

    def _sweep(self, report: Report) -> None:
        """Delete halves of files, which may hold a key."""
        try:
            self.files.sweep()
        except PlaneError as error:
            report.refusals["delete what a crash left of keys"] = str(error)

    def _forget(self, names: frozenset[str], report: Report) -> None:
        """Delete the files of certificates that are no more."""
        for name in sorted(names):
            with report.attempt(f"delete the key of certificate {name}"):
                self.files.forget(name)

    def _forget_keys(self, key_ids: frozenset[str], report: Report) -> None:
        """Delete keys that no certificate names: replaced, or left by a call that failed."""
        for key_id in sorted(key_ids):
            with report.attempt(f"delete the key {key_id}, which no certificate names"):
                self.files.forget_key(key_id)


async def _forbidden(certificate: Certificate, lookup: Lookup) -> str | None:
    """Why CAA records forbid one of the names; None when they allow all."""
    for domain in certificate.names:
        forbids = await forbidding_caa(domain, lookup)
        if forbids is not None:
            return forbids
    return None


def renewal_due(known: Known, now: float) -> bool:
    """Is it time to renew? What nobody uses is not renewed, and what has ended neither."""
    if known.issued is None or not known.renewable or known.status(now) is not Status.ISSUED:
        return False
    return now >= known.issued.not_after - RENEW_BEFORE_S


def _pending(known: Known, now: float) -> bool:
    return known.status(now) is Status.PENDING_VALIDATION


def _owned(known: Known) -> bool:
    """Issued here, with a key of ours."""
    return known.issued is not None and known.certificate.acme is None and not known.revocation


def _missed(known: Known, now: float) -> bool:
    """It has ended, and its renewal has not."""
    renewal = known.renewal
    waiting = renewal is not None and renewal.status.startswith("PENDING")
    return waiting and known.status(now) is Status.EXPIRED


def _wake_for(wished: list[Known], now: float, report: Report) -> None:
    """Ask to be woken when the next certificate is due: nothing else will tell us."""
    moments = []
    for known in wished:
        if known.not_after is not None:
            moments += [known.not_after, known.not_after - RENEW_BEFORE_S, next_publication(now)]
        elif _pending(known, now):
            moments.append(known.certificate.times_out_at)
    ahead = [moment - now for moment in moments if moment > now]
    if ahead:
        report.again_s = min(report.again_s or min(ahead), min(ahead))
