"""``firelensConfiguration``, and what a task definition with a log router may look like.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_FirelensConfiguration.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/firelens-taskdef.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hiyoko.api import unsupported
from hiyoko.services.ecs.errors import ClientException
from hiyoko.services.ecs.model import ContainerDefinition, FirelensConfiguration

METADATA, FILE_TYPE, FILE_VALUE = (
    "enable-ecs-log-metadata",
    "config-file-type",
    "config-file-value",
)
BUFFER_LIMIT = "log-driver-buffer-limit"
BUFFER_LIMIT_MAX = 536_870_912
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/firelens-docker-buffer-limit.html"""
_MEMBER = "containerDefinitions.firelensConfiguration.options"


def firelens_configuration(request: Mapping[str, Any] | None) -> FirelensConfiguration | None:
    """The configuration of a container that has one; what Fargate would not take is refused."""
    if not request:
        return None
    options = dict(request.get("options") or {})
    for name in options:
        if name not in (METADATA, FILE_TYPE, FILE_VALUE):
            raise ClientException(f"Invalid option {name} for firelensConfiguration.")
    if options.get(METADATA, "true") not in ("true", "false"):
        raise ClientException(f"Invalid value for option {METADATA}: {options[METADATA]}.")
    _check_file(request["type"], options.get(FILE_TYPE), options.get(FILE_VALUE))
    return FirelensConfiguration(request["type"], tuple(options.items()))


def _check_file(kind: str, file_type: str | None, value: str | None) -> None:
    """The file that the generated one includes: of the image, on Fargate."""
    if file_type == "s3":
        if not re.fullmatch(r"arn:aws[a-z-]*:s3:::[^/]+/.+", value or ""):
            raise ClientException("Invalid arn syntax.")
        # AWS's page says so; where it refuses is a launch, whose error names nothing.
        raise ClientException(
            "Tasks hosted on AWS Fargate only support the file configuration file type."
        )
    if file_type not in (None, "file"):
        raise ClientException(f"invalid value {file_type} is specified for option {FILE_TYPE}")
    if file_type and not value:
        raise ClientException(f"option {FILE_TYPE} is specified but {FILE_VALUE} is not specified")
    if value and not file_type:
        raise ClientException(f"option {FILE_VALUE} is specified but {FILE_TYPE} is not specified")
    if kind == "fluentbit" and value and value.lower().endswith((".yaml", ".yml")):
        raise unsupported(f"{_MEMBER}.{FILE_VALUE}", value)


def check_routed(options: Mapping[str, str], secrets: Sequence[tuple[str, str]]) -> None:
    """The options of awsfirelens: most are the output's own, and nobody checks them here."""
    limit = options.get(BUFFER_LIMIT, "0")
    if not limit.isdigit() or int(limit) >= BUFFER_LIMIT_MAX:
        raise ClientException(
            f"Invalid value for log option {BUFFER_LIMIT}: {limit}. It must be greater than or"
            f" equal to 0 and less than {BUFFER_LIMIT_MAX}."
        )
    for name, _ in secrets:
        if name in options:
            raise ClientException(f"The log option {name} is given twice.")


def check_router(containers: Sequence[ContainerDefinition]) -> None:
    """One router where logs are routed, and none where they are not."""
    routers = [one for one in containers if one.firelens is not None]
    routed = [one for one in containers if one.log is not None and one.log.routed]
    if routed and not routers:
        raise ClientException(
            "When awsfirelens log driver is specified in log configuration, a firelens"
            " configuration object must be configured in one of the containers."
        )
    if routers and not routed:
        raise ClientException(
            "When a firelensConfiguration object is specified, at least one container has to be"
            " configured with the awsfirelens log driver."
        )
    if len(routers) > 1:
        raise ClientException("Only one container can have a firelensConfiguration object.")
    for one in routers:
        if one in routed:
            raise ClientException(
                f"Container {one.name} has a firelensConfiguration object: its own log driver"
                " cannot be awsfirelens."
            )
        if not re.fullmatch(r"\d+(?::[A-Za-z0-9_.-]+)?", one.user):
            raise ClientException(
                "If 'user' field is specified on firelens container, then 'UID' has to be a number."
            )
