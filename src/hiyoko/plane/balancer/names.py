"""Readable, stable names: backend ``tg.NAME.ID``, server ``10.0.1.5:80``."""

from __future__ import annotations

from hiyoko.blueprint.balancers import Target

OPEN_BACKENDS = "open."
"""What the names of backends begin with that take every target, healthy or not."""


OPEN = "open:"
"""What a server's name begins with that is used when all fail: without a check, always usable."""


def backend_name(group_arn: str) -> str:
    """The backend of a target group: AWS's name and id of the group."""
    return "tg." + group_arn.rsplit(":targetgroup/", 1)[1].replace("/", ".")


def open_backend(group_arn: str) -> str:
    """The backend of all of a group's targets, healthy or not, where a threshold leads to it."""
    return OPEN_BACKENDS + backend_name(group_arn)


def server_name(target: Target) -> str:
    """A target's server: its address and port."""
    return f"{target.address}:{target.port}"
