"""The daemon: the composition root. It runs inside the world and may be killed at any moment.

Traffic does not need it: HAProxy, the DNS server and containers are children of the world's init.
What it adds is AWS's API and the reconcilers.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aiohttp.web import SockSite

from hiyoko import services
from hiyoko.clock import SystemClock
from hiyoko.gateway.browser_proxy import BrowserProxy
from hiyoko.gateway.local import LocalRoutes
from hiyoko.gateway.registry import RegistryHandler
from hiyoko.gateway.server import Gateway
from hiyoko.plane.addresses import AWS_ENDPOINT, CLIENT, INTERNET_RESOLVER
from hiyoko.plane.ca.authority import root_certificate_path
from hiyoko.plane.ca.endpoints import ENDPOINT_NAMES, endpoint_context, service_context
from hiyoko.plane.ca.issuing import CertificateFiles
from hiyoko.plane.checkers import Checkers
from hiyoko.plane.containers.plane import ContainerPlane
from hiyoko.plane.dns.dns_server import DnsServer
from hiyoko.plane.endpoints import EndpointPlane
from hiyoko.plane.error import PlaneError
from hiyoko.plane.network import NetworkPlane
from hiyoko.plane.network.internet import prepare_internet
from hiyoko.porter.client import PorterClient
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.reconcile.certificates import CertificateReconciler
from hiyoko.reconcile.describe import describe
from hiyoko.reconcile.ecs_services import EcsServicesReconciler
from hiyoko.reconcile.endpoints import EndpointReconciler
from hiyoko.reconcile.health_checks import HealthCheckReconciler
from hiyoko.reconcile.loop import Loop
from hiyoko.reconcile.network import NetworkReconciler
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.reconcile.tasks import TaskReconciler
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.cloudformation.requests import use_specs
from hiyoko.settings import READY, Settings
from hiyoko.store.database import Store, StoreError
from hiyoko.upkeep import keep_heap_small, log_to, watch_children_by_descriptor

RESET_S = 60.0
REGISTRY_HOSTS = ("*.dkr.ecr.*.amazonaws.com", "*.docker.io", "docker.io", "public.ecr.aws")


def options() -> tuple[Settings, argparse.Namespace]:
    """What ``launch`` passed: settings, and the numbers of the sockets bound on the host."""
    parser = argparse.ArgumentParser(prog="hiyoko.daemon")
    parser.add_argument("--state-dir", type=Path, required=True)
    for name in ("--api-port", "--proxy-port", "--api-fd", "--proxy-fd", "--ready-fd", "--lock-fd"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    return Settings(given.state_dir, given.api_port, given.proxy_port), given


async def serve(settings: Settings, given: argparse.Namespace) -> None:
    """Run until told to end."""
    services.load()
    clock = SystemClock()
    with _told(given.ready_fd):
        store = Store.open(settings.database)
        await prepare_internet()
    trust = root_certificate_path(settings)
    containers = ContainerPlane(settings, trust, lambda: loop.wake_one("tasks"))
    gateway = Gateway(store, settings, clock=clock)
    use_specs(gateway.specs)

    async def serve_endpoint(listener: socket.socket, names: Sequence[str]) -> SockSite:
        return await gateway.serve(listener, service_context(settings, names))

    loop = Loop.of(
        [
            NetworkReconciler(store, NetworkPlane(), clock),
            EndpointReconciler(store, EndpointPlane(serve_endpoint), clock),
            ZoneReconciler(store, DnsServer(settings), clock),
            HealthCheckReconciler(store, Checkers(), clock),
            CertificateReconciler(store, CertificateFiles(settings), clock),
            BalancerReconciler.of(store, settings),
            TaskReconciler(store, containers, clock),
            EcsServicesReconciler(store, clock),
            StackReconciler(store, clock),
        ]
    )

    def status() -> dict[str, object]:
        return describe(store, loop, containers.limits_enforced())

    async def settle() -> None:
        await loop.settle(RESET_S)

    store.watch(loop.wake)
    registry = RegistryHandler(store, settings, PorterClient(settings.run_dir))
    for host in REGISTRY_HOSTS:
        gateway.register_host(host, registry.handle)
    gateway.register_registry(registry.handle)
    LocalRoutes(store, settings, status, settle).register(gateway)
    await gateway.serve(socket.socket(fileno=given.api_fd))
    endpoint = socket.create_server((str(AWS_ENDPOINT), 443), reuse_port=False, backlog=512)
    await gateway.serve(endpoint, endpoint_context(settings, ENDPOINT_NAMES))
    proxy = BrowserProxy(str(INTERNET_RESOLVER), str(CLIENT))
    server = await proxy.serve(socket.socket(fileno=given.proxy_fd))
    running = asyncio.create_task(loop.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    # Fails, and ends us, when whoever started us was killed; only then may another start look.
    os.write(given.ready_fd, READY)
    os.close(given.ready_fd)
    os.close(given.lock_fd)
    try:
        await running
    except asyncio.CancelledError:
        server.close()
        await gateway.close()
        store.close()


@contextmanager
def _told(ready_fd: int) -> Iterator[None]:
    """Tell who waits for us why we cannot be ready."""
    try:
        yield
    except (StoreError, PlaneError) as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the text says it all
        os.write(ready_fd, str(error).encode())
        raise SystemExit(1) from error


def main() -> None:
    """``python -m hiyoko.daemon``: started by ``hiyoko.launch`` inside the world."""
    keep_heap_small()
    settings, given = options()
    log_to(settings.daemon_log, os.environ.get("HIYOKO_LOG", "INFO"))
    watch_children_by_descriptor()
    asyncio.run(serve(settings, given))


if __name__ == "__main__":
    main()
