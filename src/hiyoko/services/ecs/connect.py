"""Service Connect: what a service offers to its namespace, and what its tasks can reach there.

A deployment's tasks know the endpoints that the namespace had when the deployment began: later
ones reach only a later deployment. Where an endpoint's tasks are is followed at once.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html
"""

from __future__ import annotations

import re
from typing import Any

from hiyoko.api import AwsError, Call, Request, unsupported
from hiyoko.services.ecs import rows
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.log_options import log_configuration
from hiyoko.services.ecs.model import (
    MANAGED,
    Cluster,
    Connect,
    ConnectLog,
    ConnectService,
    PortMapping,
    Service,
    TaskDefinition,
)

PROXY_NAME = "ecs-service-connect-"
PORT_MAX = 65535
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2."""
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,125}[A-Za-z0-9_])?")


def connect_in(
    call: Call, given: Request | None, cluster: Cluster, definition: TaskDefinition, owner: str
) -> Connect | None:
    """The ``serviceConnectConfiguration`` of the service ``owner`` (its ARN); None: not enabled.

    What it offers gets a service in Cloud Map, unless there is one from before.
    """
    if not given or not given.get("enabled"):
        return None
    if given.get("containerConfigurations"):
        raise unsupported("serviceConnectConfiguration.containerConfigurations")
    log = _log(given)
    wanted = given.get("namespace") or ""
    namespace = find_namespace(call, wanted or cluster.connect_namespace)
    others = [one for one in services_in(call, namespace["Arn"]) if one.arn != owner]
    found = tuple(
        _service(call, item, namespace, definition) for item in given.get("services") or ()
    )
    _check_unique(found, others)
    return Connect(namespace["Arn"], wanted, found, log)


def _log(given: Request) -> ConnectLog | None:
    """The proxies' ``logConfiguration``, and their ``accessLogConfiguration``."""
    log = log_configuration(given.get("logConfiguration"), "serviceConnectConfiguration")
    access = given.get("accessLogConfiguration") or {}
    if log is None:
        if access:
            raise InvalidParameter("To enable access logs, you must also specify logConfiguration.")
        return None
    if log.driver != "awslogs":
        raise unsupported("serviceConnectConfiguration.logConfiguration.logDriver", log.driver)
    if log.option("mode") == "blocking":
        # A proxy that waits for its log would hold up requests.
        raise unsupported("serviceConnectConfiguration.logConfiguration.options.mode", "blocking")
    query = access.get("includeQueryParameters") == "ENABLED"
    return ConnectLog(log.options, access.get("format") or "", query)


def find_namespace(call: Call, reference: str) -> dict[str, Any]:
    """Cloud Map's namespace by name or ARN. Raises NamespaceNotFoundException."""
    if not reference:
        raise InvalidParameter(
            "A namespace is needed: in the service's serviceConnectConfiguration, or in the"
            " cluster's serviceConnectDefaults."
        )
    if reference.startswith("arn:"):
        try:
            answer = call.invoke("servicediscovery", "GetNamespace", {"Id": reference})
        except AwsError as error:
            raise _no_namespace(reference) from error
        return dict(answer["Namespace"])
    filters = [{"Name": "NAME", "Values": [reference]}]
    listed = call.invoke("servicediscovery", "ListNamespaces", {"Filters": filters})["Namespaces"]
    if not listed:
        raise _no_namespace(reference)
    return dict(listed[0])


def _no_namespace(reference: str) -> AwsError:
    return AwsError(
        "NamespaceNotFoundException", f"The specified namespace {reference} wasn't found."
    )


def default_namespace(call: Call, defaults: Request | None) -> str:
    """A cluster's ``serviceConnectDefaults`` as an ARN; an HTTP namespace is made where missing."""
    reference = (defaults or {}).get("namespace") or ""
    if not reference:
        return ""
    try:
        return str(find_namespace(call, reference)["Arn"])
    except AwsError:
        if reference.startswith("arn:"):
            raise
    request = {"Name": reference, "Tags": [{"Key": MANAGED, "Value": "true"}]}
    call.invoke("servicediscovery", "CreateHttpNamespace", request)
    return str(find_namespace(call, reference)["Arn"])


