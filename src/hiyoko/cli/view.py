"""What a deployed site consists of, asked of the target's own APIs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hiyoko.cli.errors import CommandError
from hiyoko.cli.stack import SiteStack, outputs_of


@dataclass(frozen=True, slots=True)
class TargetView:
    """A registered target and its health in AWS's words."""

    address: str
    port: int
    zone: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """A target group with its targets."""

    arn: str
    name: str
    port: int
    targets: tuple[TargetView, ...]


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule in words; ``groups`` are ARNs."""

    priority: str
    condition: str
    action: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A listener with its rules."""

    protocol: str
    port: int
    rules: tuple[RuleView, ...]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task: where it is, how it is."""

    arn: str
    service: str
    status: str
    private_address: str
    public_address: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service's counts and its newest event."""

    name: str
    desired: int
    running: int
    pending: int
    rollout: str
    event: str


@dataclass(frozen=True, slots=True)
class SiteView:
    """Everything that status, map and check show."""

    status: str
    outputs: dict[str, str] = field(default_factory=dict)
    balancer: str = ""
    balancer_state: str = ""
    balancer_dns: str = ""
    certificate: str = ""
    listeners: tuple[ListenerView, ...] = ()
    groups: dict[str, GroupView] = field(default_factory=dict)
    services: tuple[ServiceView, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    hosted_zone_id: str = ""


def gather(stack: SiteStack) -> SiteView:
    """Ask for everything. Raises CommandError when the site is not there."""
    described = stack.describe()
    if described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS":
        raise CommandError(
            f"{stack.site.name} is not deployed on {stack.target.name}; deploy it with: hiyoko up"
        )
    resources = stack.resources()
    services, tasks = _services(stack, resources)
    view = SiteView(
        described["StackStatus"], outputs=outputs_of(described), services=services, tasks=tasks
    )
    balancer = _physical(resources, "LoadBalancer")
    if not balancer:
        return view
    return _with_balancer(stack, view, balancer, resources, described)


def _physical(resources: dict[str, dict[str, Any]], name: str) -> str:
    return str(resources.get(name, {}).get("PhysicalResourceId", ""))


def _with_balancer(
    stack: SiteStack,
    view: SiteView,
    arn: str,
    resources: dict[str, dict[str, Any]],
    described: dict[str, Any],
) -> SiteView:
    client = stack.target.client("elbv2")
    balancer = client.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
    certificate = _physical(resources, "Certificate")
    state = ""
    if certificate:
        acm = stack.target.client("acm")
        state = acm.describe_certificate(CertificateArn=certificate)["Certificate"]["Status"]
    zone = _physical(resources, "HostedZone")
    parameters = {
        item["ParameterKey"]: item.get("ParameterValue", "")
        for item in described.get("Parameters", [])
    }
    return SiteView(
        view.status,
        view.outputs,
        arn,
        balancer["State"]["Code"],
        balancer["DNSName"],
        state,
        _listeners(client, arn),
        _groups(client, arn),
        view.services,
        view.tasks,
        zone or parameters.get("HostedZoneId", ""),
    )


def _listeners(client: Any, balancer: str) -> tuple[ListenerView, ...]:
    listeners = client.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    views = []
    for listener in sorted(listeners, key=lambda item: item["Port"]):
        rules = client.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        views.append(
            ListenerView(
                listener["Protocol"], listener["Port"], tuple(_rule(rule) for rule in rules)
            )
        )
    return tuple(views)


def _rule(rule: dict[str, Any]) -> RuleView:
    action = rule["Actions"][-1]
    groups: tuple[str, ...] = ()
    if action["Type"] == "forward":
        weighted = action.get("ForwardConfig", {}).get("TargetGroups") or [action]
        groups = tuple(item["TargetGroupArn"] for item in weighted)
        words = "forward" + "".join(map(_transform, rule.get("Transforms") or []))
    elif action["Type"] == "redirect":
        to = action["RedirectConfig"]
        protocol = to.get("Protocol", "#{protocol}").lower()
        host, port = to.get("Host", "#{host}"), to.get("Port", "#{port}")
        words = f"{to['StatusCode'].removeprefix('HTTP_')} to {protocol}://{host}:{port}"
    else:
        words = f"answer {action['FixedResponseConfig']['StatusCode']}"
    before = "".join(f"{_GUARDS.get(a['Type'], a['Type'])}, " for a in rule["Actions"][:-1])
    return RuleView(rule["Priority"], _condition(rule["Conditions"]), before + words, groups)


_GUARDS = {"authenticate-oidc": "log in", "jwt-validation": "check token"}


def _transform(transform: dict[str, Any]) -> str:
    config = transform.get("UrlRewriteConfig") or transform["HostHeaderRewriteConfig"]
    what = transform["Type"].removesuffix("-header-rewrite").removesuffix("-rewrite")
    return "".join(f", {what} {r['Regex']} to {r['Replace']}" for r in config["Rewrites"])


def _condition(conditions: list[dict[str, Any]]) -> str:
    words = []
    for condition in conditions:
        parts = [condition, *(v for k, v in condition.items() if k.endswith("Config"))]
        values: list[Any] = next((part["Values"] for part in parts if part.get("Values")), [])
        regexes: list[str] = next(
            (part["RegexValues"] for part in parts if part.get("RegexValues")), []
        )
        shown = [v if isinstance(v, str) else f"{v.get('Key', '')}={v['Value']}" for v in values]
        shown += [f"like {regex}" for regex in regexes]
        field = condition["Field"].removesuffix("-pattern").removesuffix("-header")
        words.append(f"{field} {' or '.join(shown)}")
    return ", ".join(words) or "everything else"


def _groups(client: Any, balancer: str) -> dict[str, GroupView]:
    views = {}
    for group in client.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]:
        arn = group["TargetGroupArn"]
        health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        targets = tuple(
            TargetView(
                item["Target"]["Id"],
                item["Target"]["Port"],
                item["Target"].get("AvailabilityZone", ""),
                item["TargetHealth"]["State"],
                item["TargetHealth"].get("Description", ""),
            )
            for item in health
        )
        name = next(
            (tag["Value"] for tag in _tags(client, arn) if tag["Key"] == "Name"),
            group["TargetGroupName"],
        )
        views[arn] = GroupView(arn, name, group["Port"], targets)
    return views


