"""Parameter values against their declarations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiyoko.template.error import TemplateError
from hiyoko.template.parameters import choose_values, referred
from hiyoko.template.read import read_template


def choose(declared: dict[str, Any], **given: str) -> dict[str, str]:
    document = {"Parameters": declared, "Resources": {"A": {"Type": "T"}}}
    return choose_values(read_template(json.dumps(document)), given)


P = {"Type": "String"}


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        ({"A": P, "B": P}, {}, "Parameters: [A, B] must have values"),
        ({}, {"X": "1"}, "Parameters: [X] do not exist in the template"),
        ({"N": {"Type": "Number"}}, {"N": "x"}, "Parameter 'N' must be a number."),
        (
            {"A": {**P, "AllowedValues": ["a"]}},
            {"A": "b"},
            "Parameter 'A' must be one of AllowedValues",
        ),
        (
            {"A": {**P, "AllowedPattern": "[a-z]+"}},
            {"A": "ab1"},
            "Parameter 'A' must match pattern [a-z]+",
        ),
        (
            {"A": {**P, "AllowedPattern": "[a-z]+", "ConstraintDescription": "letters"}},
            {"A": "1"},
            "Parameter A failed to satisfy constraint: letters",
        ),
        (
            {"A": {**P, "MinLength": 3}},
            {"A": "ab"},
            "Parameter 'A' must contain at least 3 characters",
        ),
        (
            {"N": {"Type": "Number", "MaxValue": 5}},
            {"N": "6"},
            "Parameter 'N' must be a number not greater than 5",
        ),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(
    declared: dict[str, Any], given: dict[str, str], message: str
) -> None:
    with pytest.raises(TemplateError) as refusal:
        choose(declared, **given)
    assert str(refusal.value) == message


def test_defaults_are_taken_and_scalars_are_text() -> None:
    declared = {"N": {"Type": "Number", "Default": 80}, "B": {**P, "Default": True}}
    assert choose(declared) == {"N": "80", "B": "true"}


def test_a_list_parameter_yields_trimmed_items() -> None:
    document = {"Parameters": {"L": {"Type": "List<Number>"}}, "Resources": {"A": {"Type": "T"}}}
    parameter = read_template(json.dumps(document)).parameters["L"]
    assert referred(parameter, "1, 2") == ["1", "2"]
