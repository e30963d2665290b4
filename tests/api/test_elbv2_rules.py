"""Rules as the API takes and shows them: conditions, transforms, actions, stickiness.

Texts: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/ and recorded answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.api.test_elbv2 import Cloud, cloud, refused

import hiyoko.services.cloudformation  # noqa: F401  registers the operations
from hiyoko.api import AwsError
from hiyoko.reconcile.stacks import StackReconciler

__all__ = ["cloud"]


@dataclass
class Rules:
    cloud: Cloud
    balancer: str
    group: str
    other: str
    listener: str
    priority: int = 0

    def forward(self, *weights: int, sticky_s: int | None = None) -> dict[str, Any]:
        arns = (self.group, self.other)[: len(weights)]
        config: dict[str, Any] = {
            "TargetGroups": [
                {"TargetGroupArn": arn, "Weight": weight}
                for arn, weight in zip(arns, weights, strict=True)
            ]
        }
        if sticky_s is not None:
            config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": sticky_s}
        return {"Type": "forward", "ForwardConfig": config}

    def create(self, *conditions: dict[str, Any], **changes: Any) -> dict[str, Any]:
        self.priority += 1
        request = {
            "ListenerArn": self.listener,
            "Priority": self.priority,
            "Conditions": list(conditions) or [{"Field": "path-pattern", "Values": ["/x"]}],
            "Actions": [{"Type": "forward", "TargetGroupArn": self.group}],
            **changes,
        }
        made = self.cloud("CreateRule", **request)["Rules"][0]
        shown = self.cloud("DescribeRules", RuleArns=[made["RuleArn"]])["Rules"][0]
        assert shown == made
        return dict(shown)

    def modify(self, rule: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = self.cloud("ModifyRule", RuleArn=rule["RuleArn"], **changes)
        return dict(answer["Rules"][0])

    def attributes(self, group: str, **values: str) -> None:
        keys = {"enabled": "enabled", "type": "type", "cookie_name": "app_cookie.cookie_name"}
        given = [{"Key": f"stickiness.{keys.get(k, k)}", "Value": v} for k, v in values.items()]
        self.cloud("ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=given)


@pytest.fixture
def rules(cloud: Cloud) -> Rules:
    balancer, group, other = cloud.balancer(), cloud.group(), cloud.group(Name="other")
    return Rules(cloud, balancer, group, other, cloud.listener(balancer, group))


def rewrite(kind: str, regex: str, by: str) -> dict[str, Any]:
    config = {"url": "UrlRewriteConfig", "host-header": "HostHeaderRewriteConfig"}[kind]
    return {
        "Type": f"{kind}-rewrite",
        config: {"Rewrites": [{"Regex": regex, "Replace": by}]},
    }


def path(*values: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


def test_regular_expressions_are_shown_as_they_were_given(rules: Rules) -> None:
    given: list[dict[str, Any]] = [
        {"Field": "host-header", "HostHeaderConfig": {"RegexValues": [r"^(.+)\.example\.com$"]}},
        {"Field": "path-pattern", "RegexValues": ["^/[a-z]{2}(-[A-Z]{2})?/i/"]},
        {
            "Field": "http-header",
            "HttpHeaderConfig": {"HttpHeaderName": "User-Agent", "RegexValues": ["a|b", "c"]},
        },
    ]
    shown = rules.create(*given)["Conditions"]
    assert shown == [
        {**given[0], "RegexValues": [r"^(.+)\.example\.com$"]},
        {**given[1], "PathPatternConfig": {"RegexValues": ["^/[a-z]{2}(-[A-Z]{2})?/i/"]}},
        given[2],
    ]


@pytest.mark.parametrize(
    ("regex", "why"),
    [
        ("a(?=b)", "lookaheads"),
        ("(?<!a)b", "lookbehinds"),
        (r"(a)\1", "backreferences"),
        ("(?>a)", "atomic groups"),
        ("a++", "possessive quantifiers"),
        ("(a)(?1)", "subroutines"),
        ("(?R)", "recursion"),
        (r"\p{L}", "Unicode character classes"),
        ("(a", "not closed"),
        ("x" * 129, "the limit is '128'"),
        ("", "A condition value must be specified"),
    ],
)
def test_what_a_regular_expression_cannot_have_is_refused_by_name(
    rules: Rules, regex: str, why: str
) -> None:
    with refused("ValidationError", why):
        rules.create({"Field": "path-pattern", "PathPatternConfig": {"RegexValues": [regex]}})


def header(name: str, *values: str) -> dict[str, Any]:
    config = {"HttpHeaderName": name, "Values": list(values)}
    return {"Field": "http-header", "HttpHeaderConfig": config}


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ([], "without conditions"),
        ([path("/1", "/2", "/3", "/4", "/5", "/6")], "A rule can only have '5' condition values"),
        ([path("/1", "/2", "/3"), header("X", "a", "b", "c")], "'5' condition values"),
        ([path("/*/*/*"), header("X", "*?*")], "'5' condition wildcards"),
        ([path("/1"), path("/2")], "more than one condition of the same field"),
        ([path("^/[a-z]{2}/i/")], r"Condition value '\^.*' contains a character that is not valid"),
        ([path("/" + "a" * 128)], "too long; the limit is '128'"),
        ([path("")], "A condition value must be specified"),
        ([header("Host", "a")], "The http header name 'Host' is not valid"),
        ([header("X" * 41, "a")], "is not valid"),
        ([header("X", "あ")], "contains a character"),
        ([{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.300/8"]}}], "source-ip"),
        (
            [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}],
            "contains a character",
        ),
        (
            [path("/") | {"RegexValues": ["a"]}],
            "cannot be specified in the same condition",
        ),
        (
            [{"Field": "source-ip", "RegexValues": ["a"], "SourceIpConfig": {}}],
            "RegexValues parameter cannot be used",
        ),
        (
            [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a"}]}}],
            "A condition value must be specified",
        ),
    ],
)  # fmt: skip
def test_conditions_have_the_limits_of_aws(
    rules: Rules, conditions: list[dict[str, Any]], text: str
) -> None:
    with refused("ValidationError", text):
        rules.cloud(
            "CreateRule",
            ListenerArn=rules.listener,
            Priority=9,
            Conditions=conditions,
            Actions=[rules.forward(1)],
        )


def test_escaped_wildcards_are_not_counted_and_both_address_families_are_taken(
    rules: Rules,
) -> None:
    pairs = [{"Key": r"\*\*\*", "Value": r"\?\?\?*"}]
    networks = ["192.0.2.0/24", "198.51.100.10/32", "2001:db8::/32"]
    shown = rules.create(
        {"Field": "query-string", "QueryStringConfig": {"Values": pairs}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": networks}},
    )["Conditions"]
    assert shown[1]["SourceIpConfig"] == {"Values": networks}


def test_transforms_are_replaced_whole_and_removed_by_a_flag(rules: Rules) -> None:
    url = rewrite("url", "^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1")
    host = rewrite("host-header", "^mywebsite-(.+).com$", "internal.dev.$1.myweb.com")
    made = rules.create(Transforms=[url, host])
    assert made["Transforms"] == [url, host]
    assert rules.modify(made, Conditions=[path("/y")])["Transforms"] == [url, host]
    assert rules.modify(made, Transforms=[host])["Transforms"] == [host]
    with refused("ValidationError", "cannot be specified together"):
        rules.modify(made, Transforms=[url], ResetTransforms=True)
    assert rules.modify(made, ResetTransforms=True)["Transforms"] == []
    default = rules.cloud("DescribeRules", ListenerArn=rules.listener)["Rules"][-1]
    assert (default["IsDefault"], default["Transforms"]) == (True, [])
    with refused("OperationNotPermitted", "Default rule"):
        rules.modify(default, Transforms=[url])


@pytest.mark.parametrize(
    ("transforms", "code", "text"),
    [
        ([rewrite("url", "a", "b")] * 2, "ValidationError", "one transform of type 'url-rewrite'"),
        ([{"Type": "url-rewrite"}], "ValidationError", "exactly one rewrite"),
        ([rewrite("url", "a", "b") | {"HostHeaderRewriteConfig": {"Rewrites": [{}]}}],
         "NotImplemented", "HostHeaderRewriteConfig"),
        ([rewrite("url", "(?=a)", "b")], "ValidationError", "lookaheads"),
        ([rewrite("url", "", "b")], "ValidationError", "must be specified"),
        ([rewrite("url", "(a)", "$2")], "ValidationError", r"'\$2' names no capture group"),
        ([rewrite("url", "(a)" * 12, "$12")], "NotImplemented", r"\$12"),
        ([rewrite("url", "a" * 1025, "b")], "ValidationError", "the limit is '1024'"),
        ([rewrite("url", "a", "b" * 1025)], "ValidationError", "the limit is '1024'"),
        ([rewrite("url", "a", "\n")], "ValidationError", "a character that is not valid"),
    ],
)  # fmt: skip
def test_a_transform_that_cannot_be_is_refused(
    rules: Rules, transforms: list[dict[str, Any]], code: str, text: str
) -> None:
    with refused(code, text):
        rules.create(Transforms=transforms)


def test_a_sticky_forward_needs_a_duration_and_shows_it(rules: Rules) -> None:
    shown = rules.create(Actions=[rules.forward(1, 2, sticky_s=60)])["Actions"][0]
    assert shown["ForwardConfig"]["TargetGroupStickinessConfig"] == {
        "Enabled": True,
        "DurationSeconds": 60,
    }
    plain = rules.create(Actions=[rules.forward(1, 0)])["Actions"][0]["ForwardConfig"]
    assert plain["TargetGroupStickinessConfig"] == {"Enabled": False}
    assert [group["Weight"] for group in plain["TargetGroups"]] == [1, 0]
    text = "Target group stickiness duration must be between 1 and 604800 seconds"
    for config in ({"Enabled": True}, {"Enabled": True, "DurationSeconds": 604801}):
        action = rules.forward(1, 1)
        action["ForwardConfig"]["TargetGroupStickinessConfig"] = config
        with refused("ValidationError", text):
            rules.create(Actions=[action])


def test_sticky_targets_behind_weights_need_sticky_groups(rules: Rules) -> None:
    weighted = rules.create(Actions=[rules.forward(1, 1)])
    text = (
        r"This target group appears behind a rule with group stickiness disabled \(arn:.*"
        rf"{weighted['RuleArn'][-16:]}\). You must enable group stickiness before enabling target"
    )
    with refused("InvalidConfigurationRequest", text):
        rules.attributes(rules.group, enabled="true")
    rules.modify(weighted, Actions=[rules.forward(1, 1, sticky_s=60)])
    rules.attributes(rules.group, enabled="true")
    with refused("InvalidConfigurationRequest", "You must enable group stickiness on a rule if"):
        rules.modify(weighted, Actions=[rules.forward(1, 1)])
    assert rules.create(Actions=[rules.forward(1)])


def test_an_application_cookie_needs_a_name_that_is_not_reserved(rules: Rules) -> None:
    name = "You must set an application cookie name to enable stickiness of type 'app_cookie'"
    with refused("InvalidConfigurationRequest", name):
        rules.attributes(rules.group, enabled="true", type="app_cookie")
    for reserved in ("AWSALB", "AWSALBAPP-0", "AWSALBTG"):
        with refused("ValidationError", "reserved"):
            rules.attributes(rules.group, cookie_name=reserved)
    for bad in ("a b", "a;b", "a=b"):
        with refused("ValidationError", "not valid"):
            rules.attributes(rules.group, cookie_name=bad)
    duration = {"app_cookie.duration_seconds": "604801"}
    with refused("ValidationError", "between 1 and 604800"):
        rules.attributes(rules.group, **duration)
    rules.attributes(rules.group, enabled="true", type="app_cookie", cookie_name="MyCookie")


def redirect(**changes: str) -> dict[str, Any]:
    return {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", **changes}}


@pytest.mark.parametrize(
    ("action", "code", "text"),
    [
        (redirect(Query="x=1"), "InvalidLoadBalancerAction", "creates a loop"),
        (redirect(Protocol="HTTP", Port="80"), "InvalidLoadBalancerAction", "creates a loop"),
        (redirect(Host="#{port}"), "InvalidLoadBalancerAction", "cannot be used in the host"),
        (redirect(Path="x"), "ValidationError", "must start with '/'"),
        (redirect(Path="/a b"), "ValidationError", "path contains a character"),
        (redirect(Port="65536"), "ValidationError", "between 1 and 65535"),
        ({"Type": "redirect"}, "ValidationError", "redirect configuration"),
    ],
)
def test_a_redirect_that_comes_back_or_is_no_url_is_refused(
    rules: Rules, action: dict[str, Any], code: str, text: str
) -> None:
    with refused(code, text):
        rules.create(Actions=[action])
    assert rules.create(Actions=[redirect(Protocol="HTTP", Port="81")])


def test_several_actions_need_an_order_and_one_final_action_at_the_end(rules: Rules) -> None:
    final, fixed = rules.forward(1), {"Type": "fixed-response"}
    fixed["FixedResponseConfig"] = {"StatusCode": "200"}  # type: ignore[assignment]
    with refused("ValidationError", "an order of its own"):
        rules.create(Actions=[final, fixed])
    with refused("ValidationError", "exactly one forward, redirect or fixed-response"):
        rules.create(Actions=[final | {"Order": 1}, fixed | {"Order": 2}])
    with refused("NotImplemented", "authenticate-cognito"):
        rules.create(Actions=[final | {"Order": 2}, {"Type": "authenticate-cognito", "Order": 1}])


async def test_a_stack_sets_transforms_and_takes_them_away(rules: Rules) -> None:
    reconciler = StackReconciler(rules.cloud.store)
    url = rewrite("url", "^/a", "/b")

    async def shown(operation: str, **properties: Any) -> dict[str, Any]:
        properties |= {
            "ListenerArn": rules.listener,
            "Priority": 7,
            "Conditions": [{"Field": "path-pattern", "RegexValues": ["^/a"]}],
            "Actions": [rules.forward(1, 1, sticky_s=60)],
        }
        kind = "AWS::ElasticLoadBalancingV2::ListenerRule"
        template = {"Resources": {"Rule": {"Type": kind, "Properties": properties}}}
        body = json.dumps(template)
        rules.cloud(operation, "cloudformation", StackName="s", TemplateBody=body)
        await reconciler.activate()
        stack = rules.cloud("DescribeStacks", "cloudformation", StackName="s")["Stacks"][0]
        assert stack["StackStatus"].endswith("_COMPLETE"), stack
        return dict(rules.cloud("DescribeRules", ListenerArn=rules.listener)["Rules"][0])

    made = await shown("CreateStack", Transforms=[url])
    assert (made["Priority"], made["Transforms"]) == ("7", [url])
    assert made["Conditions"][0]["RegexValues"] == ["^/a"]
    changed = await shown("UpdateStack")
    assert (changed["RuleArn"], changed["Transforms"]) == (made["RuleArn"], [])


def test_a_neighbour_shifts_traffic_and_leaves_the_rest_of_a_rule(rules: Rules) -> None:
    rule = rules.create(Actions=[rules.forward(1, 0, sticky_s=60)])

    def shift(percent: float, arn: str = rule["RuleArn"]) -> tuple[bool, list[int]]:
        shares = [
            {"TargetGroupArn": rules.group, "Percent": 100 - percent},
            {"TargetGroupArn": rules.other, "Percent": percent},
        ]
        changed = rules.cloud("_ShiftTraffic", RuleArn=arn, Shares=shares)["Changed"]
        (shown,) = rules.cloud("DescribeRules", RuleArns=[arn])["Rules"]
        config = shown["Actions"][0]["ForwardConfig"]
        if arn == rule["RuleArn"]:
            assert config["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 60}
        return changed, [one["Weight"] for one in config["TargetGroups"]]

    assert shift(0) == (False, [100, 0])
    assert shift(10) == (True, [90, 10])
    assert shift(33.3) == (True, [667, 333])
    assert shift(100) == (True, [0, 100])
    default = rules.cloud("DescribeRules", ListenerArn=rules.listener)["Rules"][-1]["RuleArn"]
    assert shift(5, default) == (True, [95, 5])
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    rules.modify(rule, Actions=[fixed])
    with pytest.raises(AwsError, match="does not forward"):
        shift(50)
