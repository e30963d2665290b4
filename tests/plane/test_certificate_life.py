"""What becomes of a certificate: renewed, revoked, replaced, expired; and who is told."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from tests.api.bundles import Maker
from tests.api.dns_cloud import record
from tests.plane.certificate_bench import DAY_S, Bench, bench, responder
from tests.plane.dns_world import internet

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run
from hiyoko.services.acm.seen import ISSUED_SEEN, RENEWALS_SEEN

__all__ = ["bench", "internet", "responder"]

LIFE_DAYS = 198


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The default bus: the entries that were put on it."""
    entries: list[dict[str, Any]] = []

    def ask(service: str, operation: str, request: Any, **_: str) -> dict[str, Any]:
        assert (service, operation) == ("events", "PutEvents")
        entries.extend(request["Entries"])
        return {"FailedEntryCount": 0, "Entries": []}

    monkeypatch.setattr(api, "_ask", [ask])
    return entries


def told(bus: list[dict[str, Any]]) -> list[str]:
    return [entry["DetailType"].removeprefix("ACM Certificate ") for entry in bus]


async def test_it_is_renewed_45_days_before_its_end_under_the_same_arn(
    bench: Bench, bus: list[dict[str, Any]]
) -> None:
    arn = await bench.issued("my-project.jp", "www.my-project.jp")
    bench.use(arn)
    first = bench.cloud.described(arn)
    assert first["RenewalEligibility"] == "ELIGIBLE"
    assert "RenewalSummary" not in first
    due = first["NotAfter"] - 45 * DAY_S
    bench.cloud.clock.time = due - 10
    report = await bench.certificates.activate()
    # Nothing else happens until then: the loop must be woken.
    assert report.again_s == pytest.approx(10)
    assert report.quiet
    bench.cloud.clock.time = due
    report = await bench.certificates.activate()
    assert report.steps == ["renew the certificate for my-project.jp, www.my-project.jp"]
    second = bench.cloud.described(arn)
    assert second["Serial"] != first["Serial"]
    assert second["NotAfter"] == pytest.approx(due + LIFE_DAYS * DAY_S, abs=DAY_S)
    assert second["RenewalSummary"]["RenewalStatus"] == "SUCCESS"
    validated = second["RenewalSummary"]["DomainValidationOptions"]
    assert [option["ValidationStatus"] for option in validated] == ["SUCCESS", "SUCCESS"]
    leaf = bench.cloud("acm", "GetCertificate", CertificateArn=arn)["Certificate"]
    assert bench.bundle(arn).startswith(leaf)
    assert (await bench.certificates.activate()).quiet
    assert told(bus) == ["Available", "Available"]


async def test_what_nobody_uses_is_not_renewed_and_expires(
    bench: Bench, bus: list[dict[str, Any]]
) -> None:
    arn = await bench.issued("my-project.jp")
    end = bench.cloud.described(arn)["NotAfter"]
    bench.cloud.clock.time = end - DAY_S
    assert (await bench.certificates.activate()).steps == []
    assert bench.cloud.described(arn)["RenewalEligibility"] == "INELIGIBLE"
    bench.cloud.clock.time = end
    await bench.certificates.activate()
    assert bench.status(arn) == "EXPIRED"
    assert told(bus) == ["Available", "Approaching Expiration", "Expired"]


async def test_an_exported_certificate_is_renewed_though_no_balancer_presents_it(
    bench: Bench,
) -> None:
    arn = await bench.issued("my-project.jp", Options={"Export": "ENABLED"})
    bench.cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=b"secret")
    bench.cloud.clock.time = bench.cloud.described(arn)["NotAfter"] - 44 * DAY_S
    assert (await bench.certificates.activate()).steps == [
        "renew the certificate for my-project.jp"
    ]


async def test_without_its_record_a_renewal_waits_is_told_and_fails_at_the_end(
    bench: Bench, bus: list[dict[str, Any]]
) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    bench.use(arn)
    bench.publish_proof(zone, arn, "DELETE")
    await bench.zones.activate()
    end = bench.cloud.described(arn)["NotAfter"]
    serial = bench.cloud.described(arn)["Serial"]
    bench.cloud.clock.time = end - 40 * DAY_S
    await bench.certificates.activate()
    shown = bench.cloud.described(arn)
    assert (shown["Status"], shown["Serial"]) == ("ISSUED", serial)
    assert shown["RenewalSummary"]["RenewalStatus"] == "PENDING_VALIDATION"
    assert bench.bundle(arn)
    report = await bench.certificates.activate()
    assert report.quiet
    assert report.again_s is not None
    assert report.again_s <= 60
    assert told(bus) == ["Available", "Renewal Action Required"]
    bench.cloud.clock.time = end
    await bench.certificates.activate()
    shown = bench.cloud.described(arn)
    assert shown["Status"] == "EXPIRED"
    assert shown["RenewalSummary"]["RenewalStatus"] == "FAILED"


