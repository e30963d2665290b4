from __future__ import annotations

from typing import Any

import pytest
from tests.api.dns_cloud import Cloud

from hiyoko.api import AwsError
from hiyoko.services.acm.model import VALIDATION_TIME_S
from hiyoko.services.acm.seen import (
    FAILURES_SEEN,
    ISSUED_SEEN,
    VALIDATIONS_SEEN,
    FailureSeen,
    IssuedSeen,
    ValidationSeen,
)
from hiyoko.services.elbv2 import rows as elbv2
from hiyoko.services.elbv2.model import Listener

BALANCER = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/web/1"


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def issue(cloud: Cloud, arn: str) -> None:
    now = cloud.clock.now()
    with cloud.store.transaction() as tx:
        ISSUED_SEEN.put(tx, IssuedSeen(arn, "LEAF", "CHAIN", "03:e9", now, now + 198 * 86400, now))


def use(cloud: Cloud, arn: str) -> None:
    with cloud.store.transaction() as tx:
        elbv2.LISTENERS.put(
            tx,
            Listener(
                arn="listener",
                account="123456789012",
                region="ap-northeast-1",
                balancer_arn=BALANCER,
                port=443,
                protocol="HTTPS",
                default_rule_arn="rule",
                default_actions=(),
                certificates=(arn,),
            ),
        )


def test_a_request_is_pending_and_shows_the_record_to_publish(cloud: Cloud) -> None:
    shown = cloud.described(cloud.certificate("Example.com", "*.example.com", "example.com"))
    assert shown["Status"] == "PENDING_VALIDATION"
    assert shown["DomainName"] == "example.com"
    assert shown["SubjectAlternativeNames"] == ["example.com", "*.example.com"]
    bare, wildcard = shown["DomainValidationOptions"]
    assert bare["ResourceRecord"] == wildcard["ResourceRecord"]
    assert bare["ResourceRecord"]["Type"] == "CNAME"
    assert shown["KeyAlgorithm"] == "RSA-2048"


def test_describing_does_not_improve_it(cloud: Cloud) -> None:
    arn = cloud.certificate()
    for _ in range(3):
        assert cloud.described(arn)["Status"] == "PENDING_VALIDATION"


def test_it_is_issued_when_the_reconciler_saw_it_issued(cloud: Cloud) -> None:
    arn = cloud.certificate()
    with cloud.store.transaction() as tx:
        VALIDATIONS_SEEN.put(tx, ValidationSeen(arn, "example.com", True, "found", 0.0))
    shown = cloud.described(arn)
    assert shown["Status"] == "PENDING_VALIDATION"
    assert shown["DomainValidationOptions"][0]["ValidationStatus"] == "SUCCESS"
    with pytest.raises(AwsError, match="RequestInProgressException"):
        cloud("acm", "GetCertificate", CertificateArn=arn)
    issue(cloud, arn)
    shown = cloud.described(arn)
    assert (shown["Status"], shown["Serial"]) == ("ISSUED", "03:e9")
    got = cloud("acm", "GetCertificate", CertificateArn=arn)
    assert got == {"Certificate": "LEAF", "CertificateChain": "CHAIN"}


def test_it_times_out_fails_and_expires(cloud: Cloud) -> None:
    late, failed, old = (cloud.certificate(f"{n}.example.com") for n in ("a", "b", "c"))
    issue(cloud, old)
    with cloud.store.transaction() as tx:
        FAILURES_SEEN.put(tx, FailureSeen(failed, "CAA_ERROR", "forbidden", 0.0))
    assert cloud.described(failed)["FailureReason"] == "CAA_ERROR"
    cloud.clock.time += VALIDATION_TIME_S
    assert cloud.described(late)["Status"] == "VALIDATION_TIMED_OUT"
    cloud.clock.time += 200 * 86400
    assert cloud.described(old)["Status"] == "EXPIRED"
    assert cloud.described(failed)["Status"] == "FAILED"


