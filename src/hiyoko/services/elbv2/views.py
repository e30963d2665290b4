"""From models to the API's shapes."""

from __future__ import annotations

from typing import Any

from hiyoko.services.elbv2 import mutual_authentication
from hiyoko.services.elbv2.model import (
    Action,
    Condition,
    GroupStickiness,
    Jwt,
    Listener,
    LoadBalancer,
    Oidc,
    Rule,
    TargetGroup,
    Transform,
    canonical_hosted_zone_id,
)
from hiyoko.services.elbv2.transforms import CONFIGS

Shape = dict[str, Any]


def load_balancer(row: LoadBalancer, state: str) -> Shape:
    """A load balancer with its computed state."""
    return {
        "LoadBalancerArn": row.arn,
        "DNSName": row.dns_name,
        "CanonicalHostedZoneId": canonical_hosted_zone_id(row.region),
        "CreatedTime": row.created_at,
        "LoadBalancerName": row.name,
        "Scheme": row.scheme,
        "VpcId": row.vpc_id,
        "State": {"Code": state},
        "Type": "application",
        "AvailabilityZones": [
            {"ZoneName": node.zone, "SubnetId": node.subnet_id, "LoadBalancerAddresses": []}
            for node in row.nodes
        ],
        "SecurityGroups": list(row.security_groups),
        "IpAddressType": "ipv4",
    }


def target_group(row: TargetGroup, balancer_arns: list[str]) -> Shape:
    """A target group and the load balancers that use it."""
    check = row.health_check
    return {
        "TargetGroupArn": row.arn,
        "TargetGroupName": row.name,
        "Protocol": row.protocol,
        "Port": row.port,
        "VpcId": row.vpc_id,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": check.interval_s,
        "HealthCheckTimeoutSeconds": check.timeout_s,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": {"GrpcCode" if row.protocol_version == "GRPC" else "HttpCode": check.matcher},
        "LoadBalancerArns": balancer_arns,
        "TargetType": row.target_type,
        "ProtocolVersion": row.protocol_version,
        "IpAddressType": "ipv4",
    }


def action(row: Action) -> Shape:
    """An action; a forward to one group has both of AWS's forms."""
    shape: Shape = {"Type": row.type}
    if row.order is not None:
        shape["Order"] = row.order
    if row.type == "forward":
        if len(row.groups) == 1:
            shape["TargetGroupArn"] = row.groups[0].group_arn
        shape["ForwardConfig"] = {
            "TargetGroups": [
                {"TargetGroupArn": group.group_arn, "Weight": group.weight} for group in row.groups
            ],
            "TargetGroupStickinessConfig": _group_stickiness(row.stickiness),
        }
    if row.redirect is not None:
        shape["RedirectConfig"] = {
            "Protocol": row.redirect.protocol,
            "Port": row.redirect.port,
            "Host": row.redirect.host,
            "Path": row.redirect.path,
            "Query": row.redirect.query,
            "StatusCode": f"HTTP_{row.redirect.status}",
        }
    if row.fixed_response is not None:
        fixed: Shape = {"StatusCode": str(row.fixed_response.status)}
        if row.fixed_response.body:
            fixed["MessageBody"] = row.fixed_response.body
        if row.fixed_response.content_type:
            fixed["ContentType"] = row.fixed_response.content_type
        shape["FixedResponseConfig"] = fixed
    if row.oidc is not None:
        shape["AuthenticateOidcConfig"] = _oidc(row.oidc)
    if row.jwt is not None:
        shape["JwtValidationConfig"] = _jwt(row.jwt)
    return shape


def _oidc(row: Oidc) -> Shape:
    """The client's secret is never shown."""
    return {
        "Issuer": row.issuer,
        "AuthorizationEndpoint": row.authorization_endpoint,
        "TokenEndpoint": row.token_endpoint,
        "UserInfoEndpoint": row.user_info_endpoint,
        "ClientId": row.client_id,
        "SessionCookieName": row.cookie,
        "Scope": row.scope,
        "SessionTimeout": row.timeout_s,
        "AuthenticationRequestExtraParams": dict(row.extra),
        "OnUnauthenticatedRequest": row.on_unauthenticated,
    }


def _jwt(row: Jwt) -> Shape:
    shape: Shape = {"JwksEndpoint": row.jwks_endpoint, "Issuer": row.issuer}
    if row.claims:
        shape["AdditionalClaims"] = [
            {"Name": c.name, "Format": c.format, "Values": list(c.values)} for c in row.claims
        ]
    return shape


def _group_stickiness(row: GroupStickiness) -> Shape:
    shape: Shape = {"Enabled": row.enabled}
    if row.duration_s is not None:
        shape["DurationSeconds"] = row.duration_s
    return shape


_CONFIGS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}


def condition(row: Condition) -> Shape:
    """A condition; host-header and path-pattern have both of AWS's forms."""
    shape: Shape = {"Field": row.field}
    matches = {"RegexValues": list(row.regexes)} if row.regexes else {"Values": list(row.values)}
    if row.field in ("host-header", "path-pattern"):
        shape |= matches
    if row.field in _CONFIGS:
        shape[_CONFIGS[row.field]] = matches
    elif row.field == "http-header":
        shape["HttpHeaderConfig"] = {"HttpHeaderName": row.key, **matches}
    else:
        pairs = [({"Key": key} if key else {}) | {"Value": value} for key, value in row.pairs]
        shape["QueryStringConfig"] = {"Values": pairs}
    return shape


def transform(row: Transform) -> Shape:
    """A transform with its one rewrite."""
    rewrite = {"Regex": row.regex, "Replace": row.replace}
    return {"Type": row.type, CONFIGS[row.type]: {"Rewrites": [rewrite]}}


def listener(row: Listener) -> Shape:
    """A listener with its default actions and default certificate."""
    shape: Shape = {
        "ListenerArn": row.arn,
        "LoadBalancerArn": row.balancer_arn,
        "Port": row.port,
        "Protocol": row.protocol,
        "DefaultActions": [action(item) for item in row.default_actions],
    }
    if row.protocol == "HTTPS":
        shape["Certificates"] = [{"CertificateArn": row.certificates[0]}]
        shape["SslPolicy"] = row.ssl_policy
        shape["MutualAuthentication"] = mutual_authentication.view(row.mutual)
    return shape


def rule(row: Rule) -> Shape:
    """A rule with a priority."""
    return {
        "RuleArn": row.arn,
        "Priority": str(row.priority),
        "Conditions": [condition(item) for item in row.conditions],
        "Actions": [action(item) for item in row.actions],
        "IsDefault": False,
        "Transforms": [transform(item) for item in row.transforms],
    }


def default_rule(row: Listener) -> Shape:
    """The listener's default rule."""
    return {
        "RuleArn": row.default_rule_arn,
        "Priority": "default",
        "Conditions": [],
        "Actions": [action(item) for item in row.default_actions],
        "IsDefault": True,
        "Transforms": [],
    }
