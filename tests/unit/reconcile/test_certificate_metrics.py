"""DaysToExpiry: twice a day, until the end.

https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
"""

from __future__ import annotations

import pytest
from tests.api.bundles import Maker
from tests.api.dns_cloud import Cloud
from tests.api.test_acm_import import Keys

import hiyoko.services.cloudwatch  # noqa: F401
from hiyoko.reconcile.certificate_metrics import EVERY_S, next_publication, publish
from hiyoko.services.acm.key_store import use_key_store
from hiyoko.services.acm.model import DAY_S
from hiyoko.services.acm.rows import list_all_known

HOUR_S = 3600


@pytest.fixture
def cloud() -> Cloud:
    use_key_store(Keys())
    return Cloud()


def published(cloud: Cloud) -> None:
    with cloud.store.reading() as tx:
        wished = list_all_known(tx)
    publish(cloud.store, cloud.clock, wished)


def data(cloud: Cloud, arn: str, since: float) -> list[dict[str, float]]:
    return list(
        cloud(
            "cloudwatch",
            "GetMetricStatistics",
            Namespace="AWS/CertificateManager",
            MetricName="DaysToExpiry",
            Dimensions=[{"Name": "CertificateArn", "Value": arn}],
            StartTime=since - since % HOUR_S,
            EndTime=cloud.clock.time + 1,
            Period=HOUR_S,
            Statistics=["Minimum", "SampleCount"],
        )["Datapoints"]
    )


def test_days_are_published_at_once_and_twice_a_day_until_the_end(cloud: Cloud) -> None:
    made = Maker().leaf("www.example.com")
    end = made.certificate.not_valid_after_utc.timestamp()
    cloud.clock.time = made.certificate.not_valid_before_utc.timestamp() + 1
    arn = cloud("acm", "ImportCertificate", Certificate=made.pem, PrivateKey=made.key_pem)[
        "CertificateArn"
    ]
    begun, days = cloud.clock.time, int((end - cloud.clock.time) // DAY_S)
    revision = cloud.store.connection.execute("SELECT number FROM revision").fetchone()
    # Now, and at the next three halves of a day.
    for _ in range(4):
        published(cloud)
        published(cloud)
        cloud.clock.time = next_publication(cloud.clock.time)
    assert cloud.clock.time % EVERY_S == 0
    # Nobody is woken by it.
    assert cloud.store.connection.execute("SELECT number FROM revision").fetchone() == revision
    found = data(cloud, arn, begun)
    assert [point["SampleCount"] for point in found] == [1] * 4
    assert max(point["Minimum"] for point in found) == days
    assert min(point["Minimum"] for point in found) < days
    cloud.clock.time = ended = end + 1
    published(cloud)
    cloud.clock.time += DAY_S
    assert data(cloud, arn, ended) == []
