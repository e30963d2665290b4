"""A cloud with the zones' and the certificates' reconcilers, the authority's responder on port 80,
and a clock that tests move."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.api.dns_cloud import Cloud, record
from tests.plane.dns_world import stop

from hiyoko.plane.addresses import AWS_ENDPOINT
from hiyoko.plane.ca import CertificateFiles, certificate_path, root_certificate_path
from hiyoko.plane.ca.responder import Responder
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.process import run
from hiyoko.reconcile.certificates import CertificateReconciler
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.acm.key_store import use_key_store
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import Listener
from hiyoko.settings import Settings

DAY_S = 86400.0


@dataclass
class Bench:
    """A cloud with both reconcilers."""

    cloud: Cloud
    settings: Settings
    zones: ZoneReconciler
    certificates: CertificateReconciler

    def status(self, arn: str) -> str:
        return str(self.cloud.described(arn)["Status"])

    def publish_proof(self, zone: str, arn: str, action: str = "UPSERT") -> None:
        for option in self.cloud.described(arn)["DomainValidationOptions"]:
            proof = option["ResourceRecord"]
            proof = record(proof["Name"], proof["Type"], proof["Value"])
            self.cloud.change(zone, (action, proof))

    async def issued(self, *names: str, **more: Any) -> str:
        """A certificate for a zone of its own, proved and issued."""
        zone = self.cloud.zone(names[0])
        arn = self.cloud.certificate(*names, **more)
        self.publish_proof(zone, arn)
        await self.zones.activate()
        await self.certificates.activate()
        assert self.status(arn) == "ISSUED"
        return arn

    def use(self, arn: str) -> None:
        with self.cloud.store.transaction() as tx:
            elbv2.LISTENERS.put(
                tx,
                Listener(
                    arn="listener",
                    account="123456789012",
                    region="ap-northeast-1",
                    balancer_arn="arn:aws:elasticloadbalancing:ap-northeast-1:1:loadbalancer/app/w",
                    port=443,
                    protocol="HTTPS",
                    default_rule_arn="rule",
                    default_actions=(),
                    certificates=(arn,),
                ),
            )

    def bundle(self, arn: str) -> str:
        return certificate_path(self.settings, arn).read_text()

    def write_pems(self, arn: str, directory: Path) -> tuple[Path, Path]:
        """Leaf and chain of a certificate as files."""
        got = self.cloud("acm", "GetCertificate", CertificateArn=arn)
        leaf, chain = directory / "leaf.pem", directory / "chain.pem"
        leaf.write_text(got["Certificate"])
        chain.write_text(got["CertificateChain"])
        return leaf, chain

    async def verified(self, leaf: Path, chain: Path, *more: str) -> str:
        """OpenSSL's word on a chain. Raises PlaneError with it when it is no."""
        root = root_certificate_path(self.settings)
        return await run(
            *("openssl", "verify", "-x509_strict", "-purpose", "sslserver", *more),
            *("-CAfile", str(root), "-untrusted", str(chain), str(leaf)),
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    cloud, settings = Cloud(), Settings(tmp_path)
    # OpenSSL asks the machine's clock, so the tests' begins there.
    cloud.clock.time = float(int(time.time()))
    files = CertificateFiles(settings)
    use_key_store(files)
    made = Bench(
        cloud,
        settings,
        ZoneReconciler(cloud.store, DnsServer(settings), cloud.clock),
        CertificateReconciler(cloud.store, files, cloud.clock),
    )
    assert (await made.zones.activate()).refusals == {}
    yield made
    await stop(settings, signal.SIGTERM)


@pytest.fixture
async def responder(bench: Bench) -> AsyncIterator[None]:
    """The authority's responder where certificates point to."""
    server = web.Server(Responder(bench.settings, bench.cloud.clock).handle, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.SockSite(runner, socket.create_server((str(AWS_ENDPOINT), 80))).start()
    yield
    await runner.cleanup()
