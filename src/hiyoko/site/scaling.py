"""Services whose number of tasks follows the load: scalable targets and their policies."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.site.model import Scale, Site
from hiyoko.site.nodes import Node, att, logical, ref, resource

OUT_COOLDOWN_S, IN_COOLDOWN_S = 60, 300
"""Tasks come quickly and go slowly: too few hurt visitors, too many only cost."""


def scaling(site: Site) -> dict[str, Node]:
    """Resources of each service that has ``deploy.scale``."""
    resources: dict[str, Node] = {}
    for name, service in site.services.items():
        if service.deploy.scale is not None:
            resources.update(_service(name, service.deploy.scale))
    return resources


def _service(name: str, scale: Scale) -> dict[str, Node]:
    """The number is left out of the service: an update must not set it back."""
    service = ["service", ref("Cluster"), att(f"{logical(name)}Service", "Name")]
    target = f"{logical(name)}ScalableTarget"
    resources = {
        target: resource(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            {
                "ServiceNamespace": "ecs",
                "ScalableDimension": "ecs:service:DesiredCount",
                "ResourceId": {"Fn::Join": ["/", service]},
                "MinCapacity": scale.min,
                "MaxCapacity": scale.max,
            },
        )
    }
    for what, value, metric in _targets(name, scale):
        resources[f"{logical(name)}{what.capitalize()}Policy"] = resource(
            "AWS::ApplicationAutoScaling::ScalingPolicy",
            {
                "PolicyName": f"{name}-{what}",
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": ref(target),
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": value,
                    "PredefinedMetricSpecification": metric,
                    "ScaleOutCooldown": OUT_COOLDOWN_S,
                    "ScaleInCooldown": IN_COOLDOWN_S,
                },
            },
        )
    return resources


def _targets(name: str, scale: Scale) -> Iterator[tuple[str, int, Node]]:
    """What is kept at which value, and its metric."""
    if scale.cpu is not None:
        yield "cpu", scale.cpu, {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    if scale.requests is not None:
        parts = [
            att("LoadBalancer", "LoadBalancerFullName"),
            att(f"{logical(name)}TargetGroup", "TargetGroupFullName"),
        ]
        metric = {
            "PredefinedMetricType": "ALBRequestCountPerTarget",
            "ResourceLabel": {"Fn::Join": ["/", parts]},
        }
        yield "requests", scale.requests, metric
