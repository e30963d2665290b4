"""AWS's words for parameters that break the model, one table for each family of protocols."""

from __future__ import annotations

from typing import Any

import pytest

from hiyoko.spec import validate
from hiyoko.spec.error import RequestFault
from hiyoko.spec.service import Specs

SPECS = Specs()

CASES = [
    (
        "elbv2", "CreateTargetGroup", {"Name": "web", "Protocol": "http"},
        "ValidationError",
        "1 validation error detected: Value 'http' at 'protocol' failed to satisfy constraint: "
        "Member must satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC,"
        " TCP_QUIC]",
    ),
    (
        "elbv2", "CreateTargetGroup", {},
        "ValidationError",
        "1 validation error detected: Value null at 'name' failed to satisfy constraint:"
        " Member must not be null",
    ),
    (
        "elbv2", "AddTags", {"ResourceArns": ["x"], "Tags": [{"Key": "a" * 129}, {"Value": "v"}]},
        "ValidationError",
        f"2 validation errors detected: Value '{'a' * 129}' at 'tags.1.member.key' failed to"
        " satisfy constraint: Member must have length less than or equal to 128; Value null at"
        " 'tags.2.member.key' failed to satisfy constraint: Member must not be null",
    ),
    (
        "acm", "RequestCertificate", {"DomainName": "not a domain"},
        "ValidationException",
        "1 validation error detected: Value 'not a domain' at 'domainName' failed to satisfy"
        r" constraint: Member must satisfy regular expression pattern: (\*\.)?(((?!-)[A-Za-z0-9-]"
        r"{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])",
    ),
    (
        "logs", "CreateLogGroup", {"logGroupName": ""},
        "InvalidParameterException",
        "2 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint:"
        " Member must have length greater than or equal to 1; Value '' at 'logGroupName' failed to"
        r" satisfy constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
    ),
    (
        "ecr", "CreateRepository", {"repositoryName": "a"},
        "InvalidParameterException",
        "Invalid parameter at 'repositoryName' failed to satisfy constraint:"
        " 'must have length greater than or equal to 2'",
    ),
    (
        "route53", "CreateHostedZone", {"Name": "a.jp"},
        "InvalidInput",
        "1 validation error detected: Value null at 'callerReference' failed to satisfy constraint:"
        " Member must not be null",
    ),
    (
        "ec2", "CreateSubnet", {"CidrBlock": "10.0.0.0/24"},
        "MissingParameter",
        "The request must contain the parameter VpcId",
    ),
    (
        "ec2", "DescribeVpcs", {"MaxResults": 3},
        "InvalidParameterValue",
        "Value ( 3 ) for parameter maxResults is invalid. Expecting a value greater than 5.",
    ),
    (
        "ec2", "CreateVpc", {"InstanceTenancy": "shared"},
        "InvalidParameterValue",
        "Value (shared) for parameter instanceTenancy is invalid.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "parameters", "code", "message"), CASES)
def test_a_broken_constraint_is_told_in_the_services_words(
    service: str, operation: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    model = SPECS.service(service)
    with pytest.raises(RequestFault) as refused:
        validate.check(model, model.operation(operation), parameters)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_right_parameters_pass() -> None:
    model = SPECS.service("elbv2")
    parameters = {
        "Name": "web",
        "Protocol": "HTTP",
        "Port": 80,
        "VpcId": "vpc-1",
        "Tags": [{"Key": "a"}],
    }
    validate.check(model, model.operation("CreateTargetGroup"), parameters)


@pytest.mark.parametrize(
    "service",
    ["ec2", "elbv2", "ecs", "ecr", "route53", "acm", "iam", "logs", "sts", "cloudformation"],
)
def test_checkers_of_every_operation_can_be_made(service: str) -> None:
    model = SPECS.service(service)
    refused = 0
    for name in model.operation_names:
        try:
            validate.check(model, model.operation(name), {})
        except RequestFault:
            refused += 1
    assert 0 < refused < len(model.operation_names)


def test_a_sensitive_value_is_not_repeated() -> None:
    model = SPECS.service("sts")
    with pytest.raises(RequestFault) as refused:
        validate.check(
            model,
            model.operation("AssumeRoleWithWebIdentity"),
            {"RoleArn": "a" * 20, "RoleSessionName": "me", "WebIdentityToken": "abc"},
        )
    assert "abc" not in refused.value.message
    assert "'***' at 'webIdentityToken'" in refused.value.message


def test_a_java_class_that_stands_alone_is_a_class_in_python_too() -> None:
    model = SPECS.service("application-autoscaling")
    operation = model.operation("PutScalingPolicy")
    parameters = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/c/web",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    validate.check(model, operation, {"PolicyName": "web-requests", **parameters})
    for name in ("a\tb", "é"):
        with pytest.raises(RequestFault) as refused:
            validate.check(model, operation, {"PolicyName": name, **parameters})
        assert r"pattern: \p{Print}+" in refused.value.message
