"""Which service a request is for: its signature says, or its target, version, path or host."""

from __future__ import annotations

import re

from hiyoko.spec.http import HttpRequest

# Where the signing name isn't botocore's name of the service.
_SIGNING_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "email": "ses",
    "states": "stepfunctions",
    "es": "opensearch",
    "tagging": "resourcegroupstaggingapi",
    "elasticfilesystem": "efs",
    "airflow": "mwaa",
    "elasticmapreduce": "emr",
    "cognito-identity": "cognito-identity",
    "application-autoscaling": "application-autoscaling",
}
_TARGETS = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "CertificateManager": "acm",
    "Logs_20140328": "logs",
    "Route53AutoNaming_v20170314": "servicediscovery",
    "Route53Resolver": "route53resolver",
    "AnyScaleFrontendService": "application-autoscaling",
}
_VERSIONS = {
    "2016-11-15": "ec2",
    "2015-12-01": "elbv2",
    "2012-06-01": "elb",
    "2011-06-15": "sts",
}
_ACTION = re.compile(r"(?:^|&)Action=([A-Za-z0-9]+)")
_VERSION = re.compile(r"(?:^|&)Version=(\d{4}-\d{2}-\d{2})")
_CLASSIC = "2012-06-01"


def service_of(request: HttpRequest, signing_name: str) -> str:
    """botocore's name of the service, or an empty string when nothing tells."""
    if signing_name == "elasticloadbalancing":
        # One signing name and one host for two services: only the version tells them apart.
        return "elb" if _form_value(request, _VERSION) == _CLASSIC else "elbv2"
    if signing_name:
        return _SIGNING_NAMES.get(signing_name, signing_name)
    target = request.headers.get("x-amz-target")
    if target is not None:
        return _TARGETS.get(target.rpartition(".")[0], "")
    if request.path.startswith("/2013-04-01/"):
        return "route53"
    label = request.headers.get("host", "").split(":")[0].split(".")
    if label[-2:] == ["amazonaws", "com"] and "s3" in label:
        return "s3"
    # A link of S3's older signature, which SDKs still make by themselves.
    if "AWSAccessKeyId=" in request.query and "Signature=" in request.query:
        return "s3"
    version = _form_value(request, _VERSION)
    if version in _VERSIONS:
        return _VERSIONS[version]
    if label[-2:] == ["amazonaws", "com"]:
        name = label[1] if label[0] == "api" and len(label) > 3 else label[0]
        name = name.removeprefix("data-")  # DiscoverInstances has a host of its own.
        return _SIGNING_NAMES.get(name, name)
    return ""


def action_of(request: HttpRequest) -> str:
    """What a request calls its operation, for a service that we have no model of."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    return _form_value(request, _ACTION) or f"{request.method} {request.path}"


def _form_value(request: HttpRequest, pattern: re.Pattern[str]) -> str:
    for text in (request.query, request.body[:65536].decode("latin-1")):
        found = pattern.search(text)
        if found is not None:
            return found[1]
    return ""