async def test_a_record_that_comes_back_is_enough_and_caa_is_asked_again(bench: Bench) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    forbids = record("my-project.jp", "CAA", '0 issue "letsencrypt.org"')
    await bench.zones.activate()
    await bench.certificates.activate()
    bench.use(arn)
    bench.cloud.change(zone, ("CREATE", forbids))
    await bench.zones.activate()
    bench.cloud.clock.time = bench.cloud.described(arn)["NotAfter"] - 40 * DAY_S
    await bench.certificates.activate()
    summary = bench.cloud.described(arn)["RenewalSummary"]
    assert (summary["RenewalStatus"], summary["RenewalStatusReason"]) == (
        "PENDING_VALIDATION",
        "CAA_ERROR",
    )
    bench.cloud.change(zone, ("DELETE", forbids))
    await bench.zones.activate()
    await bench.certificates.activate()
    assert bench.cloud.described(arn)["RenewalSummary"]["RenewalStatus"] == "SUCCESS"


async def test_a_daemon_that_died_in_a_renewal_finds_the_new_certificate(bench: Bench) -> None:
    arn = await bench.issued("my-project.jp")
    bench.use(arn)
    with bench.cloud.store.reading() as tx:
        before = ISSUED_SEEN.find(tx, certificate_arn=arn)
    assert before is not None
    bench.cloud.clock.time = before.not_after - 45 * DAY_S
    await bench.certificates.activate()
    renewed = bench.bundle(arn)
    # As if it had died after the file and before the note.
    with bench.cloud.store.transaction() as tx:
        ISSUED_SEEN.put(tx, before)
        RENEWALS_SEEN.delete(tx, certificate_arn=arn)
    await bench.certificates.activate()
    assert bench.bundle(arn) == renewed
    got = bench.cloud("acm", "GetCertificate", CertificateArn=arn)
    assert renewed.startswith(got["Certificate"])


async def test_expiry_is_told_once_a_day_from_the_day_that_the_account_says(
    bench: Bench, bus: list[dict[str, Any]]
) -> None:
    arn = await bench.issued("my-project.jp")
    bench.cloud(
        *("acm", "PutAccountConfiguration"),
        IdempotencyToken="t",
        ExpiryEvents={"DaysBeforeExpiry": 3},
    )
    end = bench.cloud.described(arn)["NotAfter"]
    for hours in (100, 75, 71, 60, 47, 23, 1):
        bench.cloud.clock.time = end - hours * 3600
        await bench.certificates.activate()
    approaching = [e for e in bus if e["DetailType"].endswith("Approaching Expiration")]
    assert [e["Detail"] for e in approaching] == [
        f'{{"DaysToExpiry": {days}, "CommonName": "my-project.jp"}}' for days in (2, 1, 0)
    ]
    assert approaching[0]["Source"] == "aws.acm"
    assert approaching[0]["Resources"] == [arn]


async def test_without_a_bus_certificates_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_ask", [])
    arn = await bench.issued("my-project.jp")
    assert bench.status(arn) == "ISSUED"
    assert (await bench.certificates.activate()).quiet


