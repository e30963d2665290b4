"""TLS of balancer nodes: what their configurations refer to, and certificates that are renewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hiyoko.blueprint.balancers import BalancerNode, Balancers
from hiyoko.plane.balancer.certificates import CertificatePlane, read_certificate, swap_steps
from hiyoko.plane.balancer.nodes import BalancerPlane, ReloadNode
from hiyoko.plane.balancer.observe import all_certificates
from hiyoko.plane.balancer.paths import CertificateFile, Paths
from hiyoko.plane.balancer.render import side_files
from hiyoko.plane.balancer.side_files import SideFiles, drops, puts
from hiyoko.plane.balancer.tls_library import find_program, observe_tls_library
from hiyoko.plane.ca.issuing import certificate_path
from hiyoko.reconcile.report import Report
from hiyoko.services.elbv2.model import SslPolicy, find_ssl_policy
from hiyoko.services.elbv2.rows import LISTENERS
from hiyoko.services.elbv2.seen import TLS_LIBRARY_SEEN, TlsLibrarySeen
from hiyoko.settings import Settings
from hiyoko.store.database import Store, Transaction

DIRECTORY = "balancer-files"


async def observe_tls(
    store: Store, settings: Settings, drawn: Balancers, threads: int, now: float, report: Report
) -> Paths:
    """What configurations refer to: certificates that there are, and what the library can do."""
    found: dict[str, CertificateFile] = {}
    for arn in sorted(all_certificates(drawn.nodes)):
        path = certificate_path(settings, arn)
        if path.exists():
            with report.refusing(f"read the certificate {arn}"):
                found[arn] = read_certificate(path, now)
    hybrid = False
    if found:
        with report.refusing("ask HAProxy for its TLS library"):
            hybrid = (await _library(store, report)).hybrid_groups
    return Paths(found, threads, str(settings.run_dir / DIRECTORY), hybrid)


async def _library(store: Store, report: Report) -> TlsLibrarySeen:
    """The library as it was seen, unless HAProxy has been replaced since."""
    program = find_program()
    with store.reading() as tx:
        noted = TLS_LIBRARY_SEEN.find(tx, program=program)
    if noted is not None:
        return noted
    told = await observe_tls_library()
    seen = TlsLibrarySeen(told.program, told.name, told.hybrid_groups, told.fips)
    with store.transaction() as tx:
        TLS_LIBRARY_SEEN.delete(tx)
        TLS_LIBRARY_SEEN.put(tx, seen)
    report.saw_change = True
    return seen


@dataclass(frozen=True, slots=True)
class BalancerTls:
    """The steps about TLS of one activation: ``wished`` is a node and its text by interface."""

    wished: Mapping[str, tuple[BalancerNode, str]]
    paths: Paths

    def put_files(self, report: Report) -> None:
        """Write what wished configurations name, before a node reads it."""
        files = self._files()
        for step in puts(self._needed(), files.observe()):
            with report.attempt(step):
                files.apply(step)

    def drop_files(self, report: Report) -> None:
        """Remove what no configuration names; not while one was refused, which needs the old."""
        if report.refusals:
            return
        files = self._files()
        for step in drops(self._needed(), files.observe()):
            with report.attempt(step):
                files.apply(step)

    async def swap_certificates(self, balancers: BalancerPlane, report: Report) -> None:
        """Give running nodes the content that their certificates' files have by now."""
        plane = CertificatePlane(balancers.directory)
        nodes = [node for node, _ in self.wished.values()]
        for step in swap_steps(self.wished, self.paths, await plane.observe(nodes, self.paths)):
            with report.attempt(step):
                if isinstance(step, ReloadNode):
                    await balancers.apply(step)
                else:
                    await plane.apply(step)

    def _files(self) -> SideFiles:
        return SideFiles(Path(self.paths.directory))

    def _needed(self) -> dict[str, str]:
        return {
            path: text
            for node, _ in self.wished.values()
            for path, text in side_files(node, self.paths).items()
        }


def tls_notes(tx: Transaction) -> list[str]:
    """What listeners' policies promise and the library at hand does not do, in plain words."""
    used = {row.ssl_policy for row in LISTENERS.list(tx) if row.ssl_policy}
    policies = [policy for name in sorted(used) if (policy := find_ssl_policy(name))]
    seen = TLS_LIBRARY_SEEN.list(tx)
    if not seen:
        return []
    notes = []
    for policy in policies:
        if missing := _missing(policy, seen[0]):
            notes.append(f"{policy.name}: {seen[0].name} has {' and '.join(missing)}.")
    return notes


def _missing(policy: SslPolicy, library: TlsLibrarySeen) -> list[str]:
    missing = []
    if policy.hybrid and not library.hybrid_groups:
        missing.append("no post-quantum key exchange (classical groups are offered)")
    if policy.fips and not library.fips:
        missing.append("no FIPS-validated module loaded")
    if policy.cnsa:
        missing.append("no limit to SHA-384 signatures here")
    return missing
