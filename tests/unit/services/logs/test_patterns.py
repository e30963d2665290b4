"""Filter patterns, by the examples of AWS's page on their syntax."""

import pytest

from hiyoko.api import AwsError
from hiyoko.services.logs.patterns import parse


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] broken", True),
        ("ERROR", "[error] broken", False),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", False),
        ("?ERROR ?ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        ("?ERROR ?ARGUMENTS", "[INFO] fine", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "SERVER INTERNAL ERROR", False),
        ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
        ("ERROR -ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        (r'"say \"hi\""', 'they say "hi" again', True),
    ],
)
def test_terms_are_looked_for_as_aws_documents(pattern: str, message: str, matches: bool) -> None:
    assert parse(pattern).matches(message) is matches


@pytest.mark.parametrize("pattern", ['{ $.level = "error" }', "[ip, user]", "%ERR.R%"])
def test_other_kinds_of_patterns_are_refused_by_name(pattern: str) -> None:
    with pytest.raises(AwsError) as refused:
        parse(pattern)
    assert "filterPattern" in refused.value.message


def test_an_open_quote_is_an_invalid_pattern() -> None:
    with pytest.raises(AwsError) as refused:
        parse('"open')
    assert refused.value.code == "InvalidParameterException"
