"""What a deployed site consists of, as read from the APIs' answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.cli.stubs import Scripts
from tests.unit.cli.views import GROUP

from hiyoko.cli.errors import CommandError
from hiyoko.cli.view import RuleView, SiteView, TargetView, gather

NOW = datetime(2024, 1, 1, tzinfo=UTC)
PREFIX = "arn:aws:elasticloadbalancing:ap-northeast-1:123456789012"
BALANCER = f"{PREFIX}:loadbalancer/app/b/1"


@pytest.fixture
def scripts() -> Iterator[Scripts]:
    made = Scripts()
    yield made
    made.all_asked()


def stack_is(scripts: Scripts, status: str, **more: Any) -> None:
    stack = {"StackName": "shop", "CreationTime": NOW, "StackStatus": status, **more}
    scripts.script("cloudformation").add_response("describe_stacks", {"Stacks": [stack]})


def resources_are(scripts: Scripts, **physical: str) -> None:
    listed = [
        {
            "LogicalResourceId": name,
            "PhysicalResourceId": physical_id,
            "ResourceType": "AWS::X::Y",
            "LastUpdatedTimestamp": NOW,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for name, physical_id in physical.items()
    ]
    scripts.script("cloudformation").add_response(
        "list_stack_resources", {"StackResourceSummaries": listed}
    )


def balanced(scripts: Scripts, *rules: dict[str, Any]) -> SiteView:
    """A site with one listener that has these rules, and one group with two targets."""
    zone = {"ParameterKey": "HostedZoneId", "ParameterValue": "ZOUTSIDE"}
    stack_is(scripts, "CREATE_COMPLETE", Parameters=[zone])
    resources_are(scripts, LoadBalancer=BALANCER)
    elb = scripts.script("elbv2")
    state = {"LoadBalancerArn": BALANCER, "DNSName": "b-1.elb", "State": {"Code": "active"}}
    elb.add_response("describe_load_balancers", {"LoadBalancers": [state]})
    listener = {"ListenerArn": f"{PREFIX}:listener/1", "Protocol": "HTTPS", "Port": 443}
    elb.add_response("describe_listeners", {"Listeners": [listener]})
    elb.add_response("describe_rules", {"Rules": list(rules)})
    group = {"TargetGroupArn": GROUP, "TargetGroupName": "shop-W-1AB", "Port": 80}
    elb.add_response("describe_target_groups", {"TargetGroups": [group]})
    health = [
        {
            "Target": {"Id": "10.0.8.4", "Port": 80, "AvailabilityZone": "ap-northeast-1a"},
            "TargetHealth": {"State": "healthy"},
        },
        {
            "Target": {"Id": "10.0.9.4", "Port": 80},
            "TargetHealth": {"State": "unhealthy", "Description": "Request timed out"},
        },
    ]
    elb.add_response("describe_target_health", {"TargetHealthDescriptions": health})
    tags = {"ResourceArn": GROUP, "Tags": [{"Key": "Name", "Value": "shop-web"}]}
    elb.add_response("describe_tags", {"TagDescriptions": [tags]})
    return gather(scripts.stack())


def rule(*conditions: dict[str, Any], **action: Any) -> dict[str, Any]:
    return {"Priority": "1", "Conditions": list(conditions), "Actions": [action]}


FORWARD = {"Type": "forward", "TargetGroupArn": GROUP}


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([], "everything else"),
        ([{"Field": "path-pattern", "Values": ["/api/*", "/v1/*"]}], "path /api/* or /v1/*"),
        (
            [
                {
                    "Field": "host-header",
                    "HostHeaderConfig": {"Values": ["a.example.com"]},
                },
                {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/x"]}},
            ],
            "host a.example.com, path /x",
        ),
        (
            [
                {
                    "Field": "query-string",
                    "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}]},
                }
            ],
            "query-string v=1",
        ),
        (
            [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v[0-9]", "x$"]}}],
            "path like ^/v[0-9] or like x$",
        ),
    ],
)
def test_a_rules_conditions_are_put_in_words(
    scripts: Scripts, conditions: list[dict[str, Any]], words: str
) -> None:
    shown = balanced(scripts, rule(*conditions, **FORWARD))
    assert shown.listeners[0].rules[0].condition == words


def test_a_rules_transforms_are_put_in_words(scripts: Scripts) -> None:
    url = {"UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a", "Replace": "/b"}]}}
    host = {"HostHeaderRewriteConfig": {"Rewrites": [{"Regex": "x", "Replace": "y"}]}}
    transforms = [{"Type": "url-rewrite", **url}, {"Type": "host-header-rewrite", **host}]
    shown = balanced(scripts, rule(**FORWARD) | {"Transforms": transforms})
    assert shown.listeners[0].rules[0].action == "forward, url ^/a to /b, host x to y"


@pytest.mark.parametrize(
    ("action", "words", "groups"),
    [
        (FORWARD, "forward", (GROUP,)),
        (
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [
                        {"TargetGroupArn": GROUP, "Weight": 1},
                        {"TargetGroupArn": f"{GROUP}2", "Weight": 3},
                    ]
                },
            },
            "forward",
            (GROUP, f"{GROUP}2"),
        ),
        (
            {
                "Type": "redirect",
                "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
            },
            "301 to https://#{host}:443",
            (),
        ),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}},
            "answer 404",
            (),
        ),
    ],
)
def test_a_rules_action_is_put_in_words(
    scripts: Scripts, action: dict[str, Any], words: str, groups: tuple[str, ...]
) -> None:
    shown = balanced(scripts, rule(**action))
    assert shown.listeners[0].rules == (RuleView("1", "everything else", words, groups),)


def test_what_a_rule_asks_before_its_action_is_put_in_words(scripts: Scripts) -> None:
    asking = rule(**FORWARD)
    final = asking["Actions"][-1]
    for kind, words in (("authenticate-oidc", "log in"), ("jwt-validation", "check token")):
        shown = balanced(scripts, {**asking, "Actions": [{"Type": kind}, final]})
        assert shown.listeners[0].rules[0].action == f"{words}, forward"


def test_targets_come_with_their_health_and_groups_with_their_name_tag(scripts: Scripts) -> None:
    group = balanced(scripts, rule(**FORWARD)).groups[GROUP]
    assert group.name == "shop-web"
    assert group.targets == (
        TargetView("10.0.8.4", 80, "ap-northeast-1a", "healthy", ""),
        TargetView("10.0.9.4", 80, "", "unhealthy", "Request timed out"),
    )


def test_a_zone_that_was_there_before_is_known_from_the_stacks_parameter(
    scripts: Scripts,
) -> None:
    assert balanced(scripts, rule(**FORWARD)).hosted_zone_id == "ZOUTSIDE"


@pytest.mark.parametrize("status", [None, "REVIEW_IN_PROGRESS"])
def test_a_site_that_is_not_deployed_says_how_to_deploy_it(
    scripts: Scripts, status: str | None
) -> None:
    if status is None:
        scripts.script("cloudformation").add_client_error(
            "describe_stacks", "ValidationError", "Stack with id shop does not exist"
        )
    else:
        stack_is(scripts, status)
    with pytest.raises(CommandError, match="deploy it with: hiyoko up"):
        gather(scripts.stack())


def test_tasks_come_with_both_addresses_and_the_reason_of_their_end(scripts: Scripts) -> None:
    stack_is(scripts, "CREATE_COMPLETE")
    resources_are(scripts, Cluster="shop")
    ecs = scripts.script("ecs")
    service = {
        "serviceName": "web",
        "desiredCount": 2,
        "runningCount": 1,
        "pendingCount": 1,
        "deployments": [{"status": "PRIMARY", "rolloutState": "IN_PROGRESS"}],
        "events": [{"message": "newest"}, {"message": "older"}],
    }
    ecs.add_response(
        "describe_services", {"services": [service]}, {"cluster": "shop", "services": ["web"]}
    )
    ecs.add_response("list_tasks", {"taskArns": ["arn:1", "arn:2"]}, {"cluster": "shop"})
    details = [
        {"name": "networkInterfaceId", "value": "eni-1"},
        {"name": "privateIPv4Address", "value": "10.0.0.4"},
    ]
    running = {
        "taskArn": "arn:1",
        "group": "service:web",
        "lastStatus": "RUNNING",
        "attachments": [{"details": details}],
    }
    young = {"taskArn": "arn:2", "lastStatus": "PROVISIONING", "stoppedReason": "no room"}
    ecs.add_response("describe_tasks", {"tasks": [running, young]})
    interface = {"NetworkInterfaceId": "eni-1", "Association": {"PublicIp": "198.19.0.1"}}
    scripts.script("ec2").add_response(
        "describe_network_interfaces",
        {"NetworkInterfaces": [interface]},
        {"NetworkInterfaceIds": ["eni-1"]},
    )
    shown = gather(scripts.stack())
    assert shown.services[0].event == "newest"
    assert shown.services[0].rollout == "IN_PROGRESS"
    first, second = shown.tasks
    assert (first.service, first.private_address, first.public_address) == (
        "web",
        "10.0.0.4",
        "198.19.0.1",
    )
    assert (second.private_address, second.public_address, second.reason) == ("", "", "no room")
