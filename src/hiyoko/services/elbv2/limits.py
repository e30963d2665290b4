"""DescribeSSLPolicies and DescribeAccountLimits: what is offered, and how much of it."""

from __future__ import annotations

from hiyoko.api import Call, Request, Response, operation
from hiyoko.services.elbv2 import errors
from hiyoko.services.elbv2.requests import page
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES, SslPolicy

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
_LIMITS = (
    ("application-load-balancers", 50),
    ("listeners-per-application-load-balancer", 50),
    ("rules-per-application-load-balancer", 100),
    ("certificates-per-application-load-balancer", 25),
    ("target-groups", 3000),
    ("target-groups-per-action-on-application-load-balancer", 5),
    ("targets-per-target-group", 1000),
    ("condition-values-per-alb-rule", 5),
    ("condition-wildcards-per-alb-rule", 5),
)
_TYPES = ("application", "network")
"""Every policy is one for both, though only application load balancers are made here."""


@operation("DescribeSSLPolicies")
def describe_ssl_policies(call: Call, request: Request) -> Response:
    """All policies, or the named ones, or those of a type of load balancer."""
    names = request.get("Names") or list(SSL_POLICIES)
    for name in names:
        if name not in SSL_POLICIES:
            raise errors.ssl_policy_not_found(name)
    if request.get("LoadBalancerType", _TYPES[0]) not in _TYPES:
        names = []
    shown, more = page("SslPolicies", [SSL_POLICIES[name] for name in names], request)
    return {"SslPolicies": [_view(policy) for policy in shown], **more}


def _view(policy: SslPolicy) -> Response:
    return {
        "Name": policy.name,
        "SslProtocols": list(policy.versions[::-1]),
        "Ciphers": [
            {"Name": name, "Priority": number} for number, name in enumerate(policy.ciphers, 1)
        ],
        "SupportedLoadBalancerTypes": list(_TYPES),
    }


@operation("DescribeAccountLimits")
def describe_account_limits(call: Call, request: Request) -> Response:
    """The quotas, as AWS gives them to a new account."""
    shown, more = page("Limits", _LIMITS, request)
    return {"Limits": [{"Name": name, "Max": str(count)} for name, count in shown], **more}
