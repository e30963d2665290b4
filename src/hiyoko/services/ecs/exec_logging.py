"""Where sessions of ECS Exec are logged: a cluster's ``executeCommandConfiguration``.

Without one, and with ``DEFAULT``, it is the log group of the container's own output.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommandConfiguration.html
"""

from __future__ import annotations

from typing import Any

from hiyoko.api import Request, unsupported
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.model import Cluster, ContainerDefinition

_UNSUPPORTED = (
    "cloudWatchEncryptionEnabled",
    "s3BucketName",
    "s3EncryptionEnabled",
    "s3KeyPrefix",
)


def configuration_in(request: Request) -> tuple[str, str]:
    """The kind of logging that a cluster's ``configuration`` asks for, and its log group."""
    configuration = request.get("configuration") or {}
    if configuration.get("managedStorageConfiguration"):
        raise unsupported("configuration.managedStorageConfiguration")
    given = configuration.get("executeCommandConfiguration") or {}
    if given.get("kmsKeyId"):
        raise unsupported("configuration.executeCommandConfiguration.kmsKeyId")
    logging = given.get("logging") or ""
    log = given.get("logConfiguration") or {}
    for member in _UNSUPPORTED:
        if log.get(member):
            raise unsupported(
                f"configuration.executeCommandConfiguration.logConfiguration.{member}"
            )
    group = log.get("cloudWatchLogGroupName") or ""
    if (logging == "OVERRIDE") != bool(group):
        raise InvalidParameter(
            "The logConfiguration of an executeCommandConfiguration is needed when logging is"
            " OVERRIDE, and can be given only then."
        )
    return logging, group


def configuration(one: Cluster) -> dict[str, Any]:
    """A cluster's ``configuration`` as it was given; empty without one."""
    if not one.exec_logging:
        return {}
    shown: dict[str, Any] = {"logging": one.exec_logging}
    if one.exec_log_group:
        shown["logConfiguration"] = {
            "cloudWatchLogGroupName": one.exec_log_group,
            "cloudWatchEncryptionEnabled": False,
            "s3EncryptionEnabled": False,
        }
    return {"configuration": {"executeCommandConfiguration": shown}}


def log_group(cluster: Cluster, container: ContainerDefinition) -> tuple[str, str]:
    """The log group of a session in a container, and its Region; empty when it has no log."""
    match cluster.exec_logging:
        case "NONE":
            return "", ""
        case "OVERRIDE":
            return cluster.exec_log_group, cluster.region
    if container.log is None or container.log.driver != "awslogs":
        return "", ""
    return container.log.option("awslogs-group"), container.log.option("awslogs-region")
