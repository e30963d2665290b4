from __future__ import annotations

import pytest

from hiyoko.plane.containers.secrets import (
    SecretReference,
    parse_environment_file,
    parse_reference,
)

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/app/url"


@pytest.mark.parametrize(
    ("value_from", "wanted"),
    [
        (SECRET, SecretReference("secretsmanager", "eu-west-1", SECRET)),
        (
            f"{SECRET}:user:AWSPREVIOUS:",
            SecretReference("secretsmanager", "eu-west-1", SECRET, "user", "AWSPREVIOUS"),
        ),
        (
            f"{SECRET}:::v1",
            SecretReference("secretsmanager", "eu-west-1", SECRET, "", "", "v1"),
        ),
        (PARAMETER, SecretReference("ssm", "eu-west-1", PARAMETER)),
        ("/app/url", SecretReference("ssm", "ap-northeast-1", "/app/url")),
    ],
)
def test_where_a_value_comes_from(value_from: str, wanted: SecretReference) -> None:
    assert parse_reference(value_from, "ap-northeast-1") == wanted


def test_an_environment_file_is_lines_of_name_and_value() -> None:
    text = "# comment\n\nA=1\nB=x=y z\nnothing\n =lost\nC=\n"
    assert parse_environment_file(text) == {"A": "1", "B": "x=y z", "C": ""}
