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
from ipaddress import IPv4Network

from hiyoko.site import endpoints
from hiyoko.site.model import Service, Site
from hiyoko.site.nodes import Node, att, logical, no_egress, ref, sub
from hiyoko.site.nodes import named as _named
from hiyoko.site.nodes import resource as _resource
from hiyoko.site.nodes import rule as _rule
from hiyoko.site.scaling import scaling

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2 with forward secrecy; the API's default would allow TLS 1.0."""
DRAIN_S = 10
"""Pages are short requests; AWS's default of 300 s makes every deployment wait five minutes."""
NAME_TTL_S = 10
"""How long somebody may go to a task that has left."""
WARM_UP_S = 30
"""A fresh task's failed checks do not count for so long."""
OWN_REGISTRY = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com"
"""Where the images lie that a site builds."""
EXECUTION_POLICY = (
    "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)


@dataclass(frozen=True, slots=True)
class Section:
    """Resources that belong together, with the sentence that introduces them."""

    title: str
    resources: dict[str, Node]


def subnet_cidrs(site: Site) -> tuple[list[IPv4Network], list[IPv4Network]]:
    """Public and private subnets, one a zone: /24 where the VPC is large enough, else 16 parts."""
    whole = IPv4Network(site.network.cidr)
    parts = list(whole.subnets(new_prefix=max(24, whole.prefixlen + 4)))
    zones = site.network.zones
    return parts[:zones], parts[8 : 8 + zones]


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
    yield Section("The VPC and its way to the internet.", _vpc(site))
    yield Section(
        "Public subnets: whoever has a public address reaches the internet.", _public(site)
    )
    if site.domain:
        if site.endpoints:
            yield Section("Private subnets: no way out, nobody comes in.", _enclosed(site))
            yield Section(
                "Services of AWS that tasks need, at addresses inside.", endpoints.resources(site)
            )
        else:
            yield Section(
                "Private subnets: out through a NAT gateway, nobody comes in.", _private(site)
            )
        yield Section("Who may talk to whom: internet -> load balancer -> task.", _groups(site))
        yield Section("The name and its certificate, proved by a DNS record.", _names(site))
        yield Section("The load balancer: HTTP only redirects to HTTPS.", _balancer(site))
        yield Section("Which request goes where.", _routing(site))
    else:
        yield Section("Who may talk to the tasks.", _open_groups(site))
    if site.discovery:
        yield Section("Names that only the VPC sees: services find each other.", _discovery(site))
    yield Section("Where tasks run, what they may do, where they log.", _cluster(site))
    yield Section("What runs.", _services(site))
    if any(service.deploy.scale is not None for service in site.services.values()):
        yield Section("How many of it: the number follows the load.", scaling(site))


def _vpc(site: Site) -> dict[str, Node]:
    return {
        "Vpc": _resource(
            "AWS::EC2::VPC",
            {
                "CidrBlock": site.network.cidr,
                "EnableDnsSupport": True,
                "EnableDnsHostnames": True,
                "Tags": _named("vpc"),
            },
        ),
        "InternetGateway": _resource("AWS::EC2::InternetGateway", {"Tags": _named("igw")}),
        "InternetGatewayAttachment": _resource(
            "AWS::EC2::VPCGatewayAttachment",
            {"VpcId": ref("Vpc"), "InternetGatewayId": ref("InternetGateway")},
        ),
    }


def _subnets(cidrs: list[IPv4Network], kind: str) -> dict[str, Node]:
    resources: dict[str, Node] = {}
    for index, cidr in enumerate(cidrs):
        name = f"{kind}Subnet{index + 1}"
        resources[name] = _resource(
            "AWS::EC2::Subnet",
            {
                "VpcId": ref("Vpc"),
                "CidrBlock": str(cidr),
                "AvailabilityZone": {"Fn::Select": [index, {"Fn::GetAZs": ""}]},
                "Tags": _named(f"{kind.lower()}-{index + 1}"),
            },
        )
        resources[f"{name}RouteTableAssociation"] = _resource(
            "AWS::EC2::SubnetRouteTableAssociation",
            {"SubnetId": ref(name), "RouteTableId": ref(f"{kind}RouteTable")},
        )
    return resources


def _table(kind: str) -> Node:
    return _resource("AWS::EC2::RouteTable", {"VpcId": ref("Vpc"), "Tags": _named(kind.lower())})


def _public(site: Site) -> dict[str, Node]:
    return {
        "PublicRouteTable": _table("Public"),
        "PublicDefaultRoute": _resource(
            "AWS::EC2::Route",
            {
                "RouteTableId": ref("PublicRouteTable"),
                "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": ref("InternetGateway"),
            },
            DependsOn="InternetGatewayAttachment",
        ),
        **_subnets(subnet_cidrs(site)[0], "Public"),
    }


def _private(site: Site) -> dict[str, Node]:
    return {
        "NatAddress": _resource(
            "AWS::EC2::EIP",
            {"Domain": "vpc", "Tags": _named("nat")},
            DependsOn="InternetGatewayAttachment",
        ),
        "NatGateway": _resource(
            "AWS::EC2::NatGateway",
            {
                "AllocationId": att("NatAddress", "AllocationId"),
                "SubnetId": ref("PublicSubnet1"),
                "Tags": _named("nat"),
            },
            # Also when all of it goes: a task's last words leave through the gateway.
            DependsOn=["PublicDefaultRoute", "PublicSubnet1RouteTableAssociation"],
        ),
        "PrivateRouteTable": _table("Private"),
        "PrivateDefaultRoute": _resource(
            "AWS::EC2::Route",
            {
                "RouteTableId": ref("PrivateRouteTable"),
                "DestinationCidrBlock": "0.0.0.0/0",
                "NatGatewayId": ref("NatGateway"),
            },
        ),
        **_subnets(subnet_cidrs(site)[1], "Private"),
    }


def _enclosed(site: Site) -> dict[str, Node]:
    return {"PrivateRouteTable": _table("Private"), **_subnets(subnet_cidrs(site)[1], "Private")}


def _egress(site: Site) -> list[Node]:
    if site.egress == "endpoints":
        return endpoints.egress()
    outside = [
        _rule(item.protocol, item.port, f"{item.protocol} {item.port} to outside", CidrIp=item.to)
        for item in site.egress
    ]
    return outside or [no_egress()]


def _ports(site: Site) -> list[int]:
    return sorted({service.expose for service in site.services.values()})


def _groups(site: Site) -> dict[str, Node]:
    private = subnet_cidrs(site)[1]
    return {
        "LoadBalancerSecurityGroup": _resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Load balancer: HTTP and HTTPS from everywhere",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    _rule("tcp", 80, "HTTP, only to be redirected", CidrIp="0.0.0.0/0"),
                    _rule("tcp", 443, "HTTPS", CidrIp="0.0.0.0/0"),
                ],
                "SecurityGroupEgress": [
                    _rule("tcp", port, "to tasks", CidrIp=str(cidr))
                    for port in _ports(site)
                    for cidr in private
                ],
                "Tags": _named("load-balancer"),
            },
        ),
        "TaskSecurityGroup": _resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Tasks: reached by the load balancer only",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    _rule(
                        "tcp",
                        port,
                        "from the load balancer",
                        SourceSecurityGroupId=att("LoadBalancerSecurityGroup", "GroupId"),
                    )
                    for port in _ports(site)
                ],
                "SecurityGroupEgress": _egress(site),
                "Tags": _named("task"),
            },
        ),
    }


