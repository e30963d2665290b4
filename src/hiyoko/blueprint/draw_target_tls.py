"""How HTTPS targets are spoken with: it follows from the listeners' security policies.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hiyoko.blueprint.balancers import Forward, Listener, TargetGroup
from hiyoko.services.elbv2.model import find_ssl_policy

_WITH_TLS13, _WITHOUT = "ELBSecurityPolicy-TLS13-1-0-2021-06", "ELBSecurityPolicy-2016-08"


def speak_tls(group: TargetGroup, listeners: Iterable[Listener]) -> TargetGroup:
    """TLS 1.3 is spoken with targets where a listener in front of them speaks it."""
    if group.protocol != "HTTPS":
        return group
    new = any("TLSv1.3" in each.tls_versions for each in listeners if _forwards(each, group.arn))
    policy = find_ssl_policy(_WITH_TLS13 if new else _WITHOUT)
    assert policy is not None
    return replace(group, tls_versions=policy.versions, ciphers=policy.ciphers)


def _forwards(listener: Listener, group_arn: str) -> bool:
    actions = [rule.action for rule in listener.rules]
    forwards = [action for action in actions if isinstance(action, Forward)]
    return any(group_arn == arn for action in forwards for arn, _ in action.groups)
