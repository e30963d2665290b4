"""A certificate is issued when its proof is found in the world's DNS, and not before."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.api.dns_cloud import record
from tests.plane.certificate_bench import Bench, bench
from tests.plane.dns_world import internet, stop

from hiyoko.plane.ca import certificate_path
from hiyoko.plane.process import run
from hiyoko.services.acm.seen import ISSUED_SEEN

__all__ = ["bench", "internet"]


async def test_it_is_not_issued_before_the_record_is_served_and_then_it_is(bench: Bench) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp", "*.my-project.jp")
    await bench.zones.activate()
    for _ in range(2):
        await bench.certificates.activate()
        assert bench.status(arn) == "PENDING_VALIDATION"
    bench.publish_proof(zone, arn)
    # The record is a row now, but nobody serves it yet: rows prove nothing.
    report = await bench.certificates.activate()
    assert bench.status(arn) == "PENDING_VALIDATION"
    assert report.again_s is not None
    await bench.zones.activate()
    report = await bench.certificates.activate()
    assert report.steps == ["issue a certificate for my-project.jp, *.my-project.jp"]
    assert bench.status(arn) == "ISSUED"
    assert (await bench.certificates.activate()).quiet


async def test_openssl_verifies_the_chain_and_the_name(bench: Bench, tmp_path: Path) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp", "*.my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    leaf, chain = bench.write_pems(arn, tmp_path)
    said = await bench.verified(leaf, chain, "-verify_hostname", "www.my-project.jp")
    assert said.strip().endswith("OK")
    bundle = certificate_path(bench.settings, arn).read_text()
    assert bundle.startswith(leaf.read_text())
    assert "PRIVATE KEY" in bundle
    database = "\n".join(bench.cloud.store.connection.iterdump())
    assert "PRIVATE KEY" not in database


async def test_a_proof_in_a_zone_that_is_not_delegated_proves_nothing(bench: Bench) -> None:
    bench.cloud.zone("my-project.jp")
    second = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(second, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    assert bench.status(arn) == "PENDING_VALIDATION"


async def test_a_proof_in_a_private_zone_proves_nothing(bench: Bench) -> None:
    zone = bench.cloud.private_zone("my-project.jp", bench.cloud.vpc())
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    assert bench.status(arn) == "PENDING_VALIDATION"


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ('0 issue "amazon.com"', "ISSUED"),
        ('0 issue "letsencrypt.org"', "FAILED"),
        ('0 issue ";"', "FAILED"),
        ('0 iodef "mailto:x@my-project.jp"', "ISSUED"),
        ('0 issue "amazontrust.com; validationmethods=dns"', "ISSUED"),
        ('0 issuewild "letsencrypt.org"', "ISSUED"),
        ('128 unheardof "x"', "FAILED"),
    ],
)
async def test_caa_records_decide_who_may_issue(bench: Bench, value: str, status: str) -> None:
    zone = bench.cloud.zone("my-project.jp")
    bench.cloud.change(zone, ("CREATE", record("my-project.jp", "CAA", value)))
    arn = bench.cloud.certificate("www.my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    shown = bench.cloud.described(arn)
    assert shown["Status"] == status
    assert shown.get("FailureReason") == ("CAA_ERROR" if status == "FAILED" else None)
    if status == "FAILED":
        # A failed request is final: nothing is tried again.
        assert (await bench.certificates.activate()).quiet


async def test_a_deleted_certificate_leaves_no_key(bench: Bench) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    assert certificate_path(bench.settings, arn).exists()
    bench.cloud("acm", "DeleteCertificate", CertificateArn=arn)
    await bench.certificates.activate()
    assert not certificate_path(bench.settings, arn).exists()
    assert (await bench.certificates.activate()).quiet


async def test_a_lost_key_is_replaced_by_a_new_certificate(bench: Bench) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    serial = bench.cloud.described(arn)["Serial"]
    certificate_path(bench.settings, arn).unlink()
    assert (await bench.certificates.activate()).steps
    assert certificate_path(bench.settings, arn).exists()
    assert bench.cloud.described(arn)["Serial"] != serial
    assert (await bench.certificates.activate()).quiet


async def test_a_daemon_that_died_before_the_note_finds_the_same_certificate(
    bench: Bench,
) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    serial = bench.cloud.described(arn)["Serial"]
    with bench.cloud.store.transaction() as tx:
        ISSUED_SEEN.delete(tx, certificate_arn=arn)
    assert bench.status(arn) == "PENDING_VALIDATION"
    await bench.certificates.activate()
    assert bench.cloud.described(arn)["Serial"] == serial


async def test_without_dns_nothing_is_issued_and_it_is_tried_again(bench: Bench) -> None:
    zone = bench.cloud.zone("my-project.jp")
    arn = bench.cloud.certificate("my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await stop(bench.settings, signal.SIGKILL)
    report = await bench.certificates.activate()
    assert report.again_s is not None
    assert bench.status(arn) == "PENDING_VALIDATION"
    assert (await bench.zones.activate()).steps
    await bench.certificates.activate()
    assert bench.status(arn) == "ISSUED"


@pytest.mark.parametrize(
    ("records", "status"),
    [
        (['0 issuewild "letsencrypt.org"', '0 issue "amazon.com"'], "FAILED"),
        (['0 issuewild "amazon.com"', '0 issue ";"'], "ISSUED"),
        (['0 issue "amazon.com"'], "ISSUED"),
    ],
)
async def test_a_wildcard_asks_issuewild_first(
    bench: Bench, records: list[str], status: str
) -> None:
    zone = bench.cloud.zone("my-project.jp")
    bench.cloud.change(zone, ("CREATE", record("my-project.jp", "CAA", *records)))
    arn = bench.cloud.certificate("*.my-project.jp")
    bench.publish_proof(zone, arn)
    await bench.zones.activate()
    await bench.certificates.activate()
    assert bench.status(arn) == status


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("web.compute.amazonaws.com", "ADDITIONAL_VERIFICATION_REQUIRED"),
        ("printer.local", "INVALID_PUBLIC_DOMAIN"),
    ],
)
async def test_a_name_that_no_proof_can_help_fails(bench: Bench, name: str, reason: str) -> None:
    arn = bench.cloud.certificate(name)
    await bench.certificates.activate()
    shown = bench.cloud.described(arn)
    assert (shown["Status"], shown["FailureReason"]) == ("FAILED", reason)
    assert (await bench.certificates.activate()).quiet


async def test_mail_is_never_answered_and_the_request_times_out(bench: Bench) -> None:
    arn = bench.cloud.certificate("my-project.jp", ValidationMethod="EMAIL")
    report = await bench.certificates.activate()
    assert report.again_s == pytest.approx(72 * 3600)
    bench.cloud.clock.time += 72 * 3600
    assert (await bench.certificates.activate()).quiet
    assert bench.status(arn) == "VALIDATION_TIMED_OUT"


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [("EC_prime256v1", "ecdsa-with-SHA256"), ("EC_secp384r1", "ecdsa-with-SHA384")],
)
async def test_an_elliptic_key_is_signed_by_an_elliptic_one(
    bench: Bench, tmp_path: Path, algorithm: str, signature: str
) -> None:
    arn = await bench.issued("my-project.jp", KeyAlgorithm=algorithm)
    leaf, chain = bench.write_pems(arn, tmp_path)
    assert (await bench.verified(leaf, chain)).strip().endswith("OK")
    assert signature in await run("openssl", "x509", "-in", str(leaf), "-noout", "-text")
