"""A real gateway on a real socket: boto3 and aws-cli speak to it as they would to AWS."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

import hiyoko.services
from hiyoko import api
from hiyoko.clock import SystemClock
from hiyoko.gateway import render
from hiyoko.gateway.exchange import Exchange
from hiyoko.gateway.server import Gateway
from hiyoko.neighbours import Neighbours
from hiyoko.neighbours.event_log import event_log
from hiyoko.settings import Settings
from hiyoko.spec import conform
from hiyoko.spec.http import HttpResponse
from hiyoko.store.database import Store

_result = render.result


@dataclass
class Endpoint:
    """Where the gateway answers, with clients for it. ``on_loop`` runs a callable in its thread."""

    port: int
    gateway: Gateway
    store: Store
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(
        self, service: str, *, region: str = "ap-northeast-1", key: str = "AKIAIOSFODNN7EXAMPLE",
        token: str | None = None,
    ) -> Any:  # fmt: skip
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
        )


def _register_services() -> None:
    for module in pkgutil.iter_modules(hiyoko.services.__path__):
        importlib.import_module(f"hiyoko.services.{module.name}")


def _serve(state_dir: Path, ready: threading.Event, box: dict[str, Any]) -> None:
    async def main() -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        store = Store.open(":memory:")
        neighbours = Neighbours(write_log=event_log(store, SystemClock()))
        api.use_neighbours(neighbours.ask)
        gateway = Gateway(store, Settings(state_dir), neighbours=neighbours)
        stop = asyncio.Event()
        await gateway.serve(listener)
        loop = asyncio.get_running_loop()
        box.update(
            port=listener.getsockname()[1], gateway=gateway, store=store, loop=loop, stop=stop
        )
        ready.set()
        await stop.wait()
        await gateway.close()
        store.close()

    asyncio.run(main())


@pytest.fixture(scope="session")
def spec_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


def _checked_result(exchange: Exchange) -> HttpResponse:
    assert exchange.operation is not None
    faults = conform.faults(exchange.operation, exchange.response)
    assert not faults, faults
    return _result(exchange)


@pytest.fixture
def endpoint(spec_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A gateway with every service and an empty store.

    Each response is checked against its operation's output shape: what the model doesn't know comes
    back as InternalFailure, with the reason in the log.
    """
    _register_services()
    monkeypatch.setattr(render, "result", _checked_result)
    ready, box = threading.Event(), dict[str, Any]()
    thread = threading.Thread(target=_serve, args=(spec_cache, ready, box))
    thread.start()
    assert ready.wait(10)
    stop = box.pop("stop")
    try:
        yield Endpoint(**box)
    finally:
        box["loop"].call_soon_threadsafe(stop.set)
        thread.join(10)
