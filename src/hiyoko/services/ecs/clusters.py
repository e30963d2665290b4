"""Clusters."""

from __future__ import annotations

import re
from dataclasses import replace

from hiyoko.api import AwsError, Call, Request, Response, operation, unsupported
from hiyoko.services.ecs import connect, names, rows, sight, views
from hiyoko.services.ecs.capacity import in_use, providers_in, strategy_in
from hiyoko.services.ecs.errors import InvalidParameter
from hiyoko.services.ecs.exec_logging import configuration_in
from hiyoko.services.ecs.model import Cluster

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ALL = ("TAGS", "SETTINGS", "CONFIGURATIONS")


@operation("CreateCluster")
def create_cluster(call: Call, request: Request) -> Response:
    """Create a cluster; an active one of the same name is returned as it is."""
    exec_logging, exec_log_group = configuration_in(request)
    name = request.get("clusterName") or names.DEFAULT_CLUSTER
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            "The cluster name must consist of 1 to 255 letters, numbers, hyphens and underscores."
        )
    old = rows.find_cluster(call.tx, call.account, call.region, name)
    if old is None or old.deleted_at is not None:
        old = Cluster(
            account=call.account,
            region=call.region,
            name=name,
            arn=call.arn("ecs", f"cluster/{name}"),
            created_at=call.now,
            container_insights=_insights(request, "disabled"),
            capacity_providers=providers_in(request),
            strategy=strategy_in(request.get("defaultCapacityProviderStrategy")),
            connect_namespace=connect.default_namespace(
                call, request.get("serviceConnectDefaults")
            ),
            exec_logging=exec_logging,
            exec_log_group=exec_log_group,
            tags=names.tags_in(request),
        )
        rows.CLUSTERS.put(call.tx, old)
    return {"cluster": views.cluster(old, sight.counts(call.tx, old), include=_ALL)}


@operation("DescribeClusters")
def describe_clusters(call: Call, request: Request) -> Response:
    """Describe clusters; unknown ones are named in ``failures``."""
    found, failures = [], []
    for reference in request.get("clusters") or [names.DEFAULT_CLUSTER]:
        name = names.cluster_name(reference)
        cluster = rows.find_cluster(call.tx, call.account, call.region, name)
        if cluster is None:
            failures.append(views.missing(call.arn("ecs", f"cluster/{name}")))
        else:
            counts = sight.counts(call.tx, cluster)
            found.append(views.cluster(cluster, counts, include=request.get("include") or ()))
    return {"clusters": found, "failures": failures}


@operation("ListClusters")
def list_clusters(call: Call, request: Request) -> Response:
    """ARNs of the active clusters."""
    clusters = rows.list_clusters(call.tx, call.account, call.region)
    active = [cluster.arn for cluster in clusters if cluster.deleted_at is None]
    return names.page(active, request, "clusterArns")


@operation("DeleteCluster")
def delete_cluster(call: Call, request: Request) -> Response:
    """Delete a cluster that holds no active service and no task."""
    cluster = names.cluster_of(call, request.get("cluster"))
    counts = sight.counts(call.tx, cluster)
    if counts.active_services:
        raise AwsError(
            "ClusterContainsServicesException",
            "The Cluster cannot be deleted while Services are active.",
        )
    if counts.unfinished:
        raise AwsError(
            "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."
        )
    deleted = replace(cluster, deleted_at=call.now)
    rows.CLUSTERS.put(call.tx, deleted)
    return {"cluster": views.cluster(deleted, counts, include=())}


@operation("PutClusterCapacityProviders")
def put_cluster_capacity_providers(call: Call, request: Request) -> Response:
    """Replace the cluster's capacity providers and its default strategy."""
    cluster = names.cluster_of(call, request.get("cluster"))
    providers = providers_in(request)
    if _used_providers(call, cluster) - set(providers):
        raise in_use()
    changed = replace(
        cluster,
        capacity_providers=providers,
        strategy=strategy_in(request.get("defaultCapacityProviderStrategy")),
    )
    rows.CLUSTERS.put(call.tx, changed)
    return {"cluster": views.cluster(changed, sight.counts(call.tx, changed), include=())}


@operation("UpdateCluster")
def update_cluster(call: Call, request: Request) -> Response:
    """Change the settings, the namespace of services by default, and the logging of sessions."""
    cluster = names.cluster_of(call, request["cluster"])
    exec_logging, exec_log_group = cluster.exec_logging, cluster.exec_log_group
    if request.get("configuration") is not None:
        exec_logging, exec_log_group = configuration_in(request)
    namespace = cluster.connect_namespace
    if request.get("serviceConnectDefaults") is not None:
        namespace = connect.default_namespace(call, request["serviceConnectDefaults"])
    changed = replace(
        cluster,
        container_insights=_insights(request, cluster.container_insights),
        connect_namespace=namespace,
        exec_logging=exec_logging,
        exec_log_group=exec_log_group,
    )
    rows.CLUSTERS.put(call.tx, changed)
    counts = sight.counts(call.tx, changed)
    return {"cluster": views.cluster(changed, counts, include=("SETTINGS", "CONFIGURATIONS"))}


@operation("UpdateClusterSettings")
def update_cluster_settings(call: Call, request: Request) -> Response:
    """Change containerInsights: ``enabled`` or ``disabled``."""
    cluster = names.cluster_of(call, request.get("cluster"))
    changed = replace(cluster, container_insights=_insights(request, cluster.container_insights))
    rows.CLUSTERS.put(call.tx, changed)
    counts = sight.counts(call.tx, changed)
    return {"cluster": views.cluster(changed, counts, include=("SETTINGS",))}


def _insights(request: Request, before: str) -> str:
    """The ``containerInsights`` of a request, or as it was; ``enhanced`` is refused by name."""
    insights = before
    for setting in request.get("settings") or ():
        insights = setting.get("value") or "disabled"
        if insights == "enhanced":
            raise unsupported("settings.containerInsights", insights)
        if insights not in ("enabled", "disabled"):
            raise InvalidParameter(f"{insights} is not a valid value for containerInsights.")
    return insights


def _used_providers(call: Call, cluster: Cluster) -> set[str]:
    """What services' strategies name and tasks run on."""
    used = {
        name
        for service in rows.list_services(call.tx, cluster=cluster.arn)
        if service.deleted_at is None
        for name, _, _ in service.strategy
    }
    tasks = rows.list_tasks(call.tx, cluster=cluster.arn)
    running = [one.launched_by for one in tasks if one.ended_at is None]
    return used | {one.partition(":")[2] for one in running if ":" in one}
