"""Functions resolved against a small world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiyoko.template.error import TemplateError
from hiyoko.template.functions import Resolver
from hiyoko.template.graph import dependencies, find_circle, in_order
from hiyoko.template.read import read_template


class World:
    def ref(self, logical_id: str) -> str:
        return f"id-of-{logical_id}"

    def attribute(self, logical_id: str, name: str) -> Any:
        return f"{logical_id}.{name}"

    def imported(self, name: str) -> str:
        return f"imported {name}"

    def zones(self, region: str) -> list[str]:
        return [f"{region}a", f"{region}c"]


def resolver(value: Any = "x", **sections: Any) -> Resolver:
    document = {
        "Parameters": {
            "Env": {"Type": "String", "Default": "prod"},
            "Subnets": {"Type": "CommaDelimitedList", "Default": "a, b ,c"},
        },
        "Mappings": {"M": {"prod": {"size": "big", "list": [1, 2]}}},
        "Conditions": {
            "Prod": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
            "Not": {"Fn::Not": [{"Condition": "Prod"}]},
            "Any": {"Fn::Or": [{"Condition": "Not"}, {"Fn::And": [{"Condition": "Prod"}] * 2}]},
        },
        "Resources": {
            "A": {"Type": "T", "Properties": {"X": value}},
            "B": {"Type": "T"},
            "Off": {"Type": "T", "Condition": "Not"},
        },
        **sections,
    }
    template = read_template(json.dumps(document))
    pseudo = {"AWS::Region": "r-1", "AWS::StackName": "site", "AWS::NotificationARNs": []}
    return Resolver(template, {"Env": "prod", "Subnets": "a, b ,c"}, pseudo, World())


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ({"Ref": "Env"}, "prod"),
        ({"Ref": "Subnets"}, ["a", "b", "c"]),
        ({"Ref": "AWS::Region"}, "r-1"),
        ({"Ref": "B"}, "id-of-B"),
        ({"Fn::GetAtt": ["B", "Arn"]}, "B.Arn"),
        ({"Fn::GetAtt": "B.Arn"}, "B.Arn"),
        ({"Fn::Sub": "${AWS::StackName}-${Env}-${!Keep}"}, "site-prod-${Keep}"),
        ({"Fn::Sub": "${B} ${B.Arn}"}, "id-of-B B.Arn"),
        ({"Fn::Sub": ["${x}/${Env}", {"x": {"Ref": "B"}}]}, "id-of-B/prod"),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::NoValue"}, {"Ref": "Env"}]]}, "a-prod"),
        ({"Fn::Join": [",", {"Ref": "Subnets"}]}, "a,b,c"),
        ({"Fn::Split": [".", "a.b"]}, ["a", "b"]),
        ({"Fn::Split": ["|", "a.b"]}, ["a.b"]),
        ({"Fn::Select": ["1", {"Ref": "Subnets"}]}, "b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "r-1a"),
        ({"Fn::FindInMap": ["M", {"Ref": "Env"}, "size"]}, "big"),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::ImportValue": {"Fn::Sub": "${Env}-vpc"}}, "imported prod-vpc"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::If": ["Prod", {"a": 1}, "no"]}, {"a": 1}),
        ({"Fn::If": ["Any", 1, 2]}, 1),
        ([{"Fn::If": ["Not", 1, {"Ref": "AWS::NoValue"}]}, 2], [2]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
    ],
)  # fmt: skip
def test_a_function_resolves(written: Any, resolved: Any) -> None:
    found = resolver(written)
    assert found.properties(found.template.resources["A"])["X"] == resolved


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"Fn::Select": [9, ["a"]]},
            "Template error: Fn::Select cannot select nonexistent value at index 9",
        ),
        (
            {"Fn::FindInMap": ["M", "dev", "size"]},
            "Template error: Unable to get mapping for M::dev::size",
        ),
    ],
)
def test_a_value_that_is_not_there_is_refused(written: Any, message: str) -> None:
    found = resolver(written)
    with pytest.raises(TemplateError) as refusal:
        found.properties(found.template.resources["A"])
    assert str(refusal.value) == message


def test_a_resource_whose_condition_is_false_does_not_exist() -> None:
    assert list(resolver().resources()) == ["A", "B"]
    with pytest.raises(TemplateError, match=r"Unresolved resource dependencies \[Off\]"):
        dependencies(resolver({"Ref": "Off"}))
    untaken = {"Fn::If": ["Not", {"Ref": "Off"}, {"Ref": "B"}]}
    assert dependencies(resolver(untaken)) == {"A": frozenset({"B"}), "B": frozenset()}


def test_order_puts_what_is_needed_first_and_circles_are_named() -> None:
    edges = {"A": frozenset({"C"}), "B": frozenset[str](), "C": frozenset({"B"})}
    assert in_order(edges) == ["B", "C", "A"]
    assert find_circle(edges) == []
    assert find_circle({**edges, "B": frozenset({"A"})}) == ["A", "B", "C"]