def _service(
    call: Call, item: dict[str, Any], namespace: dict[str, Any], definition: TaskDefinition
) -> ConnectService:
    if item.get("tls"):
        raise unsupported("serviceConnectConfiguration.services.tls")
    port = _port(item["portName"], definition)
    discovery = item.get("discoveryName") or item["portName"]
    aliases = list(item.get("clientAliases") or [])
    if len(aliases) != 1:
        raise InvalidParameter("A Service Connect service needs one client alias with one port.")
    timeout = item.get("timeout") or {}
    protocol = port.app_protocol or "tcp"
    if protocol == "tcp" and timeout.get("perRequestTimeoutSeconds") is not None:
        raise InvalidParameter(
            "perRequestTimeoutSeconds can only be set for ports whose appProtocol is not TCP."
        )
    header = (aliases[0].get("testTrafficRules") or {}).get("header") or {}
    if header and (protocol == "tcp" or not _TOKEN.fullmatch(header["name"])):
        raise InvalidParameter(
            "testTrafficRules need the name of a header, and a port whose appProtocol is not TCP."
        )
    name = aliases[0].get("dnsName") or ""
    if not _NAME.fullmatch(name or discovery):
        raise InvalidParameter(f"{name or discovery} is not a DNS name.")
    for number in (aliases[0]["port"], item.get("ingressPortOverride") or 1):
        if not 1 <= number <= PORT_MAX:
            raise InvalidParameter(f"{number} is not a port: it must be from 1 to {PORT_MAX}.")
    return ConnectService(
        port_name=item["portName"],
        discovery_name=discovery,
        registry=_registry(call, discovery, namespace),
        port=port.container_port,
        protocol=protocol,
        alias_port=aliases[0]["port"],
        alias_name=name or f"{discovery}.{namespace['Name']}",
        ingress_port=item.get("ingressPortOverride") or 0,
        idle_s=timeout.get("idleTimeoutSeconds"),
        request_s=timeout.get("perRequestTimeoutSeconds"),
        alias_given=bool(name),
        test_header=header.get("name") or "",
        test_value=(header.get("value") or {}).get("exact") or "",
    )


def _port(name: str, definition: TaskDefinition) -> PortMapping:
    for container in definition.containers:
        for port in container.ports:
            if port.name != name:
                continue
            if port.protocol != "tcp":
                raise InvalidParameter(f"The port {name} is not a TCP port.")
            return port
    raise InvalidParameter(
        f"The port name {name} of the Service Connect service is not in the task definition's port"
        " mappings."
    )


def _registry(call: Call, discovery: str, namespace: dict[str, Any]) -> str:
    """The ARN of Cloud Map's service of this name, made where there is none."""
    filters = [{"Name": "NAMESPACE_ID", "Values": [namespace["Id"]]}]
    listed = call.invoke("servicediscovery", "ListServices", {"Filters": filters})["Services"]
    for one in listed:
        if one["Name"] != discovery:
            continue
        request = {"ResourceARN": one["Arn"]}
        tags = call.invoke("servicediscovery", "ListTagsForResource", request)["Tags"]
        if not any(tag["Key"] == MANAGED for tag in tags):
            raise InvalidParameter(
                f"Cloud Map has a service {discovery} in the namespace {namespace['Name']} that"
                " Amazon ECS did not make; choose another discoveryName."
            )
        return str(one["Arn"])
    request = {
        "Name": discovery,
        "NamespaceId": namespace["Id"],
        "Type": "HTTP",
        "HealthCheckCustomConfig": {},
        "Tags": [{"Key": MANAGED, "Value": "true"}],
    }
    made = call.invoke("servicediscovery", "CreateService", request)
    return str(made["Service"]["Arn"])


def _check_unique(found: tuple[ConnectService, ...], others: list[Service]) -> None:
    """Within a namespace a discovery name is one service's, and an alias leads to one."""
    names = [one.discovery_name for one in found]
    aliases = [(one.alias_name, one.alias_port) for one in found]
    for other in others:
        theirs = other.primary.connect.services if other.primary.connect else ()
        names += [one.discovery_name for one in theirs]
        aliases += [(one.alias_name, one.alias_port) for one in theirs]
    for one in found:
        if names.count(one.discovery_name) > 1:
            raise InvalidParameter(
                f"The discoveryName {one.discovery_name} is in use in this namespace."
            )
        if aliases.count((one.alias_name, one.alias_port)) > 1:
            raise InvalidParameter(
                f"The client alias {one.alias_name}:{one.alias_port} is in use in this namespace."
            )


def services_in(call: Call, namespace: str) -> list[Service]:
    """The active services of the account that are in a namespace (its ARN)."""
    return [
        one
        for one in rows.list_services(call.tx)
        if one.account == call.account
        and one.deleted_at is None
        and one.primary.connect is not None
        and one.primary.connect.namespace == namespace
    ]


def endpoints(call: Call, connect: Connect | None, owner: str) -> tuple[ConnectService, ...]:
    """What tasks of a deployment that begins now can reach: the service's own endpoints too."""
    if connect is None:
        return ()
    found = list(connect.services)
    for other in services_in(call, connect.namespace):
        if other.arn != owner and other.primary.connect is not None:
            found += other.primary.connect.services
    return tuple(sorted(found, key=lambda one: (one.alias_name, one.alias_port)))
