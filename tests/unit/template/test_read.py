"""Every fault of a template in AWS's words, and what a good one becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hiyoko.template.document import read_document
from hiyoko.template.error import TemplateError, UnsupportedInTemplateError
from hiyoko.template.read import read_template

VPC = "{Type: 'AWS::EC2::VPC'}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just text", "Template format error: unsupported structure."),
        ("", "Template format error: unsupported structure."),
        ('{"a": }', "Template format error: JSON not well-formed. (line 1, column 7)"),
        ("a: b: c", "Template format error: YAML not well-formed. (line 1, column 5)"),
        ("Description: x", "Template format error: At least one Resources member must be defined."),
        ("Resources: {A: 1}", "Template format error: Any Resources member must be an object."),
        (
            "Resources: {A: {}}",
            "Template format error: [/Resources/A] Every Resources object must contain a Type"
            " member.",
        ),
        (
            f"Resources: {{my-x: {VPC}}}",
            "Template format error: Resource name my-x is non alphanumeric.",
        ),
        (f"Resources: {{A: {VPC}}}\nOdd: 1", "Invalid template property or properties [Odd]"),
        ("Resources: {A: {Type: T, Odd: 1}}", "Invalid template resource property 'Odd'"),
        (
            "Resources: {A: {Type: T, DependsOn: B}}",
            "Template format error: Unresolved resource dependencies [B] in the Resources block of"
            " the template",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Ref B}}}",
            "Template format error: Unresolved resource dependencies [B] in the Resources block of"
            " the template",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Sub '${B}-${C.D}'}}}",
            "Template error: instance of Fn::GetAtt references undefined resource C",
        ),
        (
            f"Resources: {{A: {VPC}}}\nOutputs: {{O: {{Value: !Ref B}}}}",
            "Unresolved resource dependencies [B] in the Outputs block of the template",
        ),
        (
            f"Resources: {{A: {VPC}}}\nOutputs: {{O: {{Value: null}}}}",
            "[/Outputs/O/Value] 'null' values are not allowed in templates",
        ),
        (
            f"Resources: {{A: {VPC}}}\nOutputs: {{O: {{Description: x}}}}",
            "Template format error: Every Outputs member must contain a Value object",
        ),
        (
            f"Resources: {{A: {VPC}}}\nMappings: {{M: {{a: 1}}}}",
            "Template format error: Every Mappings member M must be a map",
        ),
        (
            f"Resources: {{A: {VPC}}}\nMappings: {{M: {{a: {{b: {{c: d}}}}}}}}",
            "Template format error: Every Mappings attribute must be a String or a List.",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !If [C, 1, 2]}}}",
            "Template error: unresolved condition dependency C in Fn::If",
        ),
        (
            "Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, DependsOn: A}, C: {Type: T}}",
            "Circular dependency between resources: [A, B]",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !GetAtt A}}}",
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the"
            " resource name and the resource attribute",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Select [0]}}}",
            "Template error: Fn::Select requires a list argument with two elements: an integer"
            " index and a list",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Odd y}}}",
            "Template error: Fn::Odd is not a supported intrinsic function",
        ),
        (
            f"AWSTemplateFormatVersion: 2011-01-01\nResources: {{A: {VPC}}}",
            "Template format error: 2011-01-01 is not a supported value for"
            " AWSTemplateFormatVersion.",
        ),
    ],
)
def test_a_fault_is_told_in_the_words_of_aws(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as refusal:
        read_template(text)
    assert str(refusal.value) == message


def test_a_long_template_is_refused() -> None:
    with pytest.raises(TemplateError, match="Member must have length less than or equal to 51200"):
        read_template("#" * 51_201)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"Transform: AWS::LanguageExtensions\nResources: {{A: {VPC}}}", "AWS::LanguageExtensions"),
        ("Resources: {A: {Type: T, Properties: {X: !Length [1]}}}", "Fn::Length"),
        ("Resources: {A: {Type: T, Properties: {X: '{{resolve:ssm:/x}}'}}}", "dynamic reference"),
        ("Resources: {A: {Type: T, UpdatePolicy: {X: 1}}}", "UpdatePolicy"),
        (
            f"Parameters: {{P: {{Type: 'AWS::SSM::Parameter::Value<String>'}}}}\n"
            f"Resources: {{A: {VPC}}}",
            "AWS::SSM::Parameter",
        ),
    ],
)
def test_what_is_not_done_here_is_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(UnsupportedInTemplateError, match=name):
        read_template(text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("!Ref A", {"Ref": "A"}),
        ("!GetAtt A.b.c", {"Fn::GetAtt": ["A", "b.c"]}),
        ("!Sub '${A}'", {"Fn::Sub": "${A}"}),
        ("!Join [',', [a, !Ref B]]", {"Fn::Join": [",", ["a", {"Ref": "B"}]]}),
        ("!Condition C", {"Condition": "C"}),
        ("!GetAZs ''", {"Fn::GetAZs": ""}),
        ("2010-09-09", "2010-09-09"),
        ("0777", "0777"),
        ("1:30", "1:30"),
        ("12", 12),
        ("'12'", "12"),
        ("yes", True),
        ("1.5", 1.5),
    ],
)
def test_values_are_read_as_cloudformation_reads_them(written: str, read: Any) -> None:
    assert read_document(f"X: {written}").data["X"] == read


def test_lines_are_kept_for_messages() -> None:
    document = read_document("Resources:\n  A:\n    Type: T\n    Properties:\n      X: 1\n")
    assert document.line(("Resources", "A", "Properties", "X")) == 5
    assert document.line(("Resources", "A", "Nowhere")) == 2


def test_json_and_yaml_give_the_same_template() -> None:
    data = {"Resources": {"A": {"Type": "T", "Properties": {"X": [1, "a", True]}}}}
    from_json = read_template(json.dumps(data))
    from_yaml = read_template("Resources: {A: {Type: T, Properties: {X: [1, a, true]}}}")
    assert from_json.resources == from_yaml.resources
