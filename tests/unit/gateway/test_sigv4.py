"""The form of signatures. Refusals through HTTP are in tests/api/test_gateway.py."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from hiyoko.gateway import sigv4
from hiyoko.gateway.exchange import Caller
from hiyoko.spec.error import RequestFault
from hiyoko.spec.http import HttpRequest


def request(headers: dict[str, str], query: str = "") -> HttpRequest:
    return HttpRequest("GET", "/", query, CIMultiDict(headers))


def test_what_botocore_signs_is_read() -> None:
    signed = AWSRequest("GET", "https://ec2.amazonaws.com/")
    SigV4Auth(Credentials("AKIAX", "s"), "ec2", "eu-west-3").add_auth(signed)
    caller = sigv4.caller_of(request(dict(signed.headers)))
    assert caller == Caller("AKIAX", "123456789012", "eu-west-3", "ec2")


def test_a_presigned_address_is_read() -> None:
    signed = AWSRequest("GET", "https://sts.amazonaws.com/?Action=GetCallerIdentity")
    SigV4QueryAuth(Credentials("210987654321", "s"), "sts", "us-gov-west-1").add_auth(signed)
    assert signed.url is not None
    caller = sigv4.caller_of(request({}, signed.url.partition("?")[2]))
    assert (caller.account, caller.region) == ("210987654321", "us-gov-west-1")


@pytest.mark.parametrize("key", ["12345678901", "1234567890123", "12345678901x", "AKIAX"])
def test_only_twelve_digits_are_an_account(key: str) -> None:
    signed = AWSRequest("GET", "https://ec2.amazonaws.com/")
    SigV4Auth(Credentials(key, "s"), "ec2", "eu-west-3").add_auth(signed)
    assert sigv4.caller_of(request(dict(signed.headers))).account == "123456789012"


def test_no_signature_is_no_caller() -> None:
    assert not sigv4.caller_of(request({})).signed


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_is_read_or_refused_but_never_a_bug(text: str, date: str) -> None:
    for authorization in (text, f"AWS4-HMAC-SHA256 {text}", f"AWS4-HMAC-SHA256 Credential={text},"):
        try:
            sigv4.caller_of(request({"Authorization": authorization, "X-Amz-Date": date}))
        except RequestFault as fault:
            assert fault.status == 403  # noqa: PT017  both ways out are right
