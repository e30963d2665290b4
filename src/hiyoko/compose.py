"""The composition root: the only file that knows every part."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import cache, partial

from aiohttp.web import BaseRequest, SockSite, StreamResponse

from hiyoko import api
from hiyoko.blueprint.tasks import LogTarget
from hiyoko.clock import Clock
from hiyoko.gateway import data_channel, layer_bucket, public_keys
from hiyoko.gateway.data_channel import DataChannels
from hiyoko.gateway.local import LocalRoutes
from hiyoko.gateway.public_images import HOSTS as PUBLIC_HOSTS
from hiyoko.gateway.registry import RegistryHandler
from hiyoko.gateway.server import Gateway, LocalHandler
from hiyoko.gateway.session import OpenTerminal
from hiyoko.neighbours import Neighbours
from hiyoko.neighbours.event_log import event_log
from hiyoko.plane.balancer.signing import signing_key
from hiyoko.plane.ca.authority import root_certificate_path
from hiyoko.plane.ca.endpoints import service_context
from hiyoko.plane.ca.issuing import CertificateFiles
from hiyoko.plane.ca.responder import HOSTS, Responder
from hiyoko.plane.checkers import Checkers
from hiyoko.plane.containers.cgroups import limits_enforced
from hiyoko.plane.containers.collector import Collector
from hiyoko.plane.containers.exec import Terminal
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.containers.uploads import Uploads
from hiyoko.plane.dns.query_log import QueryLog
from hiyoko.plane.dns.vpc_query_log import VpcQueryLog
from hiyoko.plane.endpoints import EndpointPlane
from hiyoko.plane.network import NetworkPlane
from hiyoko.porter.client import PorterClient
from hiyoko.reconcile.alarms import AlarmReconciler
from hiyoko.reconcile.anomalies import AnomalyReconciler
from hiyoko.reconcile.balancer_logs import BalancerLogsReconciler
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.reconcile.certificates import CertificateReconciler
from hiyoko.reconcile.connect import ConnectReconciler
from hiyoko.reconcile.describe import describe, describe_images
from hiyoko.reconcile.ecs_events import EcsEventsReconciler
from hiyoko.reconcile.ecs_services import EcsServicesReconciler
from hiyoko.reconcile.endpoints import EndpointReconciler
from hiyoko.reconcile.health_checks import HealthCheckReconciler
from hiyoko.reconcile.helper_logs import HelperLogs
from hiyoko.reconcile.image_store import ImageStoreReconciler
from hiyoko.reconcile.log_retention import LogRetention
from hiyoko.reconcile.loop import Loop
from hiyoko.reconcile.name_servers import name_servers
from hiyoko.reconcile.network import NetworkReconciler
from hiyoko.reconcile.query_logs import QueryLogReconciler
from hiyoko.reconcile.registry import RegistryReconciler
from hiyoko.reconcile.resolver_logs import ResolverLogReconciler
from hiyoko.reconcile.role_keys import role_keys
from hiyoko.reconcile.scaling import ScalingReconciler
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.reconcile.task_metrics import TaskMetricsReconciler
from hiyoko.reconcile.task_protection import task_protection
from hiyoko.reconcile.tasks import TaskReconciler
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.acm.key_store import use_key_store
from hiyoko.services.acm.model import ACME_HOST
from hiyoko.services.cloudformation.requests import use_specs
from hiyoko.services.ecr.layer_store import use_layer_store
from hiyoko.services.ecs.model import ExecSession
from hiyoko.services.route53.dns_answers import use_name_servers
from hiyoko.services.ssm.sessions import use_streams
from hiyoko.settings import Settings
from hiyoko.store.database import Store

RESET_S = 60.0
FOLLOWS = {
    "endpoints": ("network",),
    "zones": ("network",),
    "certificates": ("zones",),
    "balancers": ("network", "certificates"),
    "connect": ("network",),
    "tasks": ("network",),
    "alarms": ("balancer_logs", "task_metrics", "connect"),
}
"""Who looks at what another makes, beside rows: namespaces, answers of DNS, certificates' files,
samples of metrics."""
REGISTRY_HOSTS = ("*.dkr.ecr.*.amazonaws.com", "*.docker.io", *PUBLIC_HOSTS)


def compose(
    store: Store, settings: Settings, clock: Clock, users_refused: str, storage_refused: str
) -> tuple[Gateway, Loop]:
    """AWS's API over a store, and the reconcilers that make its wishes true. Nothing runs yet."""
    containers = container_plane(
        store, settings, clock, lambda: loop.wake_one("tasks"), limited=not storage_refused
    )
    collector = Collector(settings.image_dir)
    neighbours = Neighbours(write_log=event_log(store, clock))
    api.use_neighbours(neighbours.ask)
    gateway = Gateway(store, settings, clock=clock, neighbours=neighbours)
    use_specs(gateway.specs)
    certificates = CertificateFiles(settings)
    use_key_store(certificates)
    use_layer_store(Uploads(settings.image_dir))
    use_name_servers(name_servers(settings))
    gateway.register_host(HOSTS, Responder(settings, clock).handle)
    gateway.register_host(ACME_HOST, acme_handler(store, clock))

    async def serve_endpoint(listener: socket.socket, names: Sequence[str]) -> SockSite:
        return await gateway.serve(listener, service_context(settings, names))

    def heard() -> bool:
        return "events" in neighbours.used

    logs = BalancerLogsReconciler.of(store, settings, lambda: loop.wake_one("balancer_logs"))
    # First looks are taken in this order: after a power cut, the network is made for the tasks that
    # will be, not for those that were.
    loop = Loop.of(
        [
            TaskReconciler(store, containers, clock),
            EcsServicesReconciler(store, clock),
            NetworkReconciler(store, NetworkPlane(users=not users_refused), clock),
            EndpointReconciler(store, EndpointPlane(serve_endpoint), clock),
            QueryLogReconciler(store, QueryLog.below(settings.run_dir), clock),
            ResolverLogReconciler(store, VpcQueryLog.below(settings.run_dir), clock),
            ZoneReconciler.of(store, settings, lambda: loop.wake_one("zones"), clock),
            HealthCheckReconciler(store, Checkers(), clock),
            CertificateReconciler(store, certificates, clock, heard),
            BalancerReconciler.of(store, settings, lambda: loop.wake_one("balancers")),
            ConnectReconciler.of(store, settings, lambda: loop.wake_one("connect"), clock),
            EcsEventsReconciler(store, heard, clock),
            StackReconciler(store, clock),
            logs,
            AnomalyReconciler.of(store, settings, clock),
            TaskMetricsReconciler(store, containers.usage, clock),
            AlarmReconciler(store, clock),
            RegistryReconciler(store, heard, clock),
            ImageStoreReconciler(store, containers, collector, clock),
            LogRetention(store, clock),
            HelperLogs(settings),
            ScalingReconciler(store, clock),
        ],
        FOLLOWS,
    )

    def status() -> dict[str, object]:
        told = describe(store, loop, limits_enforced(), storage_refused, users_refused)
        told |= neighbours.describe()
        return told | {"images": describe_images(collector.observe())}

    async def settle() -> None:
        await neighbours.reset()
        await loop.settle(RESET_S)

    store.watch(loop.wake_readers)
    registry = RegistryHandler(store, settings, PorterClient(settings.run_dir), clock)
    for host in REGISTRY_HOSTS:
        gateway.register_host(host, registry.handle)
    gateway.register_registry(registry.handle)
    channels = DataChannels(store, clock, terminals(containers))
    gateway.register_host(data_channel.HOST, channels.handle)
    gateway.register_channels(channels.handle)
    use_streams(channels.opened)
    gateway.register_host(layer_bucket.HOST, layer_bucket.LayerBucket(store, settings).handle)
    find_key = partial(public_key, settings)
    gateway.register_host(public_keys.HOST, public_keys.PublicKeys(find_key).handle)
    local = LocalRoutes(store, settings, status, settle, logs.plane.ask)
    local.register(gateway)
    return gateway, loop