def test_the_same_token_within_an_hour_is_the_same_certificate(cloud: Cloud) -> None:
    first = cloud.certificate(IdempotencyToken="t")
    assert cloud.certificate(IdempotencyToken="t") == first
    assert cloud.certificate("example.org", IdempotencyToken="t") != first
    cloud.clock.time += 3600
    assert cloud.certificate(IdempotencyToken="t") != first


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("nodots", "ValidationException"),
        ("a.*.example.com", "ValidationException"),
        ("ab--c.example.com", "ValidationException"),
        ("xn--\u00fc.example.com", "ValidationException"),
        (f"{'a' * 60}.example.com", "ValidationException"),
    ],
)
def test_a_name_that_can_be_no_certificates_is_refused(
    cloud: Cloud, domain: str, code: str
) -> None:
    with pytest.raises(AwsError, match=code):
        cloud.certificate(domain)


def test_more_than_ten_names_are_refused(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="LimitExceededException"):
        cloud.certificate("example.com", *(f"{n}.example.com" for n in range(10)))


def test_validation_by_http_is_cloudfronts_and_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="hiyoko does not implement ValidationMethod='HTTP'"):
        cloud.certificate(ValidationMethod="HTTP", ManagedBy="CLOUDFRONT")


def test_certificates_are_their_regions_own(cloud: Cloud) -> None:
    arn = cloud.certificate()
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        cloud("acm", "DescribeCertificate", region="us-east-1", CertificateArn=arn)


def test_elliptic_keys_are_listed_only_when_asked_for(cloud: Cloud) -> None:
    plain, curve = cloud.certificate(), cloud.certificate("b.com", KeyAlgorithm="EC_prime256v1")
    issue(cloud, plain)

    def listed(**more: Any) -> list[str]:
        found = cloud("acm", "ListCertificates", **more)["CertificateSummaryList"]
        return [entry["CertificateArn"] for entry in found]

    assert listed() == [plain]
    assert listed(Includes={"keyTypes": ["EC_prime256v1"]}) == [curve]
    assert listed(CertificateStatuses=["PENDING_VALIDATION"]) == []
    with pytest.raises(AwsError, match="ValidationException"):
        listed(SortBy="CREATED_AT")


def test_lists_are_paged(cloud: Cloud) -> None:
    for number in range(5):
        cloud.certificate(f"n{number}.example.com")
    first = cloud("acm", "ListCertificates", MaxItems=3)
    rest = cloud("acm", "ListCertificates", MaxItems=3, NextToken=first["NextToken"])
    assert len(first["CertificateSummaryList"] + rest["CertificateSummaryList"]) == 5
    assert "NextToken" not in rest


def test_a_certificate_in_use_is_not_deleted(cloud: Cloud) -> None:
    arn = cloud.certificate()
    issue(cloud, arn)
    use(cloud, arn)
    assert cloud.described(arn)["InUseBy"] == [BALANCER]
    with pytest.raises(AwsError, match=f"Certificate {arn} in account 123456789012 is in use."):
        cloud("acm", "DeleteCertificate", CertificateArn=arn)
    with cloud.store.transaction() as tx:
        elbv2.LISTENERS.delete(tx, arn="listener")
    cloud("acm", "DeleteCertificate", CertificateArn=arn)
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        cloud.described(arn)


