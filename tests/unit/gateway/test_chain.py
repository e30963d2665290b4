"""Exchanges without a socket: what the chain finds, and how each end of it is rendered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from multidict import CIMultiDict

import hiyoko.services.iam
import hiyoko.services.sts  # noqa: F401  registers the operations
from hiyoko.gateway.server import Gateway
from hiyoko.settings import Settings
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.store.database import Store

AUTH = (
    "AWS4-HMAC-SHA256 Credential={key}/20260102/{region}/{service}/aws4_request,"
    " SignedHeaders=host, Signature=abc"
)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    store = Store.open(":memory:")
    yield Gateway(store, Settings(tmp_path))
    store.close()


def ask(gateway: Gateway, service: str, body: str, *, signed: bool = True) -> HttpResponse:
    headers = CIMultiDict({"X-Amz-Date": "20260102T000000Z"})
    if signed:
        headers["Authorization"] = AUTH.format(key="AKIAX", region="eu-west-1", service=service)
    request = HttpRequest("POST", "/", "", headers, body.encode())
    return asyncio.run(gateway.answer(request))


def test_a_call_is_answered(gateway: Gateway) -> None:
    answer = ask(gateway, "sts", "Action=GetCallerIdentity&Version=2011-06-15")
    assert answer.status == 200
    assert b"<GetCallerIdentityResult><UserId>123456789012</UserId>" in answer.body


def test_the_request_id_is_the_same_in_header_and_body(gateway: Gateway) -> None:
    answer = ask(gateway, "sts", "Action=GetCallerIdentity&Version=2011-06-15")
    assert f"<RequestId>{answer.headers['x-amzn-RequestId']}</RequestId>".encode() in answer.body


def test_unsigned_calls_are_refused_but_those_that_need_no_keys(gateway: Gateway) -> None:
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    assert ask(gateway, "", body, signed=False).status == 403
    token = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
    answer = ask(gateway, "", token, signed=False)
    assert b"hiyoko does not implement sts:AssumeRoleWithWebIdentity." in answer.body


def test_operations_for_neighbours_only_cannot_be_called(gateway: Gateway) -> None:
    answer = ask(gateway, "ec2", "Action=_CreateManagedInterface&Version=2016-11-15")
    assert (answer.status, b"<Code>InvalidAction</Code>" in answer.body) == (400, True)


def test_a_refused_call_leaves_nothing_behind(gateway: Gateway) -> None:
    ask(
        gateway, "iam", "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=x"
    )
    answer = ask(gateway, "iam", "Action=ListRoles&Version=2010-05-08")
    assert b"<Roles/>" in answer.body


def test_calls_are_logged_by_how_they_ended_and_never_with_their_values(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "hiyoko.gateway.server"):
        ask(gateway, "sts", "Action=GetCallerIdentity&Version=2011-06-15")
        ask(gateway, "iam", "Action=GetRole&Version=2010-05-08&RoleName=hunter2")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO"]
    assert caplog.messages[1].endswith("iam:GetRole status=404 NoSuchEntity")
    assert "hunter2" not in caplog.text
