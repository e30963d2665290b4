"""A site's stack, as the command line reads it: plans, refusals, events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY
from tests.unit.cli.stubs import Scripts

from hiyoko.cli.errors import CommandError
from hiyoko.cli.stack import Change, Plan, outputs_of
from hiyoko.site.model import Service

ARN = "arn:aws:cloudformation:ap-northeast-1:123456789012:stack/shop/1"
NOW = datetime(2024, 1, 1, tzinfo=UTC)
CFN = "cloudformation"


@pytest.fixture
def scripts() -> Iterator[Scripts]:
    made = Scripts()
    yield made
    made.all_asked()


def stack_is(scripts: Scripts, status: str | None, name: str = "shop") -> None:
    if status is None:
        scripts.script(CFN).add_client_error(
            "describe_stacks", "ValidationError", f"Stack with id {name} does not exist"
        )
    else:
        stack = {
            "StackName": "shop",
            "StackId": ARN,
            "CreationTime": NOW,
            "StackStatus": status,
            "Outputs": [{"OutputKey": "LogGroup", "OutputValue": "/shop"}],
            "Parameters": [{"ParameterKey": "HostedZoneId", "ParameterValue": ""}],
        }
        scripts.script(CFN).add_response("describe_stacks", {"Stacks": [stack]})


def zones_are(scripts: Scripts, *zones: tuple[str, str, bool]) -> None:
    listed = [
        {"Name": name, "Id": zone_id, "CallerReference": "1", "Config": {"PrivateZone": private}}
        for name, zone_id, private in zones
    ]
    answer = {"HostedZones": listed, "IsTruncated": False, "MaxItems": "100"}
    scripts.script("route53").add_response(
        "list_hosted_zones_by_name", answer, {"DNSName": "example.com."}
    )


def change_set_is_made(scripts: Scripts, kind: str, parameters: Any) -> None:
    wanted = {
        "StackName": "shop",
        "ChangeSetName": ANY,
        "ChangeSetType": kind,
        "TemplateBody": ANY,
        "Capabilities": ["CAPABILITY_IAM"],
        "Parameters": parameters,
    }
    scripts.script(CFN).add_response("create_change_set", {"Id": ARN, "StackId": ARN}, wanted)


def change_set_says(scripts: Scripts, status: str, **more: Any) -> None:
    scripts.script(CFN).add_response("describe_change_set", {"Status": status, **more})


def resource(action: str, name: str, **more: Any) -> dict[str, Any]:
    change = {
        "Action": action,
        "LogicalResourceId": name,
        "ResourceType": "AWS::EC2::VPC",
        **more,
    }
    return {"Type": "Resource", "ResourceChange": change}


ZONE_PARAMETER = "HostedZoneId"
PREVIOUS = [{"ParameterKey": ZONE_PARAMETER, "UsePreviousValue": True}]


def test_a_new_stack_is_planned_page_by_page_once_the_change_set_is_ready(
    scripts: Scripts,
) -> None:
    stack_is(scripts, None)
    zones_are(scripts)
    change_set_is_made(scripts, "CREATE", [{"ParameterKey": ZONE_PARAMETER, "ParameterValue": ""}])
    change_set_says(scripts, "CREATE_IN_PROGRESS")
    first, second = resource("Add", "Vpc"), resource("Add", "Cluster")
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[first], NextToken="more")
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[second])
    plan = scripts.stack().plan()
    assert plan.new
    assert [change.logical_id for change in plan.changes] == ["Vpc", "Cluster"]


def test_a_hosted_zone_that_is_there_is_used_and_a_private_one_is_not(scripts: Scripts) -> None:
    stack_is(scripts, None)
    zones_are(
        scripts,
        ("example.com.", "/hostedzone/ZPRIVATE", True),
        ("example.com.", "/hostedzone/ZPUBLIC", False),
        ("example.org.", "/hostedzone/ZOTHER", False),
    )
    change_set_is_made(
        scripts, "CREATE", [{"ParameterKey": ZONE_PARAMETER, "ParameterValue": "ZPUBLIC"}]
    )
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[])
    assert scripts.stack().plan().new


def test_a_site_by_endpoints_gives_the_id_of_the_regions_prefix_list(scripts: Scripts) -> None:
    stack_is(scripts, "UPDATE_COMPLETE")
    name = "com.amazonaws.ap-northeast-1.s3"
    scripts.script("ec2").add_response(
        "describe_prefix_lists",
        {"PrefixLists": [{"PrefixListId": "pl-0123abcd", "PrefixListName": name, "Cidrs": []}]},
        {"Filters": [{"Name": "prefix-list-name", "Values": [name]}]},
    )
    given = {"ParameterKey": "S3PrefixList", "ParameterValue": "pl-0123abcd"}
    change_set_is_made(scripts, "UPDATE", [*PREVIOUS, given])
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[resource("Add", "S3Endpoint")])
    stack = scripts.stack()
    image = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/a:1"
    services = {"web": Service(image=image)}
    stack.site = stack.site.model_copy(update={"egress": "endpoints", "services": services})
    assert [change.logical_id for change in stack.plan().changes] == ["S3Endpoint"]


def test_a_region_without_the_prefix_list_is_told_before_anything_is_made(
    scripts: Scripts,
) -> None:
    stack_is(scripts, "UPDATE_COMPLETE")
    scripts.script("ec2").add_response("describe_prefix_lists", {"PrefixLists": []})
    stack = scripts.stack()
    stack.site = stack.site.model_copy(update={"egress": "endpoints"})
    with pytest.raises(CommandError, match=r"no prefix list com\.amazonaws\.ap-northeast-1\.s3"):
        stack.plan()


def test_a_site_without_a_domain_asks_for_no_zone(scripts: Scripts) -> None:
    stack_is(scripts, None)
    change_set_is_made(scripts, "CREATE", [])
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[])
    assert scripts.stack(domain=False).plan().new


def test_a_changed_resource_names_what_changes_and_whether_it_is_replaced(
    scripts: Scripts,
) -> None:
    details = [
        {"Target": {"Attribute": "Properties", "Name": "CidrBlock"}},
        {"Target": {"Attribute": "Tags"}},
        {"Target": {"Attribute": "Properties", "Name": "CidrBlock"}},
    ]
    stack_is(scripts, "UPDATE_COMPLETE")
    change_set_is_made(scripts, "UPDATE", PREVIOUS)
    changed = resource("Modify", "Vpc", Replacement="True", Details=details)
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[changed, resource("Remove", "Old")])
    plan = scripts.stack().plan()
    assert not plan.new
    assert plan.changes == (
        Change("Modify", "Vpc", "AWS::EC2::VPC", "True", ("CidrBlock", "Tags")),
        Change("Remove", "Old", "AWS::EC2::VPC"),
    )


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to"
        " create a change set.",
        "No updates are to be performed.",
    ],
)
def test_no_change_is_an_empty_plan_and_the_stack_stays(scripts: Scripts, reason: str) -> None:
    stack_is(scripts, "CREATE_COMPLETE")
    change_set_is_made(scripts, "UPDATE", PREVIOUS)
    change_set_says(scripts, "FAILED", StatusReason=reason)
    scripts.script(CFN).add_response("delete_change_set", {})
    assert scripts.stack().plan().changes == ()


def test_a_failed_change_set_is_cleared_away_and_its_reason_told(scripts: Scripts) -> None:
    stack_is(scripts, None)
    zones_are(scripts)
    change_set_is_made(scripts, "CREATE", ANY)
    change_set_says(scripts, "FAILED", StatusReason="Template error: no such thing")
    scripts.script(CFN).add_response("delete_change_set", {})
    scripts.script(CFN).add_response("delete_stack", {}, {"StackName": "shop"})
    with pytest.raises(CommandError, match="no such thing"):
        scripts.stack().plan()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_IN_PROGRESS", "another operation goes on"),
        ("ROLLBACK_COMPLETE", "hiyoko down"),
        ("DELETE_FAILED", "hiyoko down"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_refused_with_the_way_out(
    scripts: Scripts, status: str, words: str
) -> None:
    stack_is(scripts, status)
    with pytest.raises(CommandError, match=words):
        scripts.stack().plan()


def test_a_stack_in_review_counts_as_new(scripts: Scripts) -> None:
    stack_is(scripts, "REVIEW_IN_PROGRESS")
    zones_are(scripts)
    change_set_is_made(scripts, "CREATE", ANY)
    change_set_says(scripts, "CREATE_COMPLETE", Changes=[])
    assert scripts.stack().plan().new


def test_a_stack_that_is_not_there_has_no_outputs(scripts: Scripts) -> None:
    stack_is(scripts, None)
    assert outputs_of(scripts.stack().describe() or {}) == {}


def test_outputs_are_read_by_name(scripts: Scripts) -> None:
    stack_is(scripts, "CREATE_COMPLETE")
    assert outputs_of(scripts.stack().describe() or {}) == {"LogGroup": "/shop"}


def happened(scripts: Scripts, *events: tuple[str, str, str]) -> None:
    """The history as AWS gives it: newest first."""
    listed = [
        {
            "StackId": ARN,
            "StackName": "shop",
            "EventId": event_id,
            "LogicalResourceId": name,
            "ResourceType": "AWS::EC2::VPC",
            "ResourceStatus": status,
            "Timestamp": NOW,
        }
        for event_id, name, status in reversed(events)
    ]
    scripts.script(CFN).add_response("describe_stack_events", {"StackEvents": listed})


def test_execution_shows_each_new_event_once_in_order(scripts: Scripts) -> None:
    old = ("0", "Vpc", "CREATE_COMPLETE")
    begun, done = ("1", "Vpc", "UPDATE_IN_PROGRESS"), ("2", "Vpc", "UPDATE_COMPLETE")
    happened(scripts, old)
    scripts.script(CFN).add_response("execute_change_set", {})
    stack_is(scripts, "UPDATE_IN_PROGRESS")
    happened(scripts, old, begun)
    stack_is(scripts, "UPDATE_COMPLETE")
    happened(scripts, old, begun, done)
    shown: list[str] = []
    status = scripts.stack().execute(
        Plan("one", False, ()), lambda event: shown.append(event.status)
    )
    assert status == "UPDATE_COMPLETE"
    assert shown == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]


def resources_are(scripts: Scripts, **physical: tuple[str, str]) -> None:
    listed = [
        {
            "LogicalResourceId": name,
            "PhysicalResourceId": physical_id,
            "ResourceType": "AWS::X::Y",
            "LastUpdatedTimestamp": NOW,
            "ResourceStatus": status,
        }
        for name, (physical_id, status) in physical.items()
    ]
    scripts.script(CFN).add_response(
        "list_stack_resources", {"StackResourceSummaries": listed}, {"StackName": "shop"}
    )


def test_resources_that_are_gone_do_not_count(scripts: Scripts) -> None:
    resources_are(scripts, Vpc=("vpc-1", "CREATE_COMPLETE"), Old=("vpc-0", "DELETE_COMPLETE"))
    assert list(scripts.stack().resources()) == ["Vpc"]


def test_deletion_first_takes_the_records_that_prove_the_certificate_out_of_its_own_zone(
    scripts: Scripts,
) -> None:
    def record(name: str, kind: str, value: str) -> dict[str, Any]:
        return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value}]}

    proof = record("_a.www.example.com.", "CNAME", "_b.acm-validations.aws.")
    kept: list[dict[str, Any]] = [
        record("example.com.", "NS", "ns-1.awsdns-1.com."),
        record("blog.example.com.", "CNAME", "elsewhere.example.org."),
        {
            "Name": "shop.example.com.",
            "Type": "CNAME",
            "AliasTarget": {
                "HostedZoneId": "ZOWN",
                "DNSName": "blog.example.com.",
                "EvaluateTargetHealth": False,
            },
        },
    ]
    stack_is(scripts, "CREATE_COMPLETE")
    resources_are(scripts, HostedZone=("ZOWN", "CREATE_COMPLETE"))
    route53 = scripts.script("route53")
    answer = {"ResourceRecordSets": [*kept, proof], "IsTruncated": False, "MaxItems": "300"}
    route53.add_response("list_resource_record_sets", answer, {"HostedZoneId": "ZOWN"})
    route53.add_response(
        "change_resource_record_sets",
        {"ChangeInfo": {"Id": "C1", "Status": "PENDING", "SubmittedAt": NOW}},
        {
            "HostedZoneId": "ZOWN",
            "ChangeBatch": {"Changes": [{"Action": "DELETE", "ResourceRecordSet": proof}]},
        },
    )
    happened(scripts)
    scripts.script(CFN).add_response("delete_stack", {}, {"StackName": ARN})
    stack_is(scripts, "DELETE_COMPLETE")
    happened(scripts)
    assert scripts.stack().delete(lambda _: None) == "DELETE_COMPLETE"


def test_deletion_follows_the_stack_by_its_arn(scripts: Scripts) -> None:
    stack_is(scripts, "CREATE_COMPLETE")
    resources_are(scripts, Vpc=("vpc-1", "CREATE_COMPLETE"))
    happened(scripts, ("0", "Vpc", "CREATE_COMPLETE"))
    scripts.script(CFN).add_response("delete_stack", {}, {"StackName": ARN})
    stack_is(scripts, "DELETE_COMPLETE")
    happened(scripts, ("0", "Vpc", "CREATE_COMPLETE"), ("1", "Vpc", "DELETE_COMPLETE"))
    shown: list[str] = []
    assert scripts.stack().delete(lambda event: shown.append(event.status)) == "DELETE_COMPLETE"
    assert shown == ["DELETE_COMPLETE"]


def test_there_is_nothing_to_delete_when_there_is_no_stack(scripts: Scripts) -> None:
    stack_is(scripts, None)
    assert scripts.stack().delete(lambda _: None) == "DELETE_COMPLETE"
