"""moto itself, entered where it would catch botocore's requests: no server, no patched library."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.session
import moto.logs
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse
from moto.events.utils import EventTemplateParser
from moto.moto_api._internal.models import moto_api_backend

from hiyoko.api import AwsError, Request, Response, not_implemented
from hiyoko.neighbours.served import SERVED
from hiyoko.spec.http import HttpRequest, HttpResponse

WriteLog = Callable[[str, str, str, str, str], None]
"""Account, region, log group, log stream, text. It may be called on any thread."""

EVENT = (
    '{"version": "0", "id": "<id>", "detail-type": "<detail-type>", "source": "<source>",'
    ' "account": "<account>", "time": <time>, "region": "<region>", "resources": <resources>,'
    ' "detail": <detail>}'
)
"""https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html"""
ACCOUNT_HEADER = "x-moto-account-id"
"""moto's own way to be told the account, which it would otherwise look up by the access key."""


class Embedded:
    """One moto, with everything that it keeps."""

    def __init__(self, write_log: WriteLog | None) -> None:
        self._moto = BotocoreStubber()
        self._clients: dict[tuple[str, str, str], Any] = {}
        # Every event of AWS's names its account; moto's leaves it out where no rule says otherwise.
        EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = EVENT
        if write_log is not None:
            # EventBridge's only way to a log group; moto's own CloudWatch Logs is not served.
            logs: Any = moto.logs
            logs.logs_backends = _Accounts(write_log)

    def answer(
        self, service: str, request: HttpRequest, *, account: str, region: str
    ) -> HttpResponse:
        """Answer a request of a client's. Raises AwsError where moto knows no such operation."""
        host = f"{SERVED[service]}.{region}.amazonaws.com"
        bucket = _bucket(request.headers.get("host", "")) if service == "s3" else ""
        # In the path: moto takes a host that starts with a bucket's name ("logs") for a service.
        url = (
            f"https://{host}/{bucket}{request.path}" if bucket else f"https://{host}{request.path}"
        )
        if request.query:
            url += f"?{request.query}"
        headers = {**request.headers, "Host": host, ACCOUNT_HEADER: account}
        return self._process(service, request.method, url, headers, request.body)

    def ask(
        self, service: str, operation: str, request: Request, *, account: str, region: str
    ) -> Response:
        """Call an operation with botocore's own client, whose requests end here."""
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

    def reset(self) -> None:
        """Forget everything that was kept."""
        moto_api_backend.reset()

    def _client(self, service: str, account: str, region: str) -> Any:
        key = (service, account, region)
        if key not in self._clients:
            session = botocore.session.Session()
            client = session.create_client(
                service,
                region,
                aws_access_key_id=account,
                aws_secret_access_key=account,
                config=Config(s3={"addressing_style": "path"}),
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
            answer = self._moto.process_request(request)
        except NotImplementedError as error:
            raise not_implemented(service, _operation(headers, str(error)) or method) from error
        if answer is None or (answer[0] == 404 and answer[2] == "Not yet implemented"):
            raise not_implemented(service, f"{method} {url.partition('?')[0]}")
        status, answer_headers, answer_body = answer
        return HttpResponse(
            int(status),
            {name: _text(value) for name, value in answer_headers.items()},
            answer_body.encode() if isinstance(answer_body, str) else bytes(answer_body),
        )


@dataclass(frozen=True, slots=True)
class _Accounts:
    write_log: WriteLog

    def __getitem__(self, account: str) -> _Regions:
        return _Regions(self.write_log, account)


@dataclass(frozen=True, slots=True)
class _Regions:
    write_log: WriteLog
    account: str

    def __getitem__(self, region: str) -> _Logs:
        return _Logs(self.write_log, self.account, region)


@dataclass(frozen=True, slots=True)
class _Logs:
    """As much of a log backend as an event rule needs."""

    write_log: WriteLog
    account: str
    region: str

    def create_log_stream(self, group: str, stream: str) -> None:
        """Nothing yet: the stream comes with its first line."""

    def put_log_events(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Write each event's text."""
        for event in events:
            self.write_log(self.account, self.region, group, stream, event["message"])


def _bucket(host: str) -> str:
    """The bucket that a host names: BUCKET.s3.REGION.amazonaws.com, or BUCKET.localhost here."""
    name = host.partition(":")[0].lower()
    for mark in (".s3.", ".s3-", ".localhost"):
        before, found, _ = name.partition(mark)
        if found:
            return before
    return ""


def _operation(headers: Mapping[str, str], words: str) -> str:
    """AWS's name of the operation: as the request has it, else from moto's words about it."""
    target = next((headers[name] for name in headers if name.lower() == "x-amz-target"), "")
    named = target.rpartition(".")[2]
    found = re.fullmatch(r"The (\w+) action has not been implemented", words)
    return named or (found[1] if found is not None else words)


def _headers(values: Mapping[str, str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in values.items():
        headers[name] = value
    return headers


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
