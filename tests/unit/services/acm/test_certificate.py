from __future__ import annotations

import re

from hiyoko.services.acm.model import VALIDATION_TIME_S, Certificate, Status
from hiyoko.services.acm.seen import IssuedSeen
from hiyoko.services.acm.validation import validation_for

ACCOUNT = "123456789012"
ISSUED = IssuedSeen("arn", "PEM", "CHAIN", "01", 0.0, 1000.0, 1.0)


def certificate() -> Certificate:
    return Certificate(
        arn="arn",
        account=ACCOUNT,
        region="ap-northeast-1",
        domain="example.com",
        names=("example.com",),
        key_algorithm="RSA_2048",
        validations=(validation_for(ACCOUNT, "example.com"),),
        created_at=0.0,
    )


def test_a_certificate_is_issued_only_when_the_ca_was_seen_to_issue_it() -> None:
    assert certificate().status(None, None, 1.0) is Status.PENDING_VALIDATION
    assert certificate().status(ISSUED, None, 1.0) is Status.ISSUED


def test_an_unproved_certificate_times_out_after_72_hours() -> None:
    assert certificate().status(None, None, VALIDATION_TIME_S - 1) is Status.PENDING_VALIDATION
    assert certificate().status(None, None, VALIDATION_TIME_S) is Status.VALIDATION_TIMED_OUT


def test_a_failure_is_final_and_an_issued_certificate_expires() -> None:
    assert certificate().status(None, "CAA_ERROR", 1.0) is Status.FAILED
    assert certificate().status(ISSUED, None, 1000.0) is Status.EXPIRED


def test_the_proof_has_acms_form() -> None:
    # https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
    proof = validation_for(ACCOUNT, "www.example.com")
    assert re.fullmatch(r"_[0-9a-f]{32}\.www\.example\.com\.", proof.name)
    assert re.fullmatch(r"_[0-9a-f]{32}\.[a-z]{10}\.acm-validations\.aws\.", proof.value)


def test_a_domain_and_its_wildcard_share_one_record_and_accounts_do_not() -> None:
    bare, wildcard = (validation_for(ACCOUNT, d) for d in ("example.com", "*.example.com"))
    assert (bare.name, bare.value) == (wildcard.name, wildcard.value)
    assert validation_for("210987654321", "example.com").name != bare.name
