from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},'
    '"Action":"sts:AssumeRole"}]}'
)


def test_the_caller_is_the_account_of_the_key(endpoint: Any) -> None:
    assert endpoint.client("sts").get_caller_identity()["Account"] == "123456789012"
    own = endpoint.client("sts", key="210987654321").get_caller_identity()
    assert own["Account"] == own["UserId"] == "210987654321"
    assert own["Arn"] == "arn:aws:iam::210987654321:root"


def test_a_session_speaks_as_its_role(endpoint: Any) -> None:
    role = endpoint.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]
    assumed = endpoint.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me")
    keys = assumed["Credentials"]
    assert keys["AccessKeyId"].startswith("ASIA")
    who = endpoint.client(
        "sts", key=keys["AccessKeyId"], token=keys["SessionToken"]
    ).get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::123456789012:assumed-role/r/me"
    assert who["UserId"] == assumed["AssumedRoleUser"]["AssumedRoleId"] == f"{role['RoleId']}:me"


def test_a_role_of_another_account_brings_its_account(endpoint: Any) -> None:
    role = endpoint.client("iam", key="210987654321").create_role(
        RoleName="r", AssumeRolePolicyDocument=TRUST
    )["Role"]
    keys = endpoint.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me")[
        "Credentials"
    ]
    who = endpoint.client("sts", key=keys["AccessKeyId"]).get_caller_identity()
    assert who["Account"] == "210987654321"


def test_a_role_that_is_not_there_cannot_be_assumed(endpoint: Any) -> None:
    with pytest.raises(ClientError) as refused:
        endpoint.client("sts").assume_role(
            RoleArn="arn:aws:iam::123456789012:role/none", RoleSessionName="me"
        )
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_session_tokens_keep_the_caller(endpoint: Any) -> None:
    keys = endpoint.client("sts").get_session_token()["Credentials"]
    who = endpoint.client("sts", key=keys["AccessKeyId"]).get_caller_identity()
    assert who["Arn"] == "arn:aws:iam::123456789012:root"
