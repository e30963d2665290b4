"""A Site as CloudFormation resources: the product's only description of the architecture.

internet -> ALB (public subnets) -> tasks (private subnets) -> NAT gateway -> internet, with
security groups chained internet -> ALB -> task. Without a domain there is no ALB: the tasks stand
in the public subnets with a public address. With ``egress: endpoints`` there is no NAT gateway:
``endpoints`` has what takes its place.

Everything comes in sections, so that the rendered template reads from the outside in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hiyoko.site import balancer, containers, endpoints, network
from hiyoko.site.model import Site
from hiyoko.site.nodes import Node, att, ref
from hiyoko.site.scaling import scaling


@dataclass(frozen=True, slots=True)
class Section:
    """Resources that belong together, with the sentence that introduces them."""

    title: str
    resources: dict[str, Node]


def build(site: Site) -> Node:
    """The whole template as one mapping, in reading order."""
    template: Node = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _description(site),
    }
    if site.domain:
        template["Parameters"] = {
            "HostedZoneId": {
                "Type": "String",
                "Default": "",
                "AllowedPattern": "^(Z[0-9A-Z]+)?$",
                "Description": f"Hosted zone of {site.hosted_zone}; empty: this stack makes one.",
            }
        }
        template["Conditions"] = {
            "MakeHostedZone": {"Fn::Equals": [ref("HostedZoneId"), ""]},
        }
    if site.endpoints:
        template["Parameters"] |= endpoints.PARAMETERS
    template["Resources"] = {
        name: body for section in sections(site) for name, body in section.resources.items()
    }
    template["Outputs"] = _outputs(site)
    return template


def _description(site: Site) -> str:
    if site.domain:
        end = ", which reach AWS's services only" if site.endpoints else ""
        return f"https://{site.domain}/ - ALB in public subnets, tasks in private ones{end}."
    return f"{site.name} - tasks with a public address."


def sections(site: Site) -> Iterator[Section]:
    """The template's resources, from the outside in."""
    yield Section("The VPC and its way to the internet.", network.vpc(site))
    yield Section(
        "Public subnets: whoever has a public address reaches the internet.", network.public(site)
    )
    if site.domain:
        if site.endpoints:
            yield Section("Private subnets: no way out, nobody comes in.", network.enclosed(site))
            yield Section(
                "Services of AWS that tasks need, at addresses inside.", endpoints.resources(site)
            )
        else:
            yield Section(
                "Private subnets: out through a NAT gateway, nobody comes in.",
                network.private(site),
            )
        yield Section(
            "Who may talk to whom: internet -> load balancer -> task.", network.groups(site)
        )
        yield Section("The name and its certificate, proved by a DNS record.", balancer.names(site))
        yield Section("The load balancer: HTTP only redirects to HTTPS.", balancer.balancer(site))
        yield Section("Which request goes where.", balancer.routing(site))
    else:
        yield Section("Who may talk to the tasks.", network.open_groups(site))
    if site.discovery:
        yield Section(
            "Names that only the VPC sees: services find each other.", network.discovery(site)
        )
    yield Section("Where tasks run, what they may do, where they log.", containers.cluster(site))
    yield Section("What runs.", containers.services(site))
    if any(service.deploy.scale is not None for service in site.services.values()):
        yield Section("How many of it: the number follows the load.", scaling(site))


def _outputs(site: Site) -> dict[str, Node]:
    outputs: dict[str, Node] = {}
    if site.domain:
        outputs["Url"] = {"Description": "The site.", "Value": f"https://{site.domain}/"}
        outputs["LoadBalancer"] = {
            "Description": "ARN of the load balancer.",
            "Value": ref("LoadBalancer"),
        }
        outputs["NameServers"] = {
            "Condition": "MakeHostedZone",
            "Description": f"Name servers to enter at the registrar of {site.hosted_zone}.",
            "Value": {"Fn::Join": [" ", att("HostedZone", "NameServers")]},
        }
    outputs["Cluster"] = {"Description": "Cluster of the services.", "Value": ref("Cluster")}
    outputs["LogGroup"] = {"Description": "Log group of the tasks.", "Value": ref("LogGroup")}
    return outputs
