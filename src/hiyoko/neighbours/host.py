"""moto behind plain values: one HTTP request in, one answer out; and a call for our own code."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody

from hiyoko.api import AwsError, Request, Response, not_implemented
from hiyoko.neighbours.served import SERVED
from hiyoko.spec.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from moto.core.botocore_stubber import BotocoreStubber

_log = logging.getLogger(__name__)

# A receiver of SQS may wait for 20 seconds; each such wait holds a thread.
THREADS = 64
EXTRA = "hiyoko[more]"
ACCOUNT_HEADER = "x-moto-account-id"
"""moto's own way to be told the account, which it would otherwise look up by the access key."""


@dataclass(slots=True)
class Neighbours:
    """All of them. Nothing is imported and no thread is started before the first request."""

    used: set[str] = field(default_factory=set)
    _moto: BotocoreStubber | None = None
    _threads: ThreadPoolExecutor | None = None
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def serves(self, service: str) -> bool:
        """True for a service that moto answers for (whether or not it is installed)."""
        return service in SERVED

    def describe(self) -> dict[str, Any]:
        """What ``hiyoko cloud status`` tells of them; JSON-ready."""
        by = f"moto {version('moto')}" if _installed() else None
        return {"neighbours": {"by": by, "services": sorted(SERVED), "used": sorted(self.used)}}

    async def answer(
        self, service: str, request: HttpRequest, *, account: str, region: str
    ) -> HttpResponse:
        """Answer a request of a client's. Raises AwsError where moto is absent or knows nothing."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        if not host.endswith(".amazonaws.com"):
            # S3 alone puts a name of the caller's into the host: BUCKET.localhost.
            bucket = host.removesuffix("localhost").rstrip(".") if service == "s3" else ""
            bucket = "" if bucket == host else bucket
            host = f"{bucket}.{_host(service, region)}" if bucket else _host(service, region)
        url = f"https://{host}{request.path}"
        if request.query:
            url += f"?{request.query}"
        headers = {**request.headers, "Host": host, ACCOUNT_HEADER: account}
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="neighbour")
        work = functools.partial(self._process, service, request.method, url, headers, request.body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def ask(
        self, service: str, operation: str, request: Request, *, account: str, region: str
    ) -> Response:
        """Call an operation for our own code: botocore's names and shapes, bodies as bytes.

        Raises AwsError with the neighbour's code.
        """
        method = botocore.xform_name(operation)
        try:
            response = getattr(self._client(service, account, region), method)(**request)
        except ClientError as error:
            told = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise AwsError(told.get("Code", ""), told.get("Message", ""), status=status) from error
        except BotoCoreError as error:
            raise AwsError("ValidationException", str(error)) from error
        response.pop("ResponseMetadata", None)
        return {
            name: value.read() if isinstance(value, StreamingBody) else value
            for name, value in response.items()
        }

    async def reset(self) -> None:
        """Forget everything that was kept."""
        if self._moto is not None:
            from moto.moto_api._internal.models import moto_api_backend

            moto_api_backend.reset()
            self.used.clear()

    def _client(self, service: str, account: str, region: str) -> Any:
        key = (service, account, region)
        if key not in self._clients:
            session = botocore.session.Session()
            client = session.create_client(
                service, region, aws_access_key_id=account, aws_secret_access_key=account
            )
            # The stubs know no handler that answers, as one of before-send may.
            events: Any = client.meta.events
            events.register("before-send", functools.partial(self._send, service, account))
            self._clients[key] = client
        return self._clients[key]

    def _send(
        self, service: str, account: str, request: AWSPreparedRequest, **_: Any
    ) -> AWSResponse:
        """In the place of a connection: botocore sends nothing when this answers."""
        from moto.core.botocore_stubber import MockRawResponse

        headers = {name: _text(value) for name, value in request.headers.items()}
        headers[ACCOUNT_HEADER] = account
        sent: Any = request.body
        body = sent.read() if hasattr(sent, "read") else sent
        answer = self._process(service, request.method, request.url, headers, body or b"")
        raw = MockRawResponse(answer.body)
        return AWSResponse(request.url, answer.status, _headers(answer.headers), raw)

    def _process(
        self, service: str, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpResponse:
        request = AWSPreparedRequest(method, url, _headers(headers), body, stream_output=False)
        try:
            answer = self._loaded().process_request(request)
        except NotImplementedError as error:
            raise not_implemented(service, str(error) or method) from error
        if answer is None or (answer[0] == 404 and answer[2] == "Not yet implemented"):
            raise not_implemented(service, f"{method} {url.partition('?')[0]}")
        self.used.add(service)
        status, answer_headers, answer_body = answer
        return HttpResponse(
            int(status),
            {name: _text(value) for name, value in answer_headers.items()},
            answer_body.encode() if isinstance(answer_body, str) else bytes(answer_body),
        )

    def _loaded(self) -> BotocoreStubber:
        if self._moto is None:
            if not _installed():
                raise AwsError(
                    "NotImplemented",
                    "hiyoko serves this through moto, which is not installed here: "
                    f"pip install '{EXTRA}'.",
                    status=501,
                    fault="Receiver",
                )
            from moto.core.botocore_stubber import BotocoreStubber

            self._moto = BotocoreStubber()
        return self._moto


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("moto") is not None


def _host(service: str, region: str) -> str:
    return f"{SERVED[service]}.{region}.amazonaws.com"


def _headers(values: Mapping[str, str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in values.items():
        headers[name] = value
    return headers


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
