"""Requests that no AWS client would send: each is refused, none is a bug."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from hiyoko.spec import codecs
from hiyoko.spec.error import RequestFault, UnknownOperation
from hiyoko.spec.http import HttpRequest
from hiyoko.spec.service import Specs

SPECS = Specs()


def form(body: str) -> HttpRequest:
    return HttpRequest("POST", "/", "", CIMultiDict(), body.encode())


def json(target: str, body: str) -> HttpRequest:
    return HttpRequest("POST", "/", "", CIMultiDict({"X-Amz-Target": target}), body.encode())


def xml(body: str) -> HttpRequest:
    path = "/2013-04-01/hostedzone"
    return HttpRequest("POST", path, "", CIMultiDict(), body.encode())


ECS = "AmazonEC2ContainerServiceV20141113.ListTasks"
NS = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"'
ZONE = "CreateHostedZoneRequest"
REFUSED = [
    ("ec2", form("Action=DescribeVpcs&Colour=red"), "UnknownParameter"),
    ("ec2", form("Action=DescribeVpcs&Filter.x.Name=a"), "MalformedInput"),
    ("ec2", form("Action=DescribeVpcs&MaxResults=many"), "InvalidParameterValue"),
    ("ec2", form("Action=DescribeVpcs&MaxResults.1=5"), "InvalidParameterValue"),
    ("ec2", form("Action=DescribeVpcs&DryRun=maybe"), "InvalidParameterValue"),
    ("ec2", form("Action=DescribeVpcs&Version=2010-01-01"), "InvalidAction"),
    ("elbv2", form("Version=2015-12-01"), "MissingAction"),
    ("elbv2", form("Action=DescribeTags&ResourceArns.1=x"), "MalformedInput"),
    ("elbv2", form("Action=DescribeTags&ResourceArns=x"), "MalformedInput"),
    ("ecs", json(ECS, "{"), "SerializationException"),
    ("ecs", json(ECS, "[]"), "SerializationException"),
    ("ecs", json(ECS, '{"maxResults":"ten"}'), "SerializationException"),
    ("ecs", json(ECS, '{"maxResults":1.5}'), "SerializationException"),
    ("ecs", json(ECS, '{"cluster":5}'), "SerializationException"),
    ("ecs", json(ECS, "[" * 100_000), "SerializationException"),
    ("route53", xml("<a"), "MalformedInput"),
    ("route53", xml("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "MalformedInput"),
    ("route53", xml(f"<Wrong {NS}/>"), "MalformedInput"),
    ("route53", xml(f"<{ZONE} {NS}><No/></{ZONE}>"), "InvalidInput"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "request_", "code"), REFUSED)
def test_a_malformed_request_is_refused(service: str, request_: HttpRequest, code: str) -> None:
    with pytest.raises(RequestFault) as refused:
        codecs.parse(SPECS.service(service), request_)
    assert refused.value.code == code


def test_an_unknown_operation_is_named() -> None:
    for service, request in (
        ("ec2", form("Action=LaunchRockets&Version=2016-11-15")),
        ("ecs", json("AmazonEC2ContainerServiceV20141113.LaunchRockets", "{}")),
    ):
        with pytest.raises(UnknownOperation) as refused:
            codecs.parse(SPECS.service(service), request)
        assert refused.value.name == "LaunchRockets"


def test_unknown_members_in_json_and_nulls_are_ignored_as_aws_does() -> None:
    request = json(ECS, '{"cluster":"a","colour":"red","family":null}')
    assert codecs.parse(SPECS.service("ecs"), request)[1] == {"cluster": "a"}


def test_lists_may_be_numbered_with_gaps_and_out_of_order() -> None:
    request = form("Action=DescribeVpcs&VpcId.10=vpc-b&VpcId.2=vpc-a")
    assert codecs.parse(SPECS.service("ec2"), request)[1] == {"VpcIds": ["vpc-a", "vpc-b"]}


def test_a_query_request_may_come_by_get() -> None:
    request = HttpRequest("GET", "/", "Action=GetRole&RoleName=a%20b&X-Amz-Date=x", CIMultiDict())
    assert codecs.parse(SPECS.service("iam"), request)[1] == {"RoleName": "a b"}


def test_route53_paths_match_with_and_without_a_last_slash() -> None:
    for path in ("/2013-04-01/hostedzone/Z1/rrset", "/2013-04-01/hostedzone/Z1/rrset/"):
        request = HttpRequest("GET", path, "maxitems=5", CIMultiDict())
        operation, parameters = codecs.parse(SPECS.service("route53"), request)
        assert operation.name == "ListResourceRecordSets"
        assert parameters == {"HostedZoneId": "Z1", "MaxItems": "5"}
