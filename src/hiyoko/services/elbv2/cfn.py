"""CloudFormation's application load balancer types, made by the operations that clients call.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ElasticLoadBalancingV2.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.template.resource_type import (
    Handle,
    Made,
    NotStabilizedError,
    Progress,
    ResourceType,
    in_place,
    register,
    replaces,
)
from hiyoko.template.tagging import tag_keys_to_drop, tags_to_write

Shown = dict[str, Any]

# Names of load balancers and target groups have at most 32 characters.
NAME_LENGTH_MAX = 32

_HEALTH = (
    "HealthCheckEnabled",
    "HealthCheckIntervalSeconds",
    "HealthCheckPath",
    "HealthCheckPort",
    "HealthCheckProtocol",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "Matcher",
    "UnhealthyThresholdCount",
)
_GROUP_FIXED = ("Port", "Protocol", "ProtocolVersion", "TargetType", "VpcId", "IpAddressType")
_BALANCER_NEW = ("Scheme", "Type", "Subnets", "SubnetMappings", "SecurityGroups", "IpAddressType")
_LISTENER = ("Port", "Protocol", "SslPolicy", "Certificates", "DefaultActions", "AlpnPolicy")


def _call(handle: Handle, operation: str, **request: Any) -> Shown:
    return handle.invoke("elbv2", operation, request)


def _retag(handle: Handle) -> None:
    if drop := tag_keys_to_drop(handle):
        _call(handle, "RemoveTags", ResourceArns=[handle.physical_id], TagKeys=drop)
    if write := tags_to_write(handle):
        _call(handle, "AddTags", ResourceArns=[handle.physical_id], Tags=write)


def _attributes(handle: Handle, arn: str, noun: str) -> None:
    """Attributes have an operation of their own; on an update only the changed ones are written."""
    name = f"{noun}Attributes"
    old = handle.old.get(name, [])
    changed = [item for item in handle.properties.get(name, []) if item not in old]
    if changed:
        _call(handle, f"Modify{noun}Attributes", Attributes=changed, **{f"{noun}Arn": arn})


def _create_balancer(handle: Handle) -> Made:
    answer = _call(
        handle,
        "CreateLoadBalancer",
        Name=handle.properties.get("Name") or handle.name(NAME_LENGTH_MAX),
        Tags=handle.tags(),
        **handle.given(*_BALANCER_NEW),
    )
    arn = str(answer["LoadBalancers"][0]["LoadBalancerArn"])
    _attributes(handle, arn, "LoadBalancer")
    return Made(arn)


def _update_balancer(handle: Handle) -> None:
    arn = handle.physical_id
    if handle.changed("SecurityGroups"):
        groups = handle.properties.get("SecurityGroups", [])
        _call(handle, "SetSecurityGroups", LoadBalancerArn=arn, SecurityGroups=groups)
    if handle.changed("Subnets", "SubnetMappings"):
        given = handle.given("Subnets", "SubnetMappings")
        _call(handle, "SetSubnets", LoadBalancerArn=arn, **given)
    if handle.changed("IpAddressType"):
        kind = handle.properties.get("IpAddressType", "ipv4")
        _call(handle, "SetIpAddressType", LoadBalancerArn=arn, IpAddressType=kind)
    _attributes(handle, arn, "LoadBalancer")
    _retag(handle)


def _balancer(handle: Handle) -> Shown:
    answer = _call(handle, "DescribeLoadBalancers", LoadBalancerArns=[handle.physical_id])
    return dict(answer["LoadBalancers"][0])


def _balancer_stable(handle: Handle) -> Progress:
    state = _balancer(handle)["State"]
    if state["Code"] == "failed":
        raise NotStabilizedError(
            f"LoadBalancer {handle.physical_id} is in state failed. {state.get('Reason', '')}"
        )
    return Progress.WAITING if state["Code"] == "provisioning" else Progress.DONE


def _read_balancer(handle: Handle) -> Shown:
    balancer = _balancer(handle)
    return {
        "LoadBalancerArn": handle.physical_id,
        "LoadBalancerName": balancer["LoadBalancerName"],
        "LoadBalancerFullName": handle.physical_id.partition("loadbalancer/")[2],
        "DNSName": balancer["DNSName"],
        "CanonicalHostedZoneID": balancer["CanonicalHostedZoneId"],
        "SecurityGroups": balancer.get("SecurityGroups", []),
    }


def _create_group(handle: Handle) -> Made:
    answer = _call(
        handle,
        "CreateTargetGroup",
        Name=handle.properties.get("Name") or handle.name(NAME_LENGTH_MAX),
        Tags=handle.tags(),
        **handle.given(*_GROUP_FIXED, *_HEALTH),
    )
    arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
    _attributes(handle, arn, "TargetGroup")
    _targets(handle, arn)
    return Made(arn)


def _targets(handle: Handle, arn: str) -> None:
    old, new = handle.old.get("Targets", []), handle.properties.get("Targets", [])
    if gone := [target for target in old if target not in new]:
        _call(handle, "DeregisterTargets", TargetGroupArn=arn, Targets=gone)
    if come := [target for target in new if target not in old]:
        _call(handle, "RegisterTargets", TargetGroupArn=arn, Targets=come)


def _update_group(handle: Handle) -> None:
    arn = handle.physical_id
    if handle.changed(*_HEALTH):
        _call(handle, "ModifyTargetGroup", TargetGroupArn=arn, **handle.given(*_HEALTH))
    _attributes(handle, arn, "TargetGroup")
    _targets(handle, arn)
    _retag(handle)


def _read_group(handle: Handle) -> Shown:
    answer = _call(handle, "DescribeTargetGroups", TargetGroupArns=[handle.physical_id])
    group = answer["TargetGroups"][0]
    return {
        "TargetGroupArn": handle.physical_id,
        "TargetGroupName": group["TargetGroupName"],
        "TargetGroupFullName": handle.physical_id.rpartition(":")[2],
        "LoadBalancerArns": group.get("LoadBalancerArns", []),
    }


def _create_listener(handle: Handle) -> Made:
    given = handle.given("LoadBalancerArn", "MutualAuthentication", *_LISTENER)
    answer = _call(handle, "CreateListener", Tags=handle.tags(), **given)
    arn = str(answer["Listeners"][0]["ListenerArn"])
    _attributes(handle, arn, "Listener")
    return Made(arn)


def _update_listener(handle: Handle) -> None:
    if handle.changed("MutualAuthentication", *_LISTENER):
        given = handle.given("MutualAuthentication", *_LISTENER)
        if handle.changed("MutualAuthentication"):
            given.setdefault("MutualAuthentication", {"Mode": "off"})
        _call(handle, "ModifyListener", ListenerArn=handle.physical_id, **given)
    _attributes(handle, handle.physical_id, "Listener")
    _retag(handle)


def _create_rule(handle: Handle) -> Made:
    given = handle.given("ListenerArn", "Actions", "Conditions", "Priority", "Transforms")
    answer = _call(handle, "CreateRule", Tags=handle.tags(), **given)
    return Made(str(answer["Rules"][0]["RuleArn"]))


def _update_rule(handle: Handle) -> None:
    if handle.changed("Actions", "Conditions", "Transforms"):
        given = handle.given("Actions", "Conditions", "Transforms")
        if not given.get("Transforms"):
            given["ResetTransforms"] = True
        _call(handle, "ModifyRule", RuleArn=handle.physical_id, **given)
    if handle.changed("Priority"):
        pair = {"RuleArn": handle.physical_id, "Priority": handle.properties["Priority"]}
        _call(handle, "SetRulePriorities", RulePriorities=[pair])
    _retag(handle)


def _add_certificates(handle: Handle) -> Made:
    _call(handle, "AddListenerCertificates", **handle.given("ListenerArn", "Certificates"))
    return Made(handle.name())


def _change_certificates(handle: Handle) -> None:
    arn = handle.properties["ListenerArn"]
    old, new = handle.old["Certificates"], handle.properties["Certificates"]
    if come := [item for item in new if item not in old]:
        _call(handle, "AddListenerCertificates", ListenerArn=arn, Certificates=come)
    if gone := [item for item in old if item not in new]:
        _call(handle, "RemoveListenerCertificates", ListenerArn=arn, Certificates=gone)


def _remove_certificates(handle: Handle) -> None:
    _call(handle, "RemoveListenerCertificates", **handle.given("ListenerArn", "Certificates"))


def _delete(noun: str) -> Any:
    def delete(handle: Handle) -> None:
        _call(handle, f"Delete{noun}", **{f"{noun}Arn": handle.physical_id})

    return delete


register(
    ResourceType(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        {
            **in_place("Subnets", "SubnetMappings", "SecurityGroups", "IpAddressType"),
            **in_place("LoadBalancerAttributes", "Tags"),
            **replaces("Name", "Scheme", "Type"),
        },
        _create_balancer,
        _delete("LoadBalancer"),
        _update_balancer,
        stable=_balancer_stable,
        read=_read_balancer,
        attributes=frozenset(
            {
                "CanonicalHostedZoneID",
                "DNSName",
                "LoadBalancerArn",
                "LoadBalancerFullName",
                "LoadBalancerName",
                "SecurityGroups",
            }
        ),
        named="Name",
        tags=True,
    ),
    ResourceType(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {
            **in_place(*_HEALTH, "TargetGroupAttributes", "Targets", "Tags"),
            **replaces("Name", *_GROUP_FIXED),
        },
        _create_group,
        _delete("TargetGroup"),
        _update_group,
        read=_read_group,
        attributes=frozenset(
            {"LoadBalancerArns", "TargetGroupArn", "TargetGroupFullName", "TargetGroupName"}
        ),
        named="Name",
        tags=True,
    ),
    ResourceType(
        "AWS::ElasticLoadBalancingV2::Listener",
        {
            **in_place(*_LISTENER, "ListenerAttributes", "MutualAuthentication", "Tags"),
            **replaces("LoadBalancerArn"),
        },
        _create_listener,
        _delete("Listener"),
        _update_listener,
        read=lambda handle: {"ListenerArn": handle.physical_id},
        required=frozenset({"DefaultActions", "LoadBalancerArn"}),
        attributes=frozenset({"ListenerArn"}),
        tags=True,
    ),
    ResourceType(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        {
            **in_place("Actions", "Conditions", "Priority", "Transforms", "Tags"),
            **replaces("ListenerArn"),
        },
        _create_rule,
        _delete("Rule"),
        _update_rule,
        read=lambda handle: {"RuleArn": handle.physical_id, "IsDefault": False},
        required=frozenset({"Actions", "Conditions", "Priority", "ListenerArn"}),
        attributes=frozenset({"RuleArn", "IsDefault"}),
        tags=True,
    ),
    ResourceType(
        "AWS::ElasticLoadBalancingV2::ListenerCertificate",
        {**in_place("Certificates"), **replaces("ListenerArn")},
        _add_certificates,
        _remove_certificates,
        _change_certificates,
        read=lambda handle: {"Id": handle.physical_id},
        required=frozenset({"Certificates", "ListenerArn"}),
        attributes=frozenset({"Id"}),
    ),
)

from hiyoko.services.elbv2 import cfn_trust_stores  # noqa: E402, F401  registers the rest
