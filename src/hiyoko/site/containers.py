"""Where tasks run, what they may do, and what runs."""

from __future__ import annotations

from hiyoko.site import endpoints
from hiyoko.site.balancer import root_service
from hiyoko.site.model import Service, Site
from hiyoko.site.nodes import Node, att, logical, ref, sub
from hiyoko.site.nodes import named as _named
from hiyoko.site.nodes import resource as _resource

EXECUTION_POLICY = (
    "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)
OWN_REGISTRY = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com"
"""Where the images lie that a site builds."""
WARM_UP_S = 30
"""A fresh task's failed checks do not count for so long."""


def cluster(site: Site) -> dict[str, Node]:
    """The cluster, its log group and the roles of its tasks."""
    return {
        "Cluster": _resource("AWS::ECS::Cluster", {"Tags": _named("cluster")}),
        "LogGroup": _resource(
            "AWS::Logs::LogGroup",
            {"LogGroupName": sub("/hiyoko/${AWS::StackName}"), "RetentionInDays": site.logs_days},
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        ),
        "ExecutionRole": _resource(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "ManagedPolicyArns": [sub(EXECUTION_POLICY)],
            },
        ),
    }


def services(site: Site) -> dict[str, Node]:
    """A task definition and a service for each service of the site."""
    resources: dict[str, Node] = {}
    for name, service in site.services.items():
        resources[f"{logical(name)}TaskDefinition"] = _task_definition(name, service)
        resources[f"{logical(name)}Service"] = _service(site, name, service)
    return resources


def _image(service: Service) -> Node | str:
    """The image to run; one that is built lies in the account's own registry."""
    assert service.image is not None, "site.building names what is built"
    return sub(service.image) if service.image.startswith(OWN_REGISTRY) else service.image


def _task_definition(name: str, service: Service) -> Node:
    container: Node = {
        "Name": name,
        "Image": _image(service),
        "Essential": True,
        "PortMappings": [{"ContainerPort": service.expose, "Protocol": "tcp"}],
    }
    if service.entrypoint:
        container["EntryPoint"] = list(service.entrypoint)
    if service.command:
        container["Command"] = list(service.command)
    if service.environment:
        container["Environment"] = [
            {"Name": key, "Value": value} for key, value in service.environment.items()
        ]
    container["LogConfiguration"] = {
        "LogDriver": "awslogs",
        "Options": {
            "awslogs-group": ref("LogGroup"),
            "awslogs-region": ref("AWS::Region"),
            "awslogs-stream-prefix": name,
        },
    }
    return _resource(
        "AWS::ECS::TaskDefinition",
        {
            "Family": sub("${AWS::StackName}-" + name),
            "RequiresCompatibilities": ["FARGATE"],
            "NetworkMode": "awsvpc",
            "Cpu": str(service.deploy.cpu),
            "Memory": str(service.deploy.memory),
            "ExecutionRoleArn": att("ExecutionRole", "Arn"),
            "ContainerDefinitions": [container],
        },
    )


def _service(site: Site, name: str, service: Service) -> Node:
    behind = site.domain is not None
    kind = "Private" if behind else "Public"
    zones = range(1, site.network.zones + 1)
    properties: Node = {
        "ServiceName": name,
        "Cluster": ref("Cluster"),
        "LaunchType": "FARGATE",
        "TaskDefinition": ref(f"{logical(name)}TaskDefinition"),
        **({"DesiredCount": service.deploy.replicas} if service.deploy.scale is None else {}),
        "DeploymentConfiguration": {
            "MinimumHealthyPercent": 100,
            "MaximumPercent": 200,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        },
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {
                "Subnets": [ref(f"{kind}Subnet{zone}") for zone in zones],
                "SecurityGroups": [att("TaskSecurityGroup", "GroupId")],
                "AssignPublicIp": "DISABLED" if behind else "ENABLED",
            }
        },
    }
    if site.discovery:
        properties["ServiceRegistries"] = [{"RegistryArn": att(f"{logical(name)}Name", "Arn")}]
    # What the template only implies: routes out before the first pull, a listener before a target.
    needs = ["PrivateDefaultRoute" if behind else "PublicDefaultRoute"]
    if site.endpoints:
        needs = list(endpoints.NEEDED)
    needs += [f"{kind}Subnet{zone}RouteTableAssociation" for zone in zones]
    if behind:
        properties["HealthCheckGracePeriodSeconds"] = WARM_UP_S
        properties["LoadBalancers"] = [
            {
                "ContainerName": name,
                "ContainerPort": service.expose,
                "TargetGroupArn": ref(f"{logical(name)}TargetGroup"),
            }
        ]
        needs.append("HttpsListener" if name == root_service(site) else f"{logical(name)}Rule")
    return _resource("AWS::ECS::Service", properties, DependsOn=needs)