def container_plane(
    store: Store, settings: Settings, clock: Clock, wake: Callable[[], None], *, limited: bool
) -> ContainerPlane:
    """Tasks' containers, with what their agents ask of AWS; ``limited``: in what they may write."""
    return ContainerPlane(
        settings,
        root_certificate_path(settings),
        wake,
        role_keys(store, clock),
        clock,
        limited,
        task_protection(store, clock),
    )


def acme_handler(store: Store, clock: Clock) -> LocalHandler:
    """ACME's server, loaded when the first client comes, and josepy with it."""

    @cache
    def server() -> LocalHandler:
        from hiyoko.gateway.acme import AcmeServer

        return AcmeServer(store, clock).handle

    async def handle(request: BaseRequest) -> StreamResponse:
        return await server()(request)

    return handle


def public_key(settings: Settings, kid: str) -> str | None:
    """The public half of the key that balancers sign with, if it has this id."""
    key = signing_key(settings)
    return key.public if key.kid == kid else None


def terminals(containers: ContainerPlane) -> OpenTerminal:
    """Terminals of ECS Exec's sessions: in their tasks' containers, and logged where they are."""

    async def open_terminal(session: ExecSession, argv: list[str]) -> Terminal:
        log = None
        if session.log_group:
            log = LogTarget(session.log_group, session.id, session.log_region)
        return await containers.open_terminal(session.task_arn, session.runtime_id, argv, log)

    return open_terminal
