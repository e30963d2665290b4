"""The daemon: the composition root. It runs inside the world and may be killed at any moment.

Traffic does not need it: HAProxy, the DNS server and containers are children of the world's init.
What it adds is AWS's API and the reconcilers.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import logging.handlers
import os
import signal
import socket
import sys
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
from hiyoko.plane.ca.endpoints import endpoint_context, service_context
from hiyoko.plane.ca.issuing import CertificateFiles
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
from hiyoko.reconcile.loop import Loop
from hiyoko.reconcile.network import NetworkReconciler
from hiyoko.reconcile.stacks import StackReconciler
from hiyoko.reconcile.tasks import TaskReconciler
from hiyoko.reconcile.zones import ZoneReconciler
from hiyoko.services.cloudformation.requests import use_specs
from hiyoko.settings import READY, Settings
from hiyoko.store.database import Store, StoreError

ENDPOINT_NAMES = ("*.ap-northeast-1.amazonaws.com", "*.amazonaws.com")
RESET_S = 60.0
LOG_BYTES_MAX = 5_000_000
STDERR = 2
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""malloc's own names and numbers (mallopt(3))."""
HEAP_BYTES = 128 * 1024
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


class LogFile(logging.handlers.RotatingFileHandler):
    """The daemon's log and one older file. What is printed to stderr stays with the newer one."""

    def doRollover(self) -> None:
        """Begin a new file, and let stderr, which ``launch`` opened on the old one, follow."""
        super().doRollover()
        if self.stream is not None:
            os.dup2(self.stream.fileno(), STDERR)


def keep_heap_small() -> None:
    """Hold glibc to its first thresholds: it raises them with each big block that was freed.

    Then every later answer of some megabytes would stay part of a heap that is never given back.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # it is glibc's alone
        mallopt(M_MMAP_THRESHOLD, HEAP_BYTES)
        mallopt(M_TRIM_THRESHOLD, HEAP_BYTES)


def main() -> None:
    """``python -m hiyoko.daemon``: started by ``hiyoko.launch`` inside the world."""
    keep_heap_small()
    settings, given = options()
    logging.basicConfig(
        level=os.environ.get("HIYOKO_LOG", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        handlers=[LogFile(settings.daemon_log, maxBytes=LOG_BYTES_MAX, backupCount=1)],
    )
    if sys.version_info < (3, 12):
        # One descriptor for a program that runs, instead of a thread (the default from 3.12 on).
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    asyncio.run(serve(settings, given))


if __name__ == "__main__":
    main()
