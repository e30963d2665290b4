from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


@pytest.fixture
def iam(endpoint: Any) -> Any:
    return endpoint.client("iam", region="us-east-1")


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    response = refused.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


def test_a_role_is_kept_with_all_that_was_said_of_it(iam: Any) -> None:
    iam.create_role(
        RoleName="Task", AssumeRolePolicyDocument=TRUST, Path="/app/", Description="for tasks",
        MaxSessionDuration=7200, Tags=[{"Key": "stage", "Value": "prod + more"}],
    )  # fmt: skip
    role = iam.get_role(RoleName="Task")["Role"]
    assert role["Arn"] == "arn:aws:iam::123456789012:role/app/Task"
    assert role["RoleId"].startswith("AROA")
    assert len(role["RoleId"]) == 21
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert role["MaxSessionDuration"] == 7200
    assert role["Tags"] == [{"Key": "stage", "Value": "prod + more"}]
    assert [r["RoleName"] for r in iam.list_roles()["Roles"]] == ["Task"]
    assert iam.list_roles(PathPrefix="/other/")["Roles"] == []


def test_a_role_is_the_same_in_every_region_but_not_in_every_account(endpoint: Any) -> None:
    endpoint.client("iam", region="us-east-1").create_role(
        RoleName="r", AssumeRolePolicyDocument=TRUST
    )
    assert endpoint.client("iam", region="eu-west-1").get_role(RoleName="r")
    other = endpoint.client("iam", key="210987654321")
    assert other.list_roles()["Roles"] == []


def test_what_is_missing_or_taken_is_told_in_iams_words(iam: Any) -> None:
    assert refusal(iam.get_role, RoleName="none") == (
        "NoSuchEntity", 404, "The role with name none cannot be found."
    )  # fmt: skip
    iam.create_role(RoleName="Task", AssumeRolePolicyDocument=TRUST)
    assert refusal(iam.create_role, RoleName="task", AssumeRolePolicyDocument=TRUST) == (
        "EntityAlreadyExists", 409, "Role with name task already exists."
    )  # fmt: skip
    assert refusal(iam.create_role, RoleName="x", AssumeRolePolicyDocument="{")[:2] == (
        "MalformedPolicyDocument", 400
    )  # fmt: skip
    assert refusal(
        iam.attach_role_policy, RoleName="Task", PolicyArn="arn:aws:iam::123456789012:policy/none"
    ) == (
        "NoSuchEntity", 404,
        "Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable.",
    )  # fmt: skip


def test_a_role_can_only_be_deleted_when_nothing_hangs_on_it(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="r", PolicyArn=EXECUTION)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=POLICY)
    assert refusal(iam.delete_role, RoleName="r") == (
        "DeleteConflict", 409, "Cannot delete entity, must detach all policies first."
    )  # fmt: skip
    iam.detach_role_policy(RoleName="r", PolicyArn=EXECUTION)
    assert refusal(iam.delete_role, RoleName="r") == (
        "DeleteConflict", 409, "Cannot delete entity, must delete policies first."
    )  # fmt: skip
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")
    assert refusal(iam.delete_role, RoleName="r")[0] == "NoSuchEntity"


def test_policies_of_a_role_come_back(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    own = iam.create_policy(PolicyName="own", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=own)
    iam.attach_role_policy(RoleName="r", PolicyArn=EXECUTION)
    iam.attach_role_policy(RoleName="r", PolicyArn=EXECUTION)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=POLICY)
    attached = iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [own, EXECUTION]
    assert attached[1]["PolicyName"] == "AmazonECSTaskExecutionRolePolicy"
    assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["p"]
    inline = iam.get_role_policy(RoleName="r", PolicyName="p")
    assert inline["PolicyDocument"] == json.loads(POLICY)
    assert iam.get_policy(PolicyArn=own)["Policy"]["AttachmentCount"] == 1
    version = iam.get_policy_version(PolicyArn=own, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(POLICY)
    assert refusal(iam.delete_policy, PolicyArn=own)[0] == "DeleteConflict"
    assert [p["Arn"] for p in iam.list_policies(Scope="Local")["Policies"]] == [own]


def test_lists_come_in_pages(iam: Any) -> None:
    for number in range(5):
        iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=TRUST)
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["Roles"]) for page in pages] == [2, 2, 1]


def test_tags_are_added_replaced_and_removed(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "3"}])
    iam.untag_role(RoleName="r", TagKeys=["b"])
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "a", "Value": "3"}]


def test_a_service_linked_role_is_made_once_and_left_alone(iam: Any) -> None:
    role = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    assert role["Arn"] == (
        "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    )
    assert refusal(iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com")[0] == (
        "InvalidInput"
    )
    assert refusal(
        iam.attach_role_policy, RoleName="AWSServiceRoleForECS", PolicyArn=EXECUTION
    )[0] == "UnmodifiableEntity"  # fmt: skip


def test_a_trust_policy_can_be_replaced(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    other = TRUST.replace("ecs-tasks", "ec2")
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=other)
    assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"] == json.loads(other)


def test_a_policy_has_up_to_five_versions(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="own", PolicyDocument=POLICY)["Policy"]["Arn"]
    other = POLICY.replace("s3:*", "sqs:*")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=other, SetAsDefault=True)
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY)
    assert refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=POLICY)[0] == (
        "LimitExceeded"
    )
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v2")[0] == "DeleteConflict"
    assert refusal(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in versions] == ["v5", "v4", "v3", "v2", "v1"]
    for version in versions:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    assert refusal(iam.get_policy, PolicyArn=arn)[0] == "NoSuchEntity"
