from __future__ import annotations

import pytest
from multidict import CIMultiDict

from hiyoko.gateway import resolve
from hiyoko.spec.http import HttpRequest


def request(
    host: str = "127.0.0.1", path: str = "/", body: str = "", target: str = ""
) -> HttpRequest:
    headers = CIMultiDict({"Host": host})
    if target:
        headers["X-Amz-Target"] = target
    return HttpRequest("POST", path, "", headers, body.encode())


CASES = [
    ("ec2", request(), "ec2"),
    ("elasticloadbalancing", request(body="Action=A&Version=2015-12-01"), "elbv2"),
    ("elasticloadbalancing", request(body="Action=A&Version=2012-06-01"), "elb"),
    ("elasticloadbalancing", request(), "elbv2"),
    ("monitoring", request(), "cloudwatch"),
    ("", request(target="CertificateManager.ListCertificates"), "acm"),
    ("", request(target="Moon.Launch"), ""),
    ("", request(body="Action=GetCallerIdentity&Version=2011-06-15"), "sts"),
    ("", request(path="/2013-04-01/hostedzone"), "route53"),
    ("", request(host="api.ecr.ap-northeast-1.amazonaws.com"), "ecr"),
    ("", request(host="cloudformation.eu-west-1.amazonaws.com:443"), "cloudformation"),
    ("", request(), ""),
]


@pytest.mark.parametrize(("signing_name", "asked", "service"), CASES)
def test_the_service_is_found(signing_name: str, asked: HttpRequest, service: str) -> None:
    assert resolve.service_of(asked, signing_name) == service


def test_an_operation_of_an_unknown_service_has_a_name_all_the_same() -> None:
    assert resolve.action_of(request(target="Moon.Launch")) == "Launch"
    assert resolve.action_of(request(body="Version=1&Action=Launch")) == "Launch"
    assert resolve.action_of(request(path="/rockets")) == "POST /rockets"