def _open_groups(site: Site) -> dict[str, Node]:
    return {
        "TaskSecurityGroup": _resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Tasks: reached from everywhere",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    _rule("tcp", port, "from everywhere", CidrIp="0.0.0.0/0")
                    for port in _ports(site)
                ],
                "SecurityGroupEgress": _egress(site),
                "Tags": _named("task"),
            },
        )
    }


def _discovery(site: Site) -> dict[str, Node]:
    """A private domain with a name for each service, and leave for tasks to talk to each other."""
    group = att("TaskSecurityGroup", "GroupId")
    found = {
        "PrivateDomain": _resource(
            "AWS::ServiceDiscovery::PrivateDnsNamespace",
            {"Name": site.private_domain, "Vpc": ref("Vpc")},
        )
    }
    for port in _ports(site):
        found[f"TaskToTask{port}Ingress"] = _resource(
            "AWS::EC2::SecurityGroupIngress",
            {"GroupId": group, **_rule("tcp", port, "from tasks", SourceSecurityGroupId=group)},
        )
        found[f"TaskToTask{port}Egress"] = _resource(
            "AWS::EC2::SecurityGroupEgress",
            {"GroupId": group, **_rule("tcp", port, "to tasks", DestinationSecurityGroupId=group)},
        )
    for name in site.services:
        found[f"{logical(name)}Name"] = _resource(
            "AWS::ServiceDiscovery::Service",
            {
                "Name": name,
                "NamespaceId": ref("PrivateDomain"),
                "DnsConfig": {
                    "RoutingPolicy": "MULTIVALUE",
                    "DnsRecords": [{"Type": "A", "TTL": NAME_TTL_S}],
                },
            },
        )
    return found


def _zone_id() -> Node:
    return {"Fn::If": ["MakeHostedZone", ref("HostedZone"), ref("HostedZoneId")]}