def test_tags_are_added_listed_and_removed(cloud: Cloud) -> None:
    arn = cloud.certificate(Tags=[{"Key": "a", "Value": "1"}])
    cloud("acm", "AddTagsToCertificate", CertificateArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    cloud("acm", "RemoveTagsFromCertificate", CertificateArn=arn, Tags=[{"Key": "a"}])
    found = cloud("acm", "ListTagsForCertificate", CertificateArn=arn)["Tags"]
    assert found == [{"Key": "b", "Value": "2"}]


def test_who_names_no_method_gets_mail_at_five_addresses(cloud: Cloud) -> None:
    made = cloud(
        *("acm", "RequestCertificate"),
        DomainName="www.example.com",
        DomainValidationOptions=[
            {"DomainName": "www.example.com", "ValidationDomain": "example.com"}
        ],
    )
    shown = cloud.described(made["CertificateArn"])
    assert shown["Status"] == "PENDING_VALIDATION"
    (option,) = shown["DomainValidationOptions"]
    assert option["ValidationMethod"] == "EMAIL"
    assert "ResourceRecord" not in option
    assert option["ValidationEmails"] == [
        f"{mailbox}@example.com"
        for mailbox in ("admin", "administrator", "hostmaster", "postmaster", "webmaster")
    ]


def test_mail_that_is_sent_again_gives_another_72_hours(cloud: Cloud) -> None:
    arn = cloud.certificate("www.example.com", ValidationMethod="EMAIL")
    again = {
        "CertificateArn": arn,
        "Domain": "www.example.com",
        "ValidationDomain": "example.com",
    }
    cloud.clock.time += VALIDATION_TIME_S - 1
    cloud("acm", "ResendValidationEmail", **again)
    cloud.clock.time += VALIDATION_TIME_S - 1
    shown = cloud.described(arn)
    assert shown["Status"] == "PENDING_VALIDATION"
    assert shown["DomainValidationOptions"][0]["ValidationDomain"] == "example.com"
    for wrong in ({"Domain": "other.com"}, {"ValidationDomain": "example.org"}):
        with pytest.raises(AwsError, match="InvalidDomainValidationOptionsException"):
            cloud("acm", "ResendValidationEmail", **{**again, **wrong})
    cloud.clock.time += 2
    assert cloud.described(arn)["Status"] == "VALIDATION_TIMED_OUT"
    with pytest.raises(AwsError, match="InvalidStateException"):
        cloud("acm", "ResendValidationEmail", **again)
    by_dns = cloud.certificate("www.example.com")
    with pytest.raises(AwsError, match="InvalidStateException"):
        cloud("acm", "ResendValidationEmail", **{**again, "CertificateArn": by_dns})


def test_a_validation_domain_is_above_one_of_the_names(cloud: Cloud) -> None:
    for name, above in (("example.com", "example.org"), ("other.com", "other.com")):
        options = [{"DomainName": name, "ValidationDomain": above}]
        with pytest.raises(AwsError, match="InvalidDomainValidationOptionsException"):
            cloud.certificate("example.com", DomainValidationOptions=options)


@pytest.mark.parametrize("algorithm", ["RSA_1024", "RSA_3072", "RSA_4096", "EC_secp521r1"])
def test_a_public_ca_signs_three_kinds_of_keys(cloud: Cloud, algorithm: str) -> None:
    with pytest.raises(AwsError, match="ValidationException"):
        cloud.certificate(KeyAlgorithm=algorithm)


def test_an_international_name_is_asked_for_in_its_encoding(cloud: Cloud) -> None:
    arn = cloud.certificate("xn--bcher-kva.example.com")
    assert cloud.described(arn)["DomainName"] == "xn--bcher-kva.example.com"


def test_each_name_says_how_it_is_proved(cloud: Cloud) -> None:
    arn = cloud.certificate("example.com", "www.example.com")
    found = cloud("acm", "ListCertificateDomainValidations", CertificateArn=arn)
    first, second = found["DomainValidationSummaryList"]
    assert second["DomainName"] == "www.example.com"
    active = first["ActiveValidationConfiguration"]
    assert active["ValidationMethod"] == "DNS"
    assert active["ValidationChallenge"]["DnsValidationChallenge"]["ResourceRecord"]
    mailed = cloud.certificate(ValidationMethod="EMAIL")
    found = cloud("acm", "ListCertificateDomainValidations", CertificateArn=mailed)
    active = found["DomainValidationSummaryList"][0]["ActiveValidationConfiguration"]
    assert active["ValidationChallenge"]["EmailValidationChallenge"]["ValidationEmails"]


def test_options_that_cannot_be_changed_are_refused(cloud: Cloud) -> None:
    arn = cloud.certificate()
    cloud("acm", "UpdateCertificateOptions", CertificateArn=arn, Options={"Export": "DISABLED"})
    for options, code in (
        ({"Export": "ENABLED"}, "ValidationException"),
        ({"CertificateTransparencyLoggingPreference": "DISABLED"}, "ValidationException"),
        ({"ValidationMethod": "EMAIL"}, "InvalidStateException"),
    ):
        with pytest.raises(AwsError, match=code):
            cloud("acm", "UpdateCertificateOptions", CertificateArn=arn, Options=options)


def test_an_account_says_when_expiry_is_told(cloud: Cloud) -> None:
    assert cloud("acm", "GetAccountConfiguration") == {"ExpiryEvents": {"DaysBeforeExpiry": 45}}
    put: dict[str, Any] = {"ExpiryEvents": {"DaysBeforeExpiry": 10}, "IdempotencyToken": "t"}
    cloud("acm", "PutAccountConfiguration", **put)
    cloud("acm", "PutAccountConfiguration", **put)
    assert cloud("acm", "GetAccountConfiguration") == {"ExpiryEvents": {"DaysBeforeExpiry": 10}}
    with pytest.raises(AwsError, match="ConflictException"):
        cloud("acm", "PutAccountConfiguration", IdempotencyToken="t")
    with pytest.raises(AwsError, match="ValidationException"):
        cloud(
            *("acm", "PutAccountConfiguration"),
            IdempotencyToken="u",
            ExpiryEvents={"DaysBeforeExpiry": 46},
        )


def test_certificates_are_searched_by_what_is_known_of_them(cloud: Cloud) -> None:
    plain = cloud.certificate("a.example.com")
    cloud.clock.time += 1
    curve = cloud.certificate("b.example.com", KeyAlgorithm="EC_prime256v1")
    issue(cloud, plain)
    use(cloud, plain)

    def found(statement: dict[str, Any] | None = None, **more: Any) -> list[str]:
        if statement:
            more["FilterStatement"] = statement
        answer = cloud("acm", "SearchCertificates", **more)
        return [each["CertificateArn"] for each in answer["Results"]]

    def acm(**wanted: Any) -> dict[str, Any]:
        return {"Filter": {"AcmCertificateMetadataFilter": wanted}}

    def attribute(**wanted: Any) -> dict[str, Any]:
        return {"Filter": {"X509AttributeFilter": wanted}}

    assert found() == [curve, plain]
    assert found(acm(Status="ISSUED")) == [plain]
    assert found({"Not": acm(InUse=True)}) == [curve]
    assert found(attribute(KeyAlgorithm="EC_prime256v1")) == [curve]
    assert found(attribute(SerialNumber="03:e9")) == [plain]
    name = {"Value": "EXAMPLE.com", "ComparisonOperator": "CONTAINS"}
    named = attribute(SubjectAlternativeName={"DnsName": name})
    assert found({"And": [named, acm(Type="AMAZON_ISSUED")]}) == [curve, plain]
    assert found({"Or": [acm(Status="FAILED"), acm(ValidationMethod="EMAIL")]}) == []
    assert found(attribute(NotAfter={"Start": cloud.clock.time})) == [plain]
    assert found(SortBy="COMMON_NAME", SortOrder="ASCENDING") == [plain, curve]
    assert found(SortBy="ISSUED_AT", SortOrder="DESCENDING") == [plain, curve]
    assert found(MaxResults=1) == [curve]


def test_too_many_certificates_are_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hiyoko.services.acm.requests.CERTIFICATES_MAX", 1)
    cloud.certificate(IdempotencyToken="t")
    with pytest.raises(AwsError, match="LimitExceededException"):
        cloud.certificate("example.org")
    cloud.certificate(IdempotencyToken="t")  # the same one is not another one


def test_lists_are_filtered_by_what_a_certificate_may_be_used_for(cloud: Cloud) -> None:
    plain = cloud.certificate("a.example.com")
    cloud.clock.time += 1
    exportable = cloud.certificate("b.example.com", Options={"Export": "ENABLED"})
    issue(cloud, plain)

    def listed(**includes: Any) -> list[str]:
        found = cloud("acm", "ListCertificates", Includes=includes)["CertificateSummaryList"]
        return [entry["CertificateArn"] for entry in found]

    assert listed() == [exportable, plain]
    assert listed(exportOption="ENABLED") == [exportable]
    assert listed(keyUsage=["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"]) == [plain]
    assert listed(keyUsage=["CRL_SIGNING"]) == []
    assert listed(extendedKeyUsage=["TLS_WEB_SERVER_AUTHENTICATION"]) == [plain]
    assert listed(managedBy="CLOUDFRONT") == []
    for name, value in (
        ("CertificateKeyPairOrigins", "ACME"),
        ("RootHierarchyTypes", "N2_AMAZON_MANAGED"),
    ):
        more: dict[str, Any] = {name: [value]}
        assert cloud("acm", "ListCertificates", **more)["CertificateSummaryList"] == []
    for token in ("x", "\u00b2", "-1"):
        with pytest.raises(AwsError, match="ValidationException"):
            cloud("acm", "ListCertificates", NextToken=token)
