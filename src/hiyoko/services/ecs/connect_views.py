"""Service Connect as the API shows it."""

from __future__ import annotations

from typing import Any

from hiyoko.services.ecs.model import Connect, ConnectLog, ConnectService


def shown(one: Connect | None) -> dict[str, Any]:
    """A ``serviceConnectConfiguration``."""
    if one is None:
        return {"enabled": False}
    return {
        "enabled": True,
        "namespace": one.given or one.namespace,
        "services": [_shown_service(service) for service in one.services],
        **(_shown_log(one.log) if one.log is not None else {}),
    }


def _shown_log(one: ConnectLog) -> dict[str, Any]:
    log = {"logDriver": "awslogs", "options": dict(one.options), "secretOptions": []}
    if not one.access:
        return {"logConfiguration": log}
    query = "ENABLED" if one.query else "DISABLED"
    access = {"format": one.access, "includeQueryParameters": query}
    return {"logConfiguration": log, "accessLogConfiguration": access}


def _shown_service(one: ConnectService) -> dict[str, Any]:
    alias: dict[str, Any] = {"port": one.alias_port}
    if one.alias_given:
        alias["dnsName"] = one.alias_name
    if one.test_header:
        header: dict[str, Any] = {"name": one.test_header}
        header |= {"value": {"exact": one.test_value}} if one.test_value else {}
        alias["testTrafficRules"] = {"header": header}
    item: dict[str, Any] = {
        "portName": one.port_name,
        "discoveryName": one.discovery_name,
        "clientAliases": [alias],
    }
    if one.ingress_port:
        item["ingressPortOverride"] = one.ingress_port
    timeout = {"idleTimeoutSeconds": one.idle_s, "perRequestTimeoutSeconds": one.request_s}
    timeout = {name: value for name, value in timeout.items() if value is not None}
    return item | ({"timeout": timeout} if timeout else {})


def resources(one: Connect | None) -> list[dict[str, Any]]:
    """A deployment's ``serviceConnectResources``."""
    found = one.services if one is not None else ()
    return [
        {"discoveryName": service.discovery_name, "discoveryArn": service.registry}
        for service in found
    ]
