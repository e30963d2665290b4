"""The name, its certificate, the load balancer, and which request goes where."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.site.model import Service, Site
from hiyoko.site.nodes import Node, att, logical, ref
from hiyoko.site.nodes import named as _named
from hiyoko.site.nodes import resource as _resource

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2 with forward secrecy; the API's default would allow TLS 1.0."""
DRAIN_S = 10
"""Pages are short requests; AWS's default of 300 s makes every deployment wait five minutes."""


def _zone_id() -> Node:
    return {"Fn::If": ["MakeHostedZone", ref("HostedZone"), ref("HostedZoneId")]}


def names(site: Site) -> dict[str, Node]:
    """The hosted zone, its records, and the certificate that they prove."""
    assert site.domain is not None
    hosts = site.hosts
    certificate: Node = {"DomainName": hosts[0]}
    if hosts[1:]:
        certificate["SubjectAlternativeNames"] = list(hosts[1:])
    certificate["ValidationMethod"] = "DNS"
    certificate["DomainValidationOptions"] = [
        {"DomainName": host, "HostedZoneId": _zone_id()} for host in hosts
    ]
    certificate["Tags"] = _named("certificate")
    resources = {
        "HostedZone": _resource(
            "AWS::Route53::HostedZone", {"Name": site.hosted_zone}, Condition="MakeHostedZone"
        ),
        "Certificate": _resource("AWS::CertificateManager::Certificate", certificate),
    }
    for host in hosts:
        resources[f"{logical(host)}Record"] = _resource(
            "AWS::Route53::RecordSet",
            {
                "HostedZoneId": _zone_id(),
                "Name": host,
                "Type": "A",
                "AliasTarget": {
                    "DNSName": att("LoadBalancer", "DNSName"),
                    "HostedZoneId": att("LoadBalancer", "CanonicalHostedZoneID"),
                    "EvaluateTargetHealth": False,
                },
            },
        )
    return resources


def balancer(site: Site) -> dict[str, Node]:
    """The load balancer with a node in each public subnet, and its listeners."""
    zones = range(1, site.network.zones + 1)
    return {
        "LoadBalancer": _resource(
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {
                "Type": "application",
                "Scheme": "internet-facing",
                "Subnets": [ref(f"PublicSubnet{zone}") for zone in zones],
                "SecurityGroups": [att("LoadBalancerSecurityGroup", "GroupId")],
                "LoadBalancerAttributes": [
                    {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}
                ],
                "Tags": _named("alb"),
            },
            DependsOn="PublicDefaultRoute",
        ),
        "HttpListener": _resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("LoadBalancer"),
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [
                    {
                        "Type": "redirect",
                        "RedirectConfig": {
                            "Protocol": "HTTPS",
                            "Port": "443",
                            "StatusCode": "HTTP_301",
                        },
                    }
                ],
            },
        ),
        "HttpsListener": _resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("LoadBalancer"),
                "Port": 443,
                "Protocol": "HTTPS",
                "SslPolicy": TLS_POLICY,
                "Certificates": [{"CertificateArn": ref("Certificate")}],
                "DefaultActions": [_default_action(site)],
            },
        ),
    }


def root_service(site: Site) -> str | None:
    """The service that answers everything of the domain that no rule takes."""
    for name, service in site.services.items():
        if service.host in (None, site.domain) and service.path in (None, "/*", "/"):
            return name
    return None


def _default_action(site: Site) -> Node:
    root = root_service(site)
    if root is None:
        return {
            "Type": "fixed-response",
            "FixedResponseConfig": {
                "StatusCode": "404",
                "ContentType": "text/plain",
                "MessageBody": "Not found",
            },
        }
    return {"Type": "forward", "TargetGroupArn": ref(f"{logical(root)}TargetGroup")}


def _rules(site: Site) -> Iterator[tuple[str, list[Node], Node]]:
    """Logical id, conditions and action of each rule, the most specific first."""
    for host in site.redirects:
        action = {
            "Type": "redirect",
            "RedirectConfig": {"Host": site.domain, "StatusCode": "HTTP_301"},
        }
        yield f"{logical(host)}Redirect", [_host_is(host)], action
    root = root_service(site)
    rest = [(name, service) for name, service in site.services.items() if name != root]
    rest.sort(key=lambda item: (item[1].host is None, -len(item[1].path or "")))
    for name, service in rest:
        conditions = [_host_is(service.host or site.domain or "")]
        if service.path and service.path != "/*":
            conditions.append(
                {"Field": "path-pattern", "PathPatternConfig": {"Values": _paths(service.path)}}
            )
        action = {"Type": "forward", "TargetGroupArn": ref(f"{logical(name)}TargetGroup")}
        yield f"{logical(name)}Rule", conditions, action


def _paths(path: str) -> list[str]:
    """``/api/*`` means ``/api`` as well."""
    return [path.removesuffix("/*"), path] if path.endswith("/*") else [path]


def _host_is(host: str) -> Node:
    return {"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}


def routing(site: Site) -> dict[str, Node]:
    """Target groups, and the rules that lead to them."""
    resources = {
        f"{logical(name)}TargetGroup": _target_group(name, service)
        for name, service in site.services.items()
    }
    for priority, (name, conditions, action) in enumerate(_rules(site), start=1):
        resources[name] = _resource(
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            {
                "ListenerArn": ref("HttpsListener"),
                "Priority": priority * 10,
                "Conditions": conditions,
                "Actions": [action],
            },
        )
    return resources


def _target_group(name: str, service: Service) -> Node:
    check = service.healthcheck
    return _resource(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {
            "VpcId": ref("Vpc"),
            "TargetType": "ip",
            "Protocol": "HTTP",
            "Port": service.expose,
            "HealthCheckPath": check.path,
            "HealthCheckIntervalSeconds": check.interval,
            "HealthCheckTimeoutSeconds": check.timeout,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": check.retries,
            "Matcher": {"HttpCode": check.codes},
            "TargetGroupAttributes": [
                {"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAIN_S)}
            ],
            "Tags": _named(name),
        },
    )
