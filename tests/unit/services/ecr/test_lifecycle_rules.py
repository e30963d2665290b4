"""Lifecycle rules against AWS's own examples.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiyoko.api import AwsError
from hiyoko.services.ecr.lifecycle_rules import DAY_S, parse_policy, plan
from hiyoko.services.ecr.model import Image

NOW = 1_000 * DAY_S


def image(name: str, days: float, members: tuple[str, ...] = ()) -> Image:
    return Image(
        "1", "r", "app", name, "application/json", 1, NOW - days * DAY_S, "{}", members=members
    )


def rule(priority: int = 1, **selection: Any) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
        | selection,
        "action": {"type": "expire"},
    }


def gone(images: list[Image], tags: dict[str, list[str]], *rules: dict[str, Any]) -> list[str]:
    policy = parse_policy(json.dumps({"rules": rules}))
    return [f"{one.image.digest}{one.priority}" for one in plan(images, tags, policy, NOW)]


TAGGED: dict[str, Any] = {"tagStatus": "tagged"}
AGED: dict[str, Any] = {"countType": "sinceImagePushed", "countUnit": "days"}


def test_by_count_the_newest_stay() -> None:
    images = [image("A", 3), image("B", 2), image("C", 1)]
    assert gone(images, {}, rule(countNumber=2)) == ["A1"]


def test_by_age_what_is_older_goes() -> None:
    images = [image("A", 3), image("B", 2), image("C", 1)]
    assert gone(images, {}, rule(countNumber=2, **AGED)) == ["A1", "B1"]


def test_since_its_last_pull_counts_from_the_push_when_there_was_none() -> None:
    images = [image("A", 9), image("B", 9)]
    images[1] = Image(**{**_fields(images[1]), "pulled_at": NOW - DAY_S})
    aged = AGED | {"countType": "sinceImagePulled"}
    assert gone(images, {}, rule(countNumber=5, **aged)) == ["A1"]


def _fields(one: Image) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Image.__slots__}


def test_filtering_on_multiple_rules() -> None:
    images = [image("A", 10), image("B", 9), image("C", 8)]
    tags = {"A": ["beta-1", "prod-1"], "B": ["beta-2", "prod-2"], "C": ["beta-3"]}
    prod, beta = TAGGED | {"tagPrefixList": ["prod"]}, TAGGED | {"tagPrefixList": ["beta"]}
    assert gone(images, tags, rule(1, **prod), rule(2, **beta)) == ["A1"]
    # With the priorities exchanged the other rule marks both of its older ones.
    assert gone(images, tags, rule(1, **beta), rule(2, **prod)) == ["A1", "B1"]


def test_multiple_tags_in_a_single_rule_must_all_match() -> None:
    images = [image("A", 12), image("B", 11), image("C", 10), image("D", 9)]
    tags = {"A": ["alpha-1"], "B": ["beta-1"], "C": ["alpha-2", "beta-2"], "D": ["alpha-4"]}
    both = TAGGED | AGED | {"tagPrefixList": ["alpha", "beta"], "countNumber": 5}
    assert gone(images, tags, rule(**both)) == ["C1"]


def test_filtering_on_all_images() -> None:
    images = [image(name, 10 - n) for n, name in enumerate("ABCDEFG")]
    tags = {name: [f"alpha-{name}"] for name in "ABCD"} | {"G": ["beta"]}
    alpha = TAGGED | {"tagPrefixList": ["alpha"], "countNumber": 2}
    found = gone(
        images, tags, rule(1, **alpha), rule(2, tagStatus="untagged"), rule(3, countNumber=1)
    )
    assert found == ["A1", "B1", "E2"]


def test_a_pattern_has_wildcards_and_a_prefix_has_none() -> None:
    images = [image("A", 4), image("B", 3), image("C", 2)]
    tags = {"A": ["prod-1-web"], "B": ["prod-2-api"], "C": ["p*"]}
    patterns = TAGGED | AGED | {"tagPatternList": ["prod*web"], "countNumber": 1}
    assert gone(images, tags, rule(**patterns)) == ["A1"]
    prefix = TAGGED | AGED | {"tagPrefixList": ["p*"], "countNumber": 1}
    assert gone(images, tags, rule(**prefix)) == ["C1"]


def test_a_member_of_an_index_stays_with_it_and_goes_after_it() -> None:
    images = [image("M", 9), image("X", 9, members=("M",))]
    assert gone(images, {"X": ["1"]}, rule(tagStatus="untagged", countNumber=1, **AGED)) == []
    assert gone(images, {"X": ["1"]}, rule(countNumber=1, **AGED)) == ["X1", "M1"]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("no json", "Lifecycle policy validation failure"),
        ([], "1 to 50 rules"),
        ([{"rulePriority": 1}], "missing required properties (['selection', 'action'])"),
        ([rule(tagged=1)], "not allowed by the schema: ['tagged']"),
        ([rule(0)], "rulePriority must be a whole number"),
        ([rule(countNumber=0)], "countNumber must be a whole number"),
        ([rule(1), rule(1, tagStatus="untagged")], "rulePriority must be unique"),
        ([rule(1), rule(2)], "only one rule with tagStatus=any"),
        ([rule(1), rule(2, tagStatus="untagged")], "must have the lowest priority"),
        ([rule(tagStatus="tagged")], "either tagPrefixList or tagPatternList"),
        ([rule(tagPrefixList=["a"])], "need tagStatus=tagged"),
        ([rule(**TAGGED, tagPatternList=["a*b*c*d*e*f"])], "more than 4 wildcards"),
        ([rule(countUnit="days")], "countUnit is not allowed"),
        ([rule(countType="sinceImagePushed")], "countUnit must be days"),
        ([rule(countType="other")], "is no countType"),
        ([rule(tagStatus="other")], "is no tagStatus"),
    ],
)
def test_what_is_no_policy_says_why(rules: Any, words: str) -> None:
    text = rules if isinstance(rules, str) else json.dumps({"rules": rules})
    with pytest.raises(AwsError) as error:
        parse_policy(text)
    assert error.value.code == "InvalidParameterException"
    assert words in error.value.message


def test_archiving_is_refused_by_name() -> None:
    archived = rule() | {"action": {"type": "transition", "targetStorageClass": "archive"}}
    for given in (archived, rule(storageClass="archive"), rule(countType="sinceImageTransitioned")):
        with pytest.raises(AwsError, match="does not implement lifecyclePolicyText"):
            parse_policy(json.dumps({"rules": [given]}))