def _tags(client: Any, arn: str) -> list[dict[str, str]]:
    described = client.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return list(described[0]["Tags"]) if described else []


def _services(
    stack: SiteStack, resources: dict[str, dict[str, Any]]
) -> tuple[tuple[ServiceView, ...], tuple[TaskView, ...]]:
    cluster = _physical(resources, "Cluster")
    if not cluster:
        return (), ()
    ecs = stack.target.client("ecs")
    names = list(stack.site.services)
    found = []
    for at in range(0, len(names), 10):  # DescribeServices takes ten
        answer = ecs.describe_services(cluster=cluster, services=names[at : at + 10])
        found += answer["services"]
    services = tuple(_service(item) for item in found)
    return services, _tasks(stack, ecs, cluster)


def _service(item: dict[str, Any]) -> ServiceView:
    primary: dict[str, Any] = next((d for d in item["deployments"] if d["status"] == "PRIMARY"), {})
    events = item.get("events") or [{"message": ""}]
    return ServiceView(
        item["serviceName"],
        item["desiredCount"],
        item["runningCount"],
        item["pendingCount"],
        primary.get("rolloutState", ""),
        events[0]["message"],
    )


def _tasks(stack: SiteStack, ecs: Any, cluster: str) -> tuple[TaskView, ...]:
    arns = ecs.list_tasks(cluster=cluster)["taskArns"]
    if not arns:
        return ()
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"]
    interfaces = {_detail(task, "networkInterfaceId"): task for task in tasks}
    public: dict[str, str] = {}
    ids = [eni for eni in interfaces if eni]
    if ids:
        ec2 = stack.target.client("ec2")
        described = ec2.describe_network_interfaces(NetworkInterfaceIds=ids)["NetworkInterfaces"]
        public = {
            eni["NetworkInterfaceId"]: eni.get("Association", {}).get("PublicIp", "")
            for eni in described
        }
    return tuple(
        TaskView(
            task["taskArn"],
            task.get("group", "").removeprefix("service:"),
            task["lastStatus"],
            _detail(task, "privateIPv4Address"),
            public.get(_detail(task, "networkInterfaceId"), ""),
            task.get("stoppedReason", ""),
        )
        for task in tasks
    )


def _detail(task: dict[str, Any], name: str) -> str:
    for attachment in task.get("attachments", []):
        for detail in attachment.get("details", []):
            if detail["name"] == name:
                return str(detail["value"])
    return ""
