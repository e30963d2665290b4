from __future__ import annotations

from typing import Any

import pytest
from tests.api.dns_cloud import Cloud

from hiyoko.api import AwsError

HTTP = {"Type": "HTTP", "IPAddress": "198.19.0.1"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def create(cloud: Cloud, reference: str = "r", **config: Any) -> dict[str, Any]:
    made = cloud(
        "route53",
        "CreateHealthCheck",
        CallerReference=reference,
        HealthCheckConfig=config or HTTP,
    )
    return dict(made["HealthCheck"])


def test_a_new_check_has_route_53s_defaults(cloud: Cloud) -> None:
    check = create(cloud)
    assert check["HealthCheckVersion"] == 1
    config = check["HealthCheckConfig"]
    assert len(config.pop("Regions")) == 8
    assert config == {
        **HTTP,
        "Port": 80,
        "RequestInterval": 30,
        "FailureThreshold": 3,
        "MeasureLatency": False,
        "Inverted": False,
        "Disabled": False,
        "EnableSNI": False,
    }


def test_a_caller_reference_makes_one_check_ever(cloud: Cloud) -> None:
    first = create(cloud)
    assert create(cloud) == first
    with pytest.raises(AwsError, match="HealthCheckAlreadyExists") as caught:
        create(cloud, **HTTP, Port=81)
    assert caught.value.status == 409
    cloud("route53", "DeleteHealthCheck", HealthCheckId=first["Id"])
    with pytest.raises(AwsError, match="HealthCheckAlreadyExists"):
        create(cloud)


def test_an_update_changes_what_is_given_and_needs_the_newest_version(cloud: Cloud) -> None:
    check = create(
        cloud, **HTTP, ResourcePath="/a", Regions=["us-east-1", "us-west-1", "eu-west-1"]
    )
    given = {"HealthCheckId": check["Id"], "HealthCheckVersion": 1}
    changed = cloud(
        "route53",
        "UpdateHealthCheck",
        **given,
        FailureThreshold=5,
        Inverted=True,
        ResetElements=["ResourcePath", "Regions"],
    )["HealthCheck"]
    assert changed["HealthCheckVersion"] == 2
    config = changed["HealthCheckConfig"]
    assert (config["FailureThreshold"], config["Inverted"]) == (5, True)
    assert "ResourcePath" not in config
    assert len(config["Regions"]) == 8
    with pytest.raises(AwsError, match="HealthCheckVersionMismatch"):
        cloud("route53", "UpdateHealthCheck", **given, Port=81)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"Type": "HTTP"}, "IPAddress or FullyQualifiedDomainName"),
        ({**HTTP, "IPAddress": "10.0.0.1"}, "not routable"),
        ({**HTTP, "IPAddress": "127.0.0.1"}, "not routable"),
        ({"Type": "TCP", "IPAddress": "198.19.0.1"}, "Port must be"),
        ({**HTTP, "RequestInterval": 20}, "10 or 30"),
        ({**HTTP, "SearchString": "x"}, "SearchString"),
        ({**HTTP, "Type": "HTTP_STR_MATCH"}, "SearchString"),
        ({**HTTP, "HealthThreshold": 1}, "HealthThreshold is not allowed"),
        ({"Type": "CALCULATED", "Port": 1}, "Port is not allowed"),
        ({"Type": "CLOUDWATCH_METRIC"}, "AlarmIdentifier must be"),
        ({"Type": "CLOUDWATCH_METRIC", "Port": 1}, "Port is not allowed"),
        ({**HTTP, "AlarmIdentifier": {"Region": "us-east-1", "Name": "x"}}, "AlarmIdentifier is"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    cloud: Cloud, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=f"InvalidInput: .*{message}"):
        create(cloud, **config)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"Type": "RECOVERY_CONTROL"}, "Type='RECOVERY_CONTROL'"),
        ({**HTTP, "MeasureLatency": True}, "MeasureLatency"),
        ({**HTTP, "IPAddress": "2001:db8::1"}, "IPAddress="),
        ({**HTTP, "RoutingControlArn": "arn:aws:x"}, "RoutingControlArn"),
    ],
)
def test_what_would_have_no_effect_is_refused_by_name(
    cloud: Cloud, config: dict[str, Any], name: str
) -> None:
    with pytest.raises(AwsError, match=f"hiyoko does not implement {name}"):
        create(cloud, **config)


def test_checks_are_listed_in_pages_counted_and_their_accounts_own(cloud: Cloud) -> None:
    made = {create(cloud, f"r{n}")["Id"] for n in range(3)}
    page = cloud("route53", "ListHealthChecks", MaxItems="2")
    rest = cloud("route53", "ListHealthChecks", Marker=page["NextMarker"])
    assert {c["Id"] for c in (*page["HealthChecks"], *rest["HealthChecks"])} == made
    assert (page["IsTruncated"], rest["IsTruncated"]) == (True, False)
    assert cloud("route53", "GetHealthCheckCount")["HealthCheckCount"] == 3
    other = cloud("route53", "ListHealthChecks", account="210987654321")
    assert other["HealthChecks"] == []
    with pytest.raises(AwsError, match="NoSuchHealthCheck") as caught:
        cloud("route53", "GetHealthCheck", account="210987654321", HealthCheckId=made.pop())
    assert caught.value.status == 404


def test_the_checkers_addresses_are_known(cloud: Cloud) -> None:
    ranges = cloud("route53", "GetCheckerIpRanges")["CheckerIpRanges"]
    assert (len(ranges), ranges[0]) == (8, "198.18.0.128/32")


def test_a_calculated_check_holds_its_children(cloud: Cloud) -> None:
    child = create(cloud)["Id"]
    above = {"Type": "CALCULATED", "ChildHealthChecks": [child], "HealthThreshold": 1}
    made = create(cloud, "above", **above)
    assert made["HealthCheckConfig"] == above | {"Inverted": False, "Disabled": False}
    with pytest.raises(AwsError, match="HealthCheckInUse"):
        cloud("route53", "DeleteHealthCheck", HealthCheckId=child)
    with pytest.raises(AwsError, match="does not implement ChildHealthChecks of Type"):
        create(cloud, "top", **above | {"ChildHealthChecks": [made["Id"]]})
    with pytest.raises(AwsError, match="NoSuchHealthCheck"):
        create(cloud, "none", **above | {"ChildHealthChecks": ["none"]})
    with pytest.raises(AwsError, match="InvalidInput"):
        cloud("route53", "GetHealthCheckStatus", HealthCheckId=made["Id"])