@pytest.mark.usefixtures("responder")
async def test_openssl_finds_issuer_revocation_list_and_ocsp_where_the_leaf_points_to(
    bench: Bench, tmp_path: Path
) -> None:
    arn = await bench.issued("my-project.jp", Options={"Export": "ENABLED"})
    leaf, chain = bench.write_pems(arn, tmp_path)
    root = bench.settings.trust_bundle
    text = await run("openssl", "x509", "-in", str(leaf), "-noout", "-text")
    for url in ("ocsp.r2m01.{}", "crt.r2m01.{}/r2m01.cer", "crl.r2m01.{}/r2m01.crl"):
        assert f"URI:http://{url.format('hiyoko-trust.test')}" in text

    async def fetched(url: str) -> Path:
        path = tmp_path / url.rsplit("/", 1)[-1]
        await run("curl", "-fsS", "-o", str(path), url)
        return path

    async def ocsp() -> str:
        # The first two certificates of the chain: who is asked about, and who answers.
        return await run(
            *("openssl", "ocsp", "-issuer", str(chain), "-cert", str(leaf), "-CAfile", str(root)),
            *("-url", "http://ocsp.r2m01.hiyoko-trust.test"),
        )

    async def listed() -> str:
        lists = b""
        for label in ("r2m01", "rootca1"):
            found = await fetched(f"http://crl.{label}.hiyoko-trust.test/{label}.crl")
            lists += (await run("openssl", "crl", "-inform", "DER", "-in", str(found))).encode()
        (tmp_path / "lists.pem").write_bytes(lists)
        lists_of = ("-crl_check_all", "-CRLfile", str(tmp_path / "lists.pem"))
        return await bench.verified(leaf, chain, *lists_of)

    issuer = await fetched("http://crt.r2m01.hiyoko-trust.test/r2m01.cer")
    assert "hiyoko RSA 2048 M01" in await run(
        "openssl", "x509", "-inform", "DER", "-in", str(issuer), "-noout", "-subject"
    )
    assert "leaf.pem: good" in await ocsp()
    assert (await listed()).strip().endswith("OK")

    bench.cloud("acm", "ExportCertificate", CertificateArn=arn, Passphrase=b"secret")
    bench.cloud("acm", "RevokeCertificate", CertificateArn=arn, RevocationReason="KEY_COMPROMISE")
    assert bench.status(arn) == "ISSUED"  # the wish alone revokes nothing
    await bench.certificates.activate()
    assert bench.status(arn) == "REVOKED"
    said = await ocsp()
    assert "leaf.pem: revoked" in said
    assert "Reason: keyCompromise" in said
    with pytest.raises(PlaneError, match="certificate revoked"):
        await listed()
    # What is revoked stays so, whatever becomes of the certificate.
    bench.cloud("acm", "DeleteCertificate", CertificateArn=arn)
    await bench.certificates.activate()
    assert "leaf.pem: revoked" in await ocsp()


async def test_an_imported_certificate_becomes_a_bundle_and_a_new_one_takes_its_place(
    bench: Bench, tmp_path: Path
) -> None:
    make = Maker()
    root = make.ca("Root")
    signer = make.ca("Intermediate", root)
    keys = bench.settings.ca_dir / "keys"

    def brought(arn: str | None = None) -> str:
        made = make.leaf("www.example.com", by=signer)
        replaced = {"CertificateArn": arn} if arn else {}
        answer = bench.cloud(
            *("acm", "ImportCertificate"),
            Certificate=made.pem,
            PrivateKey=made.key_pem,
            CertificateChain=signer.pem + root.pem,
            **replaced,
        )
        return str(answer["CertificateArn"])

    arn = brought()
    assert bench.status(arn) == "ISSUED"
    await bench.certificates.activate()
    first = bench.bundle(arn)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "bundle.pem").write_text(first)
    context.load_cert_chain(tmp_path / "bundle.pem")  # the key fits
    assert (await bench.certificates.activate()).quiet
    assert brought(arn) == arn
    assert len(list(keys.iterdir())) == 2  # the old one serves until the new bundle is there
    await bench.certificates.activate()
    await bench.certificates.activate()
    assert bench.bundle(arn) != first
    assert len(list(keys.iterdir())) == 1
    assert "PRIVATE KEY" not in "\n".join(bench.cloud.store.connection.iterdump())
    bench.cloud("acm", "DeleteCertificate", CertificateArn=arn)
    await bench.certificates.activate()
    assert list(keys.iterdir()) == []


async def test_a_key_that_a_failed_import_left_is_deleted(bench: Bench) -> None:
    key_id = bench.certificates.files.hold(b"a key that no row names")
    assert key_id in bench.certificates.files.observe_keys()
    keys = bench.settings.ca_dir / "keys"
    (keys / ".half.key.0123").write_bytes(b"what was written when the daemon was killed")
    await bench.certificates.activate()
    assert list(keys.iterdir()) == []


async def test_a_lost_imported_key_is_said_and_everything_else_goes_on(bench: Bench) -> None:
    made = Maker().leaf("www.example.com")
    answer = bench.cloud("acm", "ImportCertificate", Certificate=made.pem, PrivateKey=made.key_pem)
    for path in (bench.settings.ca_dir / "keys").iterdir():
        path.unlink()
    report = await bench.certificates.activate()
    assert "import the certificate again" in "".join(report.refusals.values())
    await bench.issued("my-project.jp")
    with pytest.raises(AwsError, match="can't be exported"):
        bench.cloud(
            "acm",
            "ExportCertificate",
            Passphrase=b"secret",
            CertificateArn=answer["CertificateArn"],
        )