def _names(site: Site) -> dict[str, Node]:
    assert site.domain is not None
    hosts = site.hosts
    certificate: Node = {"DomainName": hosts[0]}
    if hosts[1:]:
        certificate["SubjectAlternativeNames"] = list(hosts[1:])
    certificate["ValidationMethod"] = "DNS"
    certificate["DomainValidationOptions"] = [
        {"DomainName": host, "HostedZoneId": _zone_id()} for host in hosts
    ]
    certificate["Tags"] = _named("certificate")
    resources = {
        "HostedZone": _resource(
            "AWS::Route53::HostedZone", {"Name": site.hosted_zone}, Condition="MakeHostedZone"
        ),
        "Certificate": _resource("AWS::CertificateManager::Certificate", certificate),
    }
    for host in hosts:
        resources[f"{logical(host)}Record"] = _resource(
            "AWS::Route53::RecordSet",
            {
                "HostedZoneId": _zone_id(),
                "Name": host,
                "Type": "A",
                "AliasTarget": {
                    "DNSName": att("LoadBalancer", "DNSName"),
                    "HostedZoneId": att("LoadBalancer", "CanonicalHostedZoneID"),
                    "EvaluateTargetHealth": False,
                },
            },
        )
    return resources


def _balancer(site: Site) -> dict[str, Node]:
    zones = range(1, site.network.zones + 1)
    return {
        "LoadBalancer": _resource(
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {
                "Type": "application",
                "Scheme": "internet-facing",
                "Subnets": [ref(f"PublicSubnet{zone}") for zone in zones],
                "SecurityGroups": [att("LoadBalancerSecurityGroup", "GroupId")],
                "LoadBalancerAttributes": [
                    {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}
                ],
                "Tags": _named("alb"),
            },
            DependsOn="PublicDefaultRoute",
        ),
        "HttpListener": _resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("LoadBalancer"),
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [
                    {
                        "Type": "redirect",
                        "RedirectConfig": {
                            "Protocol": "HTTPS",
                            "Port": "443",
                            "StatusCode": "HTTP_301",
                        },
                    }
                ],
            },
        ),
        "HttpsListener": _resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("LoadBalancer"),
                "Port": 443,
                "Protocol": "HTTPS",
                "SslPolicy": TLS_POLICY,
                "Certificates": [{"CertificateArn": ref("Certificate")}],
                "DefaultActions": [_default_action(site)],
            },
        ),
    }


def _root_service(site: Site) -> str | None:
    """The service that answers everything of the domain that no rule takes."""
    for name, service in site.services.items():
        if service.host in (None, site.domain) and service.path in (None, "/*", "/"):
            return name
    return None


def _default_action(site: Site) -> Node:
    root = _root_service(site)
    if root is None:
        return {
            "Type": "fixed-response",
            "FixedResponseConfig": {
                "StatusCode": "404",
                "ContentType": "text/plain",
                "MessageBody": "Not found",
            },
        }
    return {"Type": "forward", "TargetGroupArn": ref(f"{logical(root)}TargetGroup")}


def _rules(site: Site) -> Iterator[tuple[str, list[Node], Node]]:
    """Logical id, conditions and action of each rule, the most specific first."""
    for host in site.redirects:
        action = {
            "Type": "redirect",
            "RedirectConfig": {"Host": site.domain, "StatusCode": "HTTP_301"},
        }
        yield f"{logical(host)}Redirect", [_host_is(host)], action
    root = _root_service(site)
    rest = [(name, service) for name, service in site.services.items() if name != root]
    rest.sort(key=lambda item: (item[1].host is None, -len(item[1].path or "")))
    for name, service in rest:
        conditions = [_host_is(service.host or site.domain or "")]
        if service.path and service.path != "/*":
            conditions.append(
                {"Field": "path-pattern", "PathPatternConfig": {"Values": _paths(service.path)}}
            )
        action = {"Type": "forward", "TargetGroupArn": ref(f"{logical(name)}TargetGroup")}
        yield f"{logical(name)}Rule", conditions, action


def _paths(path: str) -> list[str]:
    """``/api/*`` means ``/api`` as well."""
    return [path.removesuffix("/*"), path] if path.endswith("/*") else [path]


def _host_is(host: str) -> Node:
    return {"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}


def _routing(site: Site) -> dict[str, Node]:
    resources = {
        f"{logical(name)}TargetGroup": _target_group(name, service)
        for name, service in site.services.items()
    }
    for priority, (name, conditions, action) in enumerate(_rules(site), start=1):
        resources[name] = _resource(
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            {
                "ListenerArn": ref("HttpsListener"),
                "Priority": priority * 10,
                "Conditions": conditions,
                "Actions": [action],
            },
        )
    return resources


def _target_group(name: str, service: Service) -> Node:
    check = service.healthcheck
    return _resource(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {
            "VpcId": ref("Vpc"),
            "TargetType": "ip",
            "Protocol": "HTTP",
            "Port": service.expose,
            "HealthCheckPath": check.path,
            "HealthCheckIntervalSeconds": check.interval,
            "HealthCheckTimeoutSeconds": check.timeout,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": check.retries,
            "Matcher": {"HttpCode": check.codes},
            "TargetGroupAttributes": [
                {"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAIN_S)}
            ],
            "Tags": _named(name),
        },
    )


def _cluster(site: Site) -> dict[str, Node]:
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


def _services(site: Site) -> dict[str, Node]:
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
        needs.append("HttpsListener" if name == _root_service(site) else f"{logical(name)}Rule")
    return _resource("AWS::ECS::Service", properties, DependsOn=needs)


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
