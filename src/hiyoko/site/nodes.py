"""The words of a template: resources and intrinsic functions as plain mappings."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]


def ref(name: str) -> Node:
    """``!Ref name``."""
    return {"Ref": name}


def att(name: str, attribute: str) -> Node:
    """``!GetAtt name.attribute``."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> Node:
    """``!Sub text``."""
    return {"Fn::Sub": text}


def logical(name: str) -> str:
    """A name as part of a logical id: letters and digits only."""
    return "".join(part.capitalize() for part in name.replace(".", "-").split("-"))


def resource(kind: str, properties: Node, **attributes: Any) -> Node:
    """A resource; ``attributes`` are those beside its properties, as DependsOn."""
    return {"Type": kind, **attributes, "Properties": properties}


def named(name: str) -> list[Node]:
    """The tag by which consoles show a resource."""
    return [{"Key": "Name", "Value": sub("${AWS::StackName}-" + name)}]


def rule(protocol: str, port: int, text: str, **peer: Any) -> Node:
    """A rule of a security group for one port."""
    return {
        "IpProtocol": protocol,
        "FromPort": port,
        "ToPort": port,
        **peer,
        "Description": text,
    }


def no_egress() -> Node:
    """An empty list would leave AWS's allow-all rule in place; this one matches nothing."""
    return rule("icmp", -1, "nothing leaves", CidrIp="255.255.255.255/32")
