"""``logConfiguration``: which drivers Fargate takes, and their options.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hiyoko.api import unsupported
from hiyoko.services.ecs.errors import ClientException
from hiyoko.services.ecs.firelens_options import check_routed
from hiyoko.services.ecs.model import LogConfiguration

DRIVERS = ("awslogs", "splunk", "awsfirelens")
REQUIRED = ("awslogs-region", "awslogs-group")
OPTIONS = (
    *REQUIRED,
    "awslogs-stream-prefix",
    "awslogs-create-group",
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "mode",
    "max-buffer-size",
)
_SIZE = re.compile(r"\d+\s?(?:[kmg]i?)?b?", re.IGNORECASE)


def log_configuration(
    request: Mapping[str, Any] | None, of: str = "containerDefinitions"
) -> LogConfiguration | None:
    """The configuration where there is one; what Fargate would not take is refused.

    ``of``: the request's member that it is in.
    """
    if not request:
        return None
    driver = request["logDriver"]
    if driver not in DRIVERS:
        raise ClientException(
            f"{driver} is not a valid log driver. Must be one of [{','.join(DRIVERS)}]"
        )
    options = dict(request.get("options") or {})
    secrets = tuple((one["name"], one["valueFrom"]) for one in request.get("secretOptions") or ())
    if driver == "splunk":
        raise unsupported(f"{of}.logConfiguration.logDriver", driver)
    if driver == "awsfirelens":
        check_routed(options, secrets)
    elif secrets:
        raise unsupported(f"{of}.logConfiguration.secretOptions", driver)
    else:
        _check(options)
    return LogConfiguration(driver, tuple(options.items()), secrets)


def _check(options: Mapping[str, str]) -> None:
    strangers = sorted(name for name in options if name not in OPTIONS)
    if strangers:
        raise ClientException(f"Log driver awslogs disallows options: {', '.join(strangers)}")
    if any(not options.get(name) for name in REQUIRED):
        raise ClientException(f"Log driver awslogs requires options: {', '.join(REQUIRED)}")
    if not options.get("awslogs-stream-prefix"):
        raise ClientException(
            "Log driver awslogs requires option awslogs-stream-prefix for Fargate tasks."
        )
    if options.get("awslogs-datetime-format") and options.get("awslogs-multiline-pattern"):
        raise ClientException(
            "You cannot configure log opt 'awslogs-datetime-format' and"
            " 'awslogs-multiline-pattern' at the same time."
        )
    if options.get("mode", "non-blocking") not in ("blocking", "non-blocking"):
        raise ClientException(
            f"Invalid value for log option mode: {options['mode']}. Valid values are blocking and"
            " non-blocking."
        )
    if not _SIZE.fullmatch(options.get("max-buffer-size", "10m")):
        raise ClientException(
            f"Invalid value for log option max-buffer-size: {options['max-buffer-size']}."
        )
    if options.get("awslogs-create-group", "false") not in ("true", "false"):
        raise ClientException(
            "Invalid value for log option awslogs-create-group:"
            f" {options['awslogs-create-group']}. Valid values are true and false."
        )
