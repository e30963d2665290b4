"""The daemon's life: from its sockets to its end. Inside the world; may be killed at any moment.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiyoko import services
from hiyoko.blueprint.service_addresses import service_addresses
from hiyoko.clock import SteadyClock
from hiyoko.compose import compose
from hiyoko.gateway.browser_proxy import BrowserProxy
from hiyoko.plane.addresses import AWS_ENDPOINT, CLIENT, INTERNET_RESOLVER
from hiyoko.plane.ca.endpoints import ENDPOINT_NAMES, endpoint_context
from hiyoko.plane.containers import blobs
from hiyoko.plane.containers.storage import storage_refused
from hiyoko.plane.containers.trial import users_refused
from hiyoko.plane.error import PlaneError
from hiyoko.plane.network.internet import prepare_internet
from hiyoko.settings import READY, Settings
from hiyoko.store.database import Store, StoreError
from hiyoko.upkeep import (
    keep_heap_small,
    keep_tls_buffers_small,
    log_to,
    share_methods,
    watch_children_by_descriptor,
)


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
    share_methods("hiyoko")
    clock = SteadyClock(_last_write(settings))
    with _told(given.ready_fd):
        store = Store.open(settings.database)
        await prepare_internet()
        _sweep(settings)
        refused = await users_refused(settings.image_dir), await storage_refused(settings)
    gateway, loop = compose(store, settings, clock, *refused)
    await gateway.serve(socket.socket(fileno=given.api_fd))
    context = endpoint_context(settings, ENDPOINT_NAMES)
    for address in (AWS_ENDPOINT, *service_addresses()):
        await gateway.serve(socket.create_server((str(address), 443), backlog=512), context)
        # In the clear, too: where certificates point to for OCSP and revocation lists, and S3.
        await gateway.serve(socket.create_server((str(address), 80), backlog=512))
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


def _last_write(settings: Settings) -> float:
    """When the database was written last: no time before that can be now."""
    wal = settings.database.with_name(f"{settings.database.name}-wal")
    return max((one.stat().st_mtime for one in (settings.database, wal) if one.exists()), default=0)


def _sweep(settings: Settings) -> None:
    """Once in each world's life: what its predecessor was in the middle of when it ended."""
    swept = settings.run_dir / "swept"
    if not swept.exists():
        left = blobs.sweep(settings.image_dir)
        if left:
            logging.getLogger(__name__).info("%d half-written images deleted", left)
        swept.touch()


@contextmanager
def _told(ready_fd: int) -> Iterator[None]:
    """Tell who waits for us why we cannot be ready."""
    try:
        yield
    except (StoreError, PlaneError, OSError) as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the text says it all
        os.write(ready_fd, str(error).encode())
        raise SystemExit(1) from error


def main() -> None:
    """``python -m hiyoko.daemon``: started by ``hiyoko.launch`` inside the world."""
    keep_heap_small()
    keep_tls_buffers_small()
    settings, given = options()
    log_to(settings.daemon_log, os.environ.get("HIYOKO_LOG", "INFO"))
    watch_children_by_descriptor()
    asyncio.run(serve(settings, given))


if __name__ == "__main__":
    main()
