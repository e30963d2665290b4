"""The gateway: sockets in, responses out. Everything about AWS is in the chain."""

from __future__ import annotations

import asyncio
import errno
import fnmatch
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from hiyoko import api
from hiyoko.api import AwsError
from hiyoko.clock import Clock, Ids, RandomIds, SystemClock
from hiyoko.gateway import data_channel, hosts, live_tail, render
from hiyoko.gateway.chain import CHAIN, find_service, read_signature, service_name
from hiyoko.gateway.exchange import Context, Exchange
from hiyoko.gateway.resolve import action_of
from hiyoko.neighbours import Neighbours
from hiyoko.services.sts.sessions import identity_of
from hiyoko.settings import Settings
from hiyoko.spec.error import RequestFault, UnknownOperation
from hiyoko.spec.http import HttpRequest, HttpResponse
from hiyoko.spec.service import Specs
from hiyoko.store.database import Store, StoreError

_log = logging.getLogger(__name__)

LocalHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# CloudFormation's biggest template body is 51,200 bytes and an ECR layer part 20 MiB in base64.
BODY_BYTES_MAX = 64 * 1024 * 1024
REGISTRY_PREFIX = "/v2/"
_SHUTDOWN_S = 2.0


class Gateway:
    """Serves AWS's API, the hosts that others registered, and hiyoko's own routes.

    One instance serves any number of sockets. ``routes`` maps ``"POST /_hiyoko/reset"`` and
    the like to handlers.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        routes: Mapping[str, LocalHandler] | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._neighbours = neighbours or Neighbours()
        self._context = Context(
            store=store,
            specs=Specs(settings.state_dir / "spec"),
            clock=clock or SystemClock(),
            ids=ids or RandomIds(),
        )
        self._local: dict[tuple[str, str], LocalHandler] = {}
        self._public: set[str] = set()
        self._hosts: list[tuple[re.Pattern[str], LocalHandler]] = []
        self._registry: LocalHandler | None = None
        self._channels: LocalHandler | None = None
        self._runner: web.ServerRunner | None = None
        for route, handler in (routes or {}).items():
            method, path = route.split(" ", 1)
            self.register_local(path, method, handler)

    @property
    def specs(self) -> Specs:
        """The service models that requests are read by, for whoever else needs them."""
        return self._context.specs

    def register_local(
        self, path: str, method: str, handler: LocalHandler, *, public: bool = False
    ) -> None:
        """Serve one of hiyoko's own paths (they start with ``/_hiyoko/``).

        They are there for the user of this machine, on its loopback and under its name; for the
        simulated internet, where tasks are, only what is ``public``.
        """
        self._local[method.upper(), path] = handler
        if public:
            self._public.add(path)

    def register_host(self, pattern: str, handler: LocalHandler) -> None:
        """Serve requests whose Host matches a shell pattern (``*.dkr.ecr.*.amazonaws.com``)."""
        self._hosts.append((re.compile(fnmatch.translate(pattern.lower())), handler))

    def register_registry(self, handler: LocalHandler) -> None:
        """Serve ``/v2/…`` on the loopback: an image registry for clients without our resolver."""
        self._registry = handler

    def register_channels(self, handler: LocalHandler) -> None:
        """Serve data channels on the loopback, for clients without our resolver."""
        self._channels = handler

    async def serve(
        self, listener: socket.socket, ssl_context: ssl.SSLContext | None = None
    ) -> web.SockSite:
        """Answer on a bound socket from now on; stop the returned site to end that."""
        if self._runner is None:
            # No access log of aiohttp's: ``answer`` tells of each call what is worth telling.
            server = web.Server(self.handle, request_factory=_request, access_log=None)
            self._runner = web.ServerRunner(
                server, shutdown_timeout=_SHUTDOWN_S, handle_signals=False
            )
            await self._runner.setup()
        site = web.SockSite(self._runner, listener, ssl_context=ssl_context, backlog=512)
        await site.start()
        return site

    async def close(self) -> None:
        """Stop answering on every socket."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        host = hosts.host_name(request.headers.get("Host", ""))
        if hosts.on_loopback(request.transport):
            reason = hosts.foreign(
                host, request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
            )
            if reason is not None:
                return web.Response(status=403, text=f"{reason}\n")
        handler = self._route(request, host)
        if handler is not None:
            return await handler(request)
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            response = web.Response(status=413, text="The request body is larger than 64 MiB.\n")
            response.force_close()
            return response
        raw_path, _, query = request.raw_path.partition("?")
        read = HttpRequest(request.method, raw_path, query, request.headers, body)
        service = service_name(read)
        if self._neighbours.serves(service) and action_of(read) not in api.operations(service):
            answer = await self._ask_neighbour(service, read)
        elif live_tail.wanted(read):
            exchange = self._exchange(read)
            answer = await self._synced(exchange, self._answer(exchange))
            if answer.status == 200:
                return await live_tail.stream(request, exchange)
        else:
            answer = await self.answer(read)
            if hosts.on_loopback(request.transport):
                answer = data_channel.reachable(read, answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _exchange(self, request: HttpRequest) -> Exchange:
        return Exchange(self._context, request, self._context.ids.uuid())

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one API request: through the chain, rendered, on disk. Never raises."""
        exchange = self._exchange(request)
        return await self._synced(exchange, self._answer(exchange))

    async def _synced(self, exchange: Exchange, answer: HttpResponse) -> HttpResponse:
        """The answer, once all that it may tell of is on disk. Never raises."""
        try:
            await self._context.store.synced()
        except StoreError as error:
            answer, outcome = _failed(exchange, error)
            self._tell(exchange, answer, logging.ERROR, outcome)
        return answer

    def _answer(self, exchange: Exchange) -> HttpResponse:
        try:
            for step in CHAIN:
                step(exchange)
            answer = render.result(exchange)
        except (AwsError, RequestFault, UnknownOperation) as error:
            answer = render.refusal(exchange, error)
            level, outcome = logging.INFO, _code(error)
        except Exception as bug:  # the one place that turns a bug into InternalFailure
            answer, outcome = _failed(exchange, bug)
            level = logging.ERROR
        else:
            level, outcome = logging.DEBUG, "done"
        self._tell(exchange, answer, level, outcome)
        return answer

    async def _ask_neighbour(self, service: str, request: HttpRequest) -> HttpResponse:
        """Answer a request for a service that is not ours. Never raises."""
        exchange = self._exchange(request)
        level, outcome = logging.DEBUG, "done"
        try:
            find_service(exchange)
            read_signature(exchange)
            caller, store = exchange.caller, self._context.store
            account, _ = identity_of(store, caller.access_key, caller.account)
            answer = await self._neighbours.answer(
                service, request, account=account, region=caller.region
            )
        except (AwsError, RequestFault) as error:
            answer = render.refusal(exchange, error)
            level, outcome = logging.INFO, error.code
        except Exception as bug:
            answer, outcome = _failed(exchange, bug)
            level = logging.ERROR
        self._tell(exchange, answer, level, outcome)
        return answer

    def _tell(self, exchange: Exchange, answer: HttpResponse, level: int, outcome: str) -> None:
        # Never a parameter's value, nor an error's words, which may quote one: it may be a secret.
        _log.log(
            level,
            "request_id=%s account=%s region=%s %s:%s status=%d %s",
            exchange.request_id,
            exchange.caller.account,
            exchange.caller.region,
            exchange.service_name or "?",
            exchange.operation.name if exchange.operation is not None else "?",
            answer.status,
            outcome,
        )

    def _route(self, request: web.BaseRequest, host: str) -> LocalHandler | None:
        for pattern, handler in self._hosts:
            if pattern.fullmatch(host):
                return handler
        path = request.raw_path.partition("?")[0]
        if path.startswith(data_channel.PREFIX):
            return self._channels
        if path.startswith("/_hiyoko"):
            if path not in self._public and not _from_the_user(request, host):
                return _not_for_you
            return self._local.get((request.method, path), _no_such_route)
        # No API of AWS's that we serve lies under /v2/ (ECS, ECR and friends all post to ``/``).
        signed = request.headers.get("Authorization", "").startswith("AWS4-")
        if (path + "/").startswith(REGISTRY_PREFIX) and not signed:
            return self._registry
        return None


def _failed(exchange: Exchange, bug: Exception) -> tuple[HttpResponse, str]:
    """What the machine lacks is told with the way out; everything else is a bug of ours."""
    lack = _lack(bug)
    if not lack:
        return render.failure(exchange, bug), "InternalFailure"
    # As AWS says that a service cannot answer now: clients try again.
    refusal = AwsError("ServiceUnavailable", lack, status=503, fault="Receiver")
    return render.refusal(exchange, refusal), "ServiceUnavailable"


def _lack(error: BaseException | None) -> str:
    """What the machine has no more of, if that is why; also as the cause of something else."""
    match error:
        case None:
            return ""
        case StoreError():
            return str(error)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return f"{error}; make room on the disk of the state directory, then try again"
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return f"{error}; raise the limit of open files (ulimit -n) and start the cloud again"
        case OSError(errno=errno.EAGAIN) | RuntimeError(args=("can't start new thread",)):
            return "the machine takes no more processes; end some, then try again"
        case _:
            return _lack(error.__cause__)


def _code(error: AwsError | RequestFault | UnknownOperation) -> str:
    return "UnknownOperation" if isinstance(error, UnknownOperation) else error.code


async def _no_such_route(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=404, text=f"No {request.method} {request.path} here.\n")


async def _not_for_you(request: web.BaseRequest) -> web.StreamResponse:
    text = (
        "hiyoko's own paths answer on 127.0.0.1 of the machine that it runs on, and to no web"
        " page.\n"
    )
    return web.Response(status=403, text=text)


def _from_the_user(request: web.BaseRequest, host: str) -> bool:
    """On this machine, and not from a web page: also one of another local port is somebody's."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    here = hosts.on_loopback(request.transport) and hosts.loopback(host)
    return here and hosts.no_page(origin, site)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: Any,
    writer: Any,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """aiohttp's request with our limit of the body; its own is 1 MiB."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX
    )
