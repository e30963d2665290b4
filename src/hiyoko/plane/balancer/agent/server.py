"""HAProxy's questions, answered over a Unix socket in the agent's own directory.

A question is a GET with ``x-rule`` (a rule's ARN, or ``callback``) and what the rule may need:
``x-host``, ``x-uri``, ``x-cookie``, ``x-authorization``, ``x-origin``. The answer is 200, with
``x-set: name: value`` for each header that the request gets, or another status with ``x-title`` and
``x-location``, and with ``x-reason`` for the access log; each ``x-cookie`` is a Set-Cookie of the
answer to the client.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

from aiohttp import web
from multidict import CIMultiDict

from hiyoko.blueprint.balancers import Oidc
from hiyoko.clock import Clock, SystemClock
from hiyoko.plane.balancer.agent.answer import FAILED, Answer, Asked, Pass, Refused, path_of
from hiyoko.plane.balancer.agent.bearer import Bearers
from hiyoko.plane.balancer.agent.config import FILE, Config, ConfigFile
from hiyoko.plane.balancer.agent.identity import Signer
from hiyoko.plane.balancer.agent.metrics import Metrics
from hiyoko.plane.balancer.agent.oidc import Login
from hiyoko.plane.balancer.agent.provider import Provider
from hiyoko.plane.balancer.agent.seal import Seal

CALLBACK_RULE = "callback"
SOCKET, PID_FILE, LOG = "agent.sock", "agent.pid", "refused.log"
LOG_BYTES_MAX = 1 << 20
HEADER_BYTES_MAX = 128 << 10
"""More than HAProxy takes from a client, so that no request fails here for its size."""

_log = logging.getLogger("hiyoko.balancer.agent")


@dataclass(slots=True)
class Agent:
    """Answers by the configuration as it is now."""

    file: ConfigFile
    metrics: Metrics = field(default_factory=Metrics)
    clock: Clock = field(default_factory=SystemClock)
    _parts: _Parts | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One question, one answer."""
        asked = Asked(
            host=request.headers.get("x-host", ""),
            path=path_of(request.headers.get("x-uri", "/")),
            cookie=request.headers.get("x-cookie", ""),
            authorization=request.headers.get("x-authorization", ""),
            origin=request.headers.get("x-origin", ""),
        )
        rule = request.headers.get("x-rule", "")
        try:
            answer = await self.answer(rule, asked)
        except Refused as refused:
            # Without the query: that of a callback has the code.
            _log.warning("%s %s%s: %s", rule, asked.host, asked.path.partition("?")[0], refused)
            return _response(refused.answer, refused.reason)
        return _response(answer)

    async def answer(self, rule: str, asked: Asked) -> Answer:
        """What becomes of the request. Raises Refused."""
        config = self.file.read()
        parts = self._parts
        if parts is None or parts.identity != config.identity:
            await self.close()
            self._parts = parts = _Parts.of(config, self.clock, self.metrics)
        if rule == CALLBACK_RULE:
            return await parts.login.callback(config.guards, asked)
        guard = config.guards.get(rule)
        if guard is None:
            raise Refused(FAILED, "the rule is not in the configuration")
        if isinstance(guard, Oidc):
            return await parts.login.check(rule, guard, asked)
        return await parts.bearers.check(guard, asked)

    async def close(self) -> None:
        """End what connections are open."""
        if self._parts is not None:
            await self._parts.provider.close()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What lasts as long as the keys and the interface are the same, whatever the rules become."""

    identity: tuple[object, ...] = field(repr=False)
    provider: Provider
    login: Login
    bearers: Bearers

    @classmethod
    def of(cls, config: Config, clock: Clock, metrics: Metrics) -> _Parts:
        provider = Provider(config.eni_id, Path(config.trust))
        pem = Path(config.signing_key).read_text()
        signer = Signer.of(pem, config.kid, config.balancer_arn)
        login = Login(provider, Seal(config.key), signer, clock, metrics)
        return cls(config.identity, provider, login, Bearers(provider, clock))


def _response(answer: Answer, reason: str = "") -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict()
    if reason.startswith("Auth"):
        headers["x-reason"] = reason
    for cookie in answer.cookies:
        headers.add("x-cookie", cookie)
    if isinstance(answer, Pass):
        for name, value in answer.headers:
            headers.add("x-set", f"{name}: {value}")
        return web.Response(headers=headers)
    headers["x-title"] = answer.title
    if answer.location:
        headers["x-location"] = answer.location
    return web.Response(status=int(answer.title[:3]), headers=headers)


async def serve(directory: Path, node: Path | None, ready: Path | None) -> None:
    """Serve until SIGTERM. ``node`` is the directory of the node that asks, ``ready`` a socket of
    whoever wants to know when we do.
    """
    os.chdir(directory)  # the socket's path may be no longer than 107 bytes, wherever we are
    kept = RotatingFileHandler(LOG, maxBytes=LOG_BYTES_MAX, backupCount=1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=[kept])
    held = os.open(PID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # One agent to a directory: a second one ends here, with an error in the log.
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.truncate(held, 0)
    os.write(held, str(os.getpid()).encode())
    with suppress(FileNotFoundError):
        os.unlink(SOCKET)  # noqa: PTH108 - once, before anything is served
    agent = Agent(ConfigFile(Path(FILE)), Metrics(node))
    server = web.Server(
        agent.handle,
        access_log=None,
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
    )
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.UnixSite(runner, SOCKET).start()
    if ready is not None:
        _, writer = await asyncio.open_unix_connection(str(ready))
        writer.close()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await runner.cleanup()
    await agent.close()
