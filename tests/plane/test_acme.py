"""Certbot gets a certificate through an ACME endpoint, over the simulated internet."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.plane.certificate_bench import Bench, bench
from tests.plane.dns_world import internet

import hiyoko.services.iam  # noqa: F401  a binding names a role
from hiyoko import api
from hiyoko.gateway import acme
from hiyoko.gateway.server import Gateway
from hiyoko.plane.addresses import AWS_ENDPOINT
from hiyoko.plane.ca import endpoint_context
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run
from hiyoko.reconcile.loop import Loop
from hiyoko.services.acm.model import ACME_HOST
from hiyoko.settings import Settings

TRUST = """{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "acm.amazonaws.com"}}]}"""

__all__ = ["bench", "internet"]

HERE = Path(sys.executable).parent
CERTBOT = shutil.which("certbot", path=f"{HERE}:{os.environ['PATH']}")
"""The development extra's, or Debian's, which brings a timer that renews by itself."""

pytestmark = pytest.mark.skipif(
    CERTBOT is None, reason="needs certbot: it is in the development extra"
)


@pytest.fixture
async def loop(bench: Bench) -> AsyncIterator[Loop]:
    """The endpoint's HTTPS, and the reconcilers at work, as in a cloud."""
    gateway = Gateway(bench.cloud.store, bench.settings, clock=bench.cloud.clock)
    server = acme.AcmeServer(bench.cloud.store, bench.cloud.clock)
    gateway.register_host(ACME_HOST, server.handle)
    listener = socket.create_server((str(AWS_ENDPOINT), 443))
    await gateway.serve(listener, endpoint_context(bench.settings, ["amazonaws.com"]))
    loop = Loop.of([bench.zones, bench.certificates])
    bench.cloud.store.watch(loop.wake_readers)
    running = asyncio.create_task(loop.run())
    yield loop
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await gateway.close()


async def certbot(settings: Settings, directory: Path, *arguments: str) -> str:
    places = {"--config-dir": "etc", "--work-dir": "lib", "--logs-dir": "log"}
    where = [part for name, place in places.items() for part in (name, str(directory / place))]
    env = os.environ | {"REQUESTS_CA_BUNDLE": str(settings.trust_bundle)}
    env.pop("PYTHONPATH", None)
    return await run(CERTBOT or "certbot", *arguments, "-n", *where, env=env, timeout_s=60)


async def test_certbot_gets_renews_and_revokes_a_certificate(
    bench: Bench, loop: Loop, tmp_path: Path
) -> None:
    cloud = bench.cloud
    zone = cloud.zone("my-project.jp").removeprefix("/hostedzone/")
    role = {"RoleName": "pki", "AssumeRolePolicyDocument": TRUST}
    api.invoke(cloud.store, "iam", "CreateRole", role)
    arn = cloud(
        *("acm", "CreateAcmeEndpoint"),
        AuthorizationBehavior="PRE_APPROVED",
        CertificateAuthority={"PublicCertificateAuthority": {}},
        CertificateTags=[{"Key": "by", "Value": "acme"}],
    )["AcmeEndpointArn"]
    endpoint = cloud("acm", "DescribeAcmeEndpoint", AcmeEndpointArn=arn)["AcmeEndpoint"]
    assert endpoint["EndpointUrl"].startswith("https://acm-acme-enroll.ap-northeast-1.api.aws/")
    scope = {"ExactDomain": "ENABLED", "Subdomains": "ENABLED"}
    validation = cloud(
        *("acm", "CreateAcmeDomainValidation"),
        AcmeEndpointArn=arn,
        DomainName="my-project.jp",
        PrevalidationOptions={"DnsPrevalidation": {"DomainScope": scope, "HostedZoneId": zone}},
    )["AcmeDomainValidationArn"]
    await loop.settle(20)
    shown = cloud("acm", "DescribeAcmeDomainValidation", AcmeDomainValidationArn=validation)
    assert shown["AcmeDomainValidation"]["Status"] == "VALID"
    binding = cloud(
        *("acm", "CreateAcmeExternalAccountBinding"),
        AcmeEndpointArn=arn,
        RoleArn="arn:aws:iam::123456789012:role/pki",
    )["ExternalAccountBinding"]["AcmeExternalAccountBindingArn"]
    credentials = cloud(
        "acm",
        "GetAcmeExternalAccountBindingCredentials",
        AcmeExternalAccountBindingArn=binding,
    )
    server = ["--server", endpoint["EndpointUrl"]]
    order = ["certonly", "--standalone", "--agree-tos", "--email", "me@my-project.jp", *server]
    let_in = ["--eab-kid", credentials["KeyId"], "--eab-hmac-key", credentials["MacKey"]]
    names = ["-d", "www.my-project.jp", "-d", "api.my-project.jp"]
    await certbot(bench.settings, tmp_path, *order, *let_in, *names)
    live = tmp_path / "etc/live/www.my-project.jp"
    said = await bench.verified(
        live / "cert.pem", live / "chain.pem", "-verify_hostname", "api.my-project.jp"
    )
    assert said.strip().endswith("OK")
    listed = _through_acme(bench)
    assert [entry["DomainName"] for entry in listed] == ["www.my-project.jp"]
    issued = listed[0]["CertificateArn"]
    shown = cloud.described(issued)
    assert (shown["AcmeEndpointArn"], shown["Status"]) == (arn, "ISSUED")
    tags = cloud("acm", "ListTagsForCertificate", CertificateArn=issued)["Tags"]
    assert tags == [{"Key": "by", "Value": "acme"}]
    assert cloud("acm", "ListCertificates")["CertificateSummaryList"] == []
    (account,) = cloud("acm", "ListAcmeAccounts", AcmeEndpointArn=arn)["AcmeAccounts"]
    assert account["Contacts"] == ["mailto:me@my-project.jp"]
    # This certbot stumbles over its own exception, but its log has the server's words.
    with pytest.raises(PlaneError):
        await certbot(bench.settings, tmp_path, *order, "-d", "www.bank.com")
    assert "No valid domain validation of this endpoint covers www.bank.com" in log(tmp_path)
    again = ["--force-renewal", "--no-random-sleep-on-renew", *server]
    before = (live / "cert.pem").read_text()
    await certbot(bench.settings, tmp_path, "renew", *again)
    assert (live / "cert.pem").read_text() != before
    await certbot(
        *(bench.settings, tmp_path, "revoke", "--no-delete-after-revoke", *server),
        *("--cert-path", str(live / "cert.pem"), "--reason", "keycompromise"),
    )
    await loop.settle(20)
    assert sorted(entry["Status"] for entry in _through_acme(bench)) == ["ISSUED", "REVOKED"]


def log(directory: Path) -> str:
    return (directory / "log/letsencrypt.log").read_text()


def _through_acme(bench: Bench) -> list[dict[str, str]]:
    listed = bench.cloud(
        *("acm", "ListCertificates"),
        CertificateKeyPairOrigins=["ACME"],
        Includes={"keyTypes": ["EC_prime256v1", "RSA_2048"]},
    )
    return list(listed["CertificateSummaryList"])
