"""Template values become requests as the operation's model wants them."""

from __future__ import annotations

from typing import Any

import pytest

from hiyoko.api import AwsError
from hiyoko.services.cloudformation.errors import PropertyFaultError
from hiyoko.services.cloudformation.requests import fitted


def test_scalars_take_the_type_that_the_model_wants() -> None:
    asked = {"Name": "g", "Port": "80", "HealthCheckEnabled": "true", "VpcId": 1}
    assert fitted("elbv2", "CreateTargetGroup", asked) == {
        "Name": "g",
        "Port": 80,
        "HealthCheckEnabled": True,
        "VpcId": "1",
    }


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Name": "g", "Prot": "HTTP"}, "#: extraneous key [Prot] is not permitted"),
        ({"Name": "g", "Port": "x"}, "#/Port: expected type: Integer, found: String"),
        ({"Name": ["g"]}, "#/Name: expected type: String, found: JSONArray"),
        (
            {"Name": "g", "Matcher": {"HttpCod": "200"}},
            "#/Matcher: extraneous key [HttpCod] is not permitted",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(PropertyFaultError) as refusal:
        fitted("elbv2", "CreateTargetGroup", request_)
    assert str(refusal.value) == message


def test_constraints_of_the_model_are_checked_as_for_a_client() -> None:
    with pytest.raises(AwsError, match="failed to satisfy constraint"):
        fitted("elbv2", "CreateTargetGroup", {"Name": "g", "Protocol": "GOPHER"})


def test_a_service_without_a_model_gets_the_request_as_it_is() -> None:
    assert fitted("nosuch", "Make", {"A": "1"}) == {"A": "1"}
