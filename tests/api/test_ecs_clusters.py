"""Clusters and tags through the operations of ECS."""

from typing import Any

import pytest
from tests.api.ecs_cloud import Cloud, refusal


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.ready()


def test_the_same_cluster_name_returns_the_first_cluster(cloud: Cloud) -> None:
    first = cloud("CreateCluster", clusterName="c")["cluster"]
    assert first["status"] == "ACTIVE"
    assert cloud("ListClusters")["clusterArns"] == [first["clusterArn"]]


def test_a_deleted_cluster_is_inactive_and_not_listed(cloud: Cloud) -> None:
    assert cloud("DeleteCluster", cluster="c")["cluster"]["status"] == "INACTIVE"
    assert cloud("ListClusters")["clusterArns"] == []
    assert cloud("DescribeClusters", clusters=["c", "x"])["failures"] == [
        {"arn": "arn:aws:ecs:ap-northeast-1:123456789012:cluster/x", "reason": "MISSING"}
    ]
    assert refusal(cloud, "ListTasks", cluster="c") == (
        "ClusterNotFoundException",
        "Cluster not found.",
    )


def test_a_cluster_with_a_task_or_a_service_is_not_deleted(cloud: Cloud) -> None:
    (task,) = cloud.run_task()
    cloud("StopTask", cluster="c", task=task["taskArn"])
    code, _ = refusal(cloud, "DeleteCluster", cluster="c")
    assert code == "ClusterContainsTasksException"
    cloud.serve()
    code, _ = refusal(cloud, "DeleteCluster", cluster="c")
    assert code == "ClusterContainsServicesException"


def test_a_cluster_says_where_sessions_are_logged(cloud: Cloud) -> None:
    def described() -> dict[str, Any]:
        (shown,) = cloud("DescribeClusters", clusters=["c"], include=["CONFIGURATIONS"])["clusters"]
        return dict(shown.get("configuration") or {})

    def wanted(**configuration: Any) -> dict[str, Any]:
        given = {"executeCommandConfiguration": configuration}
        return {"cluster": "c", "configuration": given}

    assert described() == {}
    cloud("UpdateCluster", **wanted(logging="NONE"))
    assert described() == {"executeCommandConfiguration": {"logging": "NONE"}}
    log = {"cloudWatchLogGroupName": "/sessions"}
    shown = cloud("UpdateCluster", **wanted(logging="OVERRIDE", logConfiguration=log))["cluster"]
    (group,) = shown["configuration"].values()
    assert group["logConfiguration"]["cloudWatchLogGroupName"] == "/sessions"
    assert described() == shown["configuration"]
    cloud("UpdateCluster", cluster="c", serviceConnectDefaults={"namespace": "shop"})
    assert described() == shown["configuration"]
    for refused, told in (
        ({"kmsKeyId": "k"}, "executeCommandConfiguration.kmsKeyId"),
        ({"logging": "OVERRIDE"}, "OVERRIDE"),
        ({"logging": "NONE", "logConfiguration": log}, "OVERRIDE"),
        ({"logging": "OVERRIDE", "logConfiguration": {"s3BucketName": "b"}}, "s3BucketName"),
    ):
        assert told in refusal(cloud, "UpdateCluster", **wanted(**refused))[1]
    storage = {"managedStorageConfiguration": {"kmsKeyId": "k"}}
    _, message = refusal(cloud, "CreateCluster", clusterName="d", configuration=storage)
    assert "managedStorageConfiguration" in message


def test_tags_of_every_kind_of_resource(cloud: Cloud) -> None:
    (task,) = cloud.run_task(tags=[{"key": "a", "value": "1"}])
    service = cloud.serve()
    for arn in (
        task["taskArn"],
        task["clusterArn"],
        task["taskDefinitionArn"],
        service["serviceArn"],
    ):
        cloud("TagResource", resourceArn=arn, tags=[{"key": "b", "value": "2"}])
        cloud("UntagResource", resourceArn=arn, tagKeys=["a"])
        answer = cloud("ListTagsForResource", resourceArn=arn)
        assert answer["tags"] == [{"key": "b", "value": "2"}]


def test_a_cluster_keeps_container_insights_until_it_is_told_otherwise(cloud: Cloud) -> None:
    def settings(value: str) -> list[dict[str, str]]:
        return [{"name": "containerInsights", "value": value}]

    def shown() -> str:
        found = cloud("DescribeClusters", clusters=["i"], include=["SETTINGS"])["clusters"]
        return str(found[0]["settings"][0]["value"])

    cloud("CreateCluster", clusterName="i", settings=settings("enabled"))
    assert shown() == "enabled"
    cloud("UpdateCluster", cluster="i")
    assert shown() == "enabled"
    cloud("UpdateClusterSettings", cluster="i", settings=settings("disabled"))
    assert shown() == "disabled"
    code, text = refusal(cloud, "UpdateCluster", cluster="i", settings=settings("enhanced"))
    assert code == "NotImplemented"
    assert "containerInsights='enhanced'" in text
    code, _ = refusal(cloud, "UpdateCluster", cluster="i", settings=settings("yes"))
    assert code == "InvalidParameterException"
