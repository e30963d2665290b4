"""Health checks that follow an alarm's data."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.api.dns_cloud import Cloud, record
from tests.api.test_alarm_checks import follow, put_alarm

from hiyoko.plane.checkers import Checkers
from hiyoko.reconcile import zones
from hiyoko.reconcile.health_checks import HealthCheckReconciler, unhealthy
from hiyoko.services.route53.seen import HEALTH_CHECKS_SEEN

MINUTE = 60.0


class NobodyAsks:
    async def ask(self, due: Any) -> dict[Any, Any]:
        assert not due
        return {}


class Shop:
    """A cloud whose minutes pass when told, with a check that follows the shop's orders."""

    def __init__(self, **settings: Any) -> None:
        self.cloud = Cloud()
        self.cloud.clock.time = 1_790_000_040.0
        put_alarm(self.cloud, EvaluationPeriods=1, **settings.pop("alarm", {}))
        self.check = follow(self.cloud, **settings)["Id"]
        self.reconciler = HealthCheckReconciler(
            self.cloud.store, cast(Checkers, NobodyAsks()), self.cloud.clock
        )

    async def minute(self, *orders: float) -> bool:
        """Let a minute pass in which this was ordered; then whether the check is healthy."""
        if orders:
            data = [{"MetricName": "Orders", "Value": value} for value in orders]
            self.cloud(
                "cloudwatch",
                "PutMetricData",
                region="eu-central-1",
                Namespace="Shop",
                MetricData=data,
            )
        self.cloud.clock.time += MINUTE
        await self.reconciler.activate()
        with self.cloud.store.reading() as tx:
            return self.check not in unhealthy(tx).checks


async def test_a_check_follows_the_data_and_not_the_state_of_its_alarm() -> None:
    shop = Shop()
    assert [await shop.minute(value) for value in (1, 5, 1)] == [True, False, True]
    shop.cloud(
        "cloudwatch",
        "SetAlarmState",
        region="eu-central-1",
        AlarmName="busy",
        StateValue="ALARM",
        StateReason="a test",
    )
    assert await shop.minute(1)


async def test_the_end_of_the_alarm_is_not_the_end_of_its_check() -> None:
    shop = Shop()
    shop.cloud("cloudwatch", "DeleteAlarms", region="eu-central-1", AlarmNames=["busy"])
    assert not await shop.minute(5)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Healthy", [True, False, True]),
        ("Unhealthy", [False, False, False]),
        ("LastKnownStatus", [True, False, False]),
    ],
)
async def test_too_little_data_count_as_the_check_says(status: str, expected: list[bool]) -> None:
    shop = Shop(InsufficientDataHealthStatus=status)
    found = [await shop.minute(), await shop.minute(5)]
    # Until the look-back of the alarm has no data any more.
    later = [await shop.minute() for _ in range(3)]
    assert [*found, later[-1]] == expected


async def test_missing_data_are_treated_as_the_alarm_says() -> None:
    shop = Shop(alarm={"TreatMissingData": "breaching"}, InsufficientDataHealthStatus="Healthy")
    assert not await shop.minute()


async def test_missing_data_that_an_alarm_ignores_change_nothing() -> None:
    shop = Shop(alarm={"TreatMissingData": "ignore"}, InsufficientDataHealthStatus="Unhealthy")
    assert [await shop.minute(1), *[await shop.minute() for _ in range(4)]] == [True] * 5


async def test_a_second_look_alike_writes_nothing_and_the_next_is_after_the_minute() -> None:
    shop = Shop()
    await shop.minute(1)
    revision = shop.cloud.store.connection.execute("SELECT number FROM revision").fetchone()
    report = await shop.reconciler.activate()
    assert not report.saw_change
    assert report.again_s == 63.0
    assert shop.cloud.store.connection.execute("SELECT number FROM revision").fetchone() == revision


async def test_a_record_set_fails_over_when_the_data_breach() -> None:
    shop = Shop()
    zone = shop.cloud.zone("my-project.jp")
    for failover, value, check in (
        ("PRIMARY", "192.0.2.1", shop.check),
        ("SECONDARY", "192.0.2.2", None),
    ):
        more = {"HealthCheckId": check} if check else {}
        wanted = record("www.my-project.jp", "A", value) | {
            "SetIdentifier": failover,
            "Failover": failover,
            **more,
        }
        shop.cloud.change(zone, ("CREATE", wanted))
    await shop.minute(5)
    with shop.cloud.store.reading() as tx:
        drawn = zones.draw(tx)
    [group] = [r for z in drawn.zones for r in z.records if r.name == "www.my-project.jp."]
    assert {choice.primary: choice.healthy for choice in group.choices} == {
        True: False,
        False: True,
    }


async def test_a_disabled_check_is_healthy_and_an_inverted_one_the_reverse() -> None:
    shop = Shop(Inverted=True)
    assert [await shop.minute(value) for value in (5, 1)] == [True, False]
    shop.cloud("route53", "UpdateHealthCheck", HealthCheckId=shop.check, Disabled=True)
    await shop.reconciler.activate()
    with shop.cloud.store.reading() as tx:
        assert HEALTH_CHECKS_SEEN.list(tx) == []
        assert unhealthy(tx).checks == {shop.check}
