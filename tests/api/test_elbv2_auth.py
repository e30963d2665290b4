"""authenticate-oidc and jwt-validation as the API takes and shows them.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AuthenticateOidcActionConfig.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_JwtValidationActionConfig.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.api.test_elbv2 import Cloud, cloud, refused
from tests.api.test_elbv2_rules import Rules

import hiyoko.services.cloudformation  # noqa: F401  registers the operations
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.services.acm.seen import ISSUED_SEEN, IssuedSeen
from hiyoko.services.elbv2 import rows

__all__ = ["cloud"]

SECRET = "s3cret"
OIDC = {
    "Issuer": "https://idp.test",
    "AuthorizationEndpoint": "https://idp.test/authorize",
    "TokenEndpoint": "https://idp.test/token",
    "UserInfoEndpoint": "https://idp.test/userinfo",
    "ClientId": "client",
    "ClientSecret": SECRET,
}
JWT = {"JwksEndpoint": "https://idp.test/jwks", "Issuer": "https://idp.test"}


@pytest.fixture
def rules(cloud: Cloud) -> Rules:
    balancer, group = cloud.balancer(), cloud.group()
    arn = cloud("RequestCertificate", "acm", DomainName="a.test", ValidationMethod="DNS")
    now = cloud.clock.now()
    with cloud.store.transaction() as tx:
        seen = IssuedSeen(arn["CertificateArn"], "LEAF", "CHAIN", "1", now, now + 9e9, now)
        ISSUED_SEEN.put(tx, seen)
    given = [{"CertificateArn": arn["CertificateArn"]}]
    listener = cloud.listener(balancer, group, 443, Protocol="HTTPS", Certificates=given)
    return Rules(cloud, balancer, group, group, listener)


def actions(rules: Rules, kind: str, config: dict[str, Any]) -> list[dict[str, Any]]:
    name = {"authenticate-oidc": "AuthenticateOidcConfig", "jwt-validation": "JwtValidationConfig"}
    return [
        {"Type": kind, "Order": 1, name[kind]: config},
        {"Type": "forward", "Order": 2, "TargetGroupArn": rules.group},
    ]


def oidc(rules: Rules, **changes: Any) -> list[dict[str, Any]]:
    config = {k: v for k, v in {**OIDC, **changes}.items() if v is not None}
    return actions(rules, "authenticate-oidc", config)


def secret(rules: Rules, arn: str) -> str:
    with rules.cloud.store.reading() as tx:
        row = next(row for row in rows.RULES.list(tx) if row.arn == arn)
    assert row.actions[0].oidc is not None
    return row.actions[0].oidc.client_secret


def test_a_login_is_shown_with_its_defaults_and_never_with_its_secret(rules: Rules) -> None:
    made = rules.create(Actions=oidc(rules))
    assert made["Actions"][0] == {
        "Type": "authenticate-oidc",
        "Order": 1,
        "AuthenticateOidcConfig": {
            **{name: value for name, value in OIDC.items() if name != "ClientSecret"},
            "SessionCookieName": "AWSELBAuthSessionCookie",
            "Scope": "openid",
            "SessionTimeout": 604_800,
            "AuthenticationRequestExtraParams": {},
            "OnUnauthenticatedRequest": "authenticate",
        },
    }
    given = {
        "SessionCookieName": "mine",
        "Scope": "openid email",
        "SessionTimeout": 1,
        "AuthenticationRequestExtraParams": {"prompt": "login"},
        "OnUnauthenticatedRequest": "deny",
    }
    shown = rules.modify(made, Actions=oidc(rules, **given))["Actions"][0]
    assert given.items() <= shown["AuthenticateOidcConfig"].items()
    everything = [
        rules.cloud("DescribeRules", ListenerArn=rules.listener),
        rules.cloud("ModifyListener", ListenerArn=rules.listener, DefaultActions=oidc(rules)),
        rules.cloud("DescribeListeners", LoadBalancerArn=rules.balancer),
    ]
    assert SECRET not in json.dumps(everything, default=str)
    assert json.dumps(everything, default=str).count("AuthenticateOidcConfig") == 3


def test_the_secret_that_is_there_may_be_kept(rules: Rules) -> None:
    made = rules.create(Actions=oidc(rules))
    keep = oidc(rules, ClientSecret=None, UseExistingClientSecret=True, Scope="openid email")
    rules.modify(made, Actions=keep)
    assert secret(rules, made["RuleArn"]) == SECRET
    rules.modify(made, Actions=oidc(rules, ClientSecret="new"))
    assert secret(rules, made["RuleArn"]) == "new"
    for changes in (
        {"ClientSecret": None, "UseExistingClientSecret": True, "ClientId": "another"},
        {"UseExistingClientSecret": True},
    ):
        with refused("InvalidLoadBalancerAction", "no existing client secret"):
            rules.modify(made, Actions=oidc(rules, **changes))
    with refused("InvalidLoadBalancerAction", "no existing client secret"):
        rules.create(Actions=keep)
    with refused("InvalidLoadBalancerAction", "client secret must be specified"):
        rules.create(Actions=oidc(rules, ClientSecret=None))
    # The same for a listener's default rule.
    listener = {"ListenerArn": rules.listener}
    rules.cloud("ModifyListener", **listener, DefaultActions=oidc(rules))
    rules.cloud("ModifyListener", **listener, DefaultActions=keep)
    with rules.cloud.store.reading() as tx:
        kept = rows.LISTENERS.list(tx)[0].default_actions[0].oidc
    assert kept is not None
    assert (kept.client_secret, kept.scope) == (SECRET, "openid email")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"Issuer": "http://idp.test"}, "must be an HTTPS URL"),
        ({"TokenEndpoint": "idp.test/token"}, "must be an HTTPS URL"),
        ({"AuthorizationEndpoint": "https://"}, "must be an HTTPS URL"),
        ({"UserInfoEndpoint": "ftp://idp.test"}, "must be an HTTPS URL"),
        ({"SessionTimeout": 604_801}, "from 1 to 604800"),
        ({"SessionTimeout": 0}, "from 1 to 604800"),
        ({"SessionCookieName": "a=b"}, "is not valid"),
        (
            {"AuthenticationRequestExtraParams": {str(n): "x" for n in range(11)}},
            "No more than 10",
        ),
    ],
)
def test_a_login_that_cannot_be_is_refused(
    rules: Rules, changes: dict[str, Any], text: str
) -> None:
    with refused("ValidationError", text):
        rules.create(Actions=oidc(rules, **changes))


def test_logins_and_tokens_are_for_https_and_have_a_configuration(rules: Rules) -> None:
    plain = rules.cloud.listener(rules.balancer, rules.group, 80)
    for kind, config in (("authenticate-oidc", OIDC), ("jwt-validation", JWT)):
        with refused("InvalidLoadBalancerAction", f"'{kind}' are supported only on HTTPS"):
            rules.create(ListenerArn=plain, Actions=actions(rules, kind, config))
        first, final = actions(rules, kind, config)
        with refused("ValidationError", "must have a configuration"):
            rules.create(Actions=[{"Type": kind, "Order": 1}, final])
        with refused("ValidationError", "must be the last one"):
            rules.create(Actions=[first | {"Order": 3}, final])
        with refused("ValidationError", "must be the last one"):
            rules.create(Actions=[first])
    login, final = actions(rules, "authenticate-oidc", OIDC)
    token, _ = actions(rules, "jwt-validation", JWT)
    with refused("ValidationError", "no more than one action before the final one"):
        rules.create(Actions=[login, token | {"Order": 2}, final | {"Order": 3}])


def test_cognito_is_refused_by_name(rules: Rules) -> None:
    config = {"UserPoolArn": "arn", "UserPoolClientId": "c", "UserPoolDomain": "d"}
    _, final = actions(rules, "jwt-validation", JWT)
    action = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": config}
    with refused("NotImplemented", "authenticate-cognito"):
        rules.create(Actions=[action, final])


def test_what_a_token_must_claim_is_shown_as_given(rules: Rules) -> None:
    claims = [
        {"Name": "tenant", "Format": "single-string", "Values": ["t1"]},
        {"Name": "scope", "Format": "space-separated-values", "Values": ["read", "write"]},
        {"Name": "roles", "Format": "string-array", "Values": ["admin"]},
    ]
    config = {**JWT, "AdditionalClaims": claims}
    made = rules.create(Actions=actions(rules, "jwt-validation", config))
    assert made["Actions"][0]["JwtValidationConfig"] == config
    bare = rules.modify(made, Actions=actions(rules, "jwt-validation", JWT))
    assert bare["Actions"][0]["JwtValidationConfig"] == JWT


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"JwksEndpoint": "http://idp.test/jwks"}, "must be an HTTPS URL"),
        ({"Issuer": "i" * 257}, "from 1 to 256"),
        ({"AdditionalClaims": [("x", "single-string", ("a", "b"))]}, "exactly one value"),
        ({"AdditionalClaims": [("iss", "single-string", ("a",))]}, "always validated"),
        ({"AdditionalClaims": [(str(n), "single-string", ("a",)) for n in range(11)]}, "than 10"),
        ({"AdditionalClaims": [("x", "string-array", tuple("abcdefghijk"))]}, "than 10 values"),
    ],
)
def test_a_validation_that_cannot_be_is_refused(
    rules: Rules, changes: dict[str, Any], text: str
) -> None:
    config = {**JWT, **changes}
    if "AdditionalClaims" in changes:
        config["AdditionalClaims"] = [
            {"Name": name, "Format": kind, "Values": list(values)}
            for name, kind, values in changes["AdditionalClaims"]
        ]
    with refused("ValidationError", text):
        rules.create(Actions=actions(rules, "jwt-validation", config))


async def test_a_stack_makes_them(rules: Rules) -> None:
    cloud = rules.cloud
    kind = "AWS::ElasticLoadBalancingV2::Listener"
    shown = cloud("DescribeListeners", ListenerArns=[rules.listener])["Listeners"][0]
    claims = [{"Name": "tenant", "Format": "single-string", "Values": ["t1"]}]
    resources: dict[str, Any] = {
        "Rule": {
            "Type": f"{kind}Rule",
            "Properties": {
                "ListenerArn": rules.listener,
                "Priority": 1,
                "Conditions": [{"Field": "path-pattern", "Values": ["/x"]}],
                "Actions": actions(rules, "jwt-validation", {**JWT, "AdditionalClaims": claims}),
            },
        },
        "Listener": {
            "Type": kind,
            "Properties": {
                "LoadBalancerArn": rules.balancer,
                "Port": 8443,
                "Protocol": "HTTPS",
                "Certificates": shown["Certificates"],
                # Of this type CloudFormation says that the timeout is a text.
                "DefaultActions": oidc(rules, SessionTimeout="3600"),
            },
        },
    }
    body = json.dumps({"Resources": resources})
    cloud("CreateStack", "cloudformation", StackName="s", TemplateBody=body)
    await StackReconciler(cloud.store).activate()
    stack = cloud("DescribeStacks", "cloudformation", StackName="s")["Stacks"][0]
    events = cloud("DescribeStackEvents", "cloudformation", StackName="s")["StackEvents"]
    reasons = [event.get("ResourceStatusReason") for event in events]
    assert stack["StackStatus"] == "CREATE_COMPLETE", reasons
    made = cloud("DescribeListeners", LoadBalancerArn=rules.balancer)["Listeners"]
    login = next(row for row in made if row["Port"] == 8443)["DefaultActions"][0]
    assert login["AuthenticateOidcConfig"]["SessionTimeout"] == 3600
    rule = cloud("DescribeRules", ListenerArn=rules.listener)["Rules"][0]
    assert rule["Actions"][0]["JwtValidationConfig"]["AdditionalClaims"] == claims
