"""Silence about what we do not do is the worst lie: no member of a request is just not read."""

from pathlib import Path

import botocore.session
import pytest

import hiyoko.services.ecs
import hiyoko.services.logs  # noqa: F401
from hiyoko import api

SERVICES = Path(api.__file__).parent / "services"
AS_AWS_DOES = {("logs", "sequenceToken"), ("logs", "interleaved")}
"""Members that AWS itself takes and does not look at any more."""


@pytest.mark.parametrize("service", ["ecs", "logs"])
def test_every_member_of_every_request_is_read_or_refused(service: str) -> None:
    source = "\n".join(path.read_text() for path in (SERVICES / service).glob("*.py"))
    model = botocore.session.get_session().get_service_model(service)
    unread = {
        (operation, member)
        for operation in api.operations(service)
        if (shape := model.operation_model(operation).input_shape) is not None
        for member in shape.members
        if f'"{member}"' not in source and (service, member) not in AS_AWS_DOES
    }
    # ExecuteCommand is refused as a whole.
    assert {one for one in unread if one[0] != "ExecuteCommand"} == set()
