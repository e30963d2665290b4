"""What Fargate's agent does before a task's containers start, with the task's own packets.

A task whose network leads to the registry alone does not start on AWS: its token comes from ECR's
API, and its logs go to CloudWatch.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import aiohttp

from hiyoko.plane.containers import sockets
from hiyoko.plane.error import PlaneError

ATTEMPTS = 3
"""So a task without a route knows after 12 seconds, and a path that comes up meanwhile is taken."""
BACK_OFF_S = 1.0

T = TypeVar("T")


class TaskFailed(PlaneError):
    """The task can't start; the text is its stopped reason, as AWS words it."""


class Unreachable(Exception):
    """A fault of the path: worth another attempt."""


async def retried(ask: Callable[[int], Awaitable[T]]) -> T:
    """What one of a few attempts gives. Raises the last one's Unreachable."""
    attempt = 0
    while True:
        begun = monotonic()
        try:
            return await ask(attempt)
        except Unreachable:
            attempt += 1
            if attempt == ATTEMPTS:
                raise
        # Whoever refused at once (a resolver or a registry that is just starting) gets a
        # moment before we ask again; a time-out was wait enough.
        await asyncio.sleep(max(0.0, BACK_OFF_S * attempt - (monotonic() - begun)))


def signed(service: str, account: str, region: str) -> dict[str, str]:
    """The headers of a signature by an account.

    Nobody here has a secret key to sign with, and nobody could check it: only the form counts.
    """
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{account}/{date[:8]}/{region}/{service}/aws4_request"
    return {
        "X-Amz-Date": date,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }


async def registry_token(
    client: aiohttp.ClientSession, names: sockets.TaskResolver, account: str, region: str
) -> str:
    """ECR's token, as its registry wants it (user and password in base64). Raises TaskFailed.

    So a task in a VPC without a way out needs the ``ecr.api`` endpoint beside ``ecr.dkr``.
    """
    host = f"api.ecr.{region}.amazonaws.com"
    url = f"https://{host}/"
    headers = signed("ecr", account, region) | {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    }

    async def ask(_: int) -> str:
        try:
            async with client.post(url, data=b"{}", headers=headers) as response:
                body = await response.read()
        except aiohttp.ClientError as error:
            problem = said(error, names.found.get(host, host))
            raise Unreachable(
                f'RequestError: send request failed caused by: Post "{url}": {problem}'
            ) from error
        if response.status != 200:
            raise Unreachable(f"unexpected status {response.status}: {message(body)}")
        token: str = json.loads(body)["authorizationData"][0]["authorizationToken"]
        return token

    try:
        return await retried(ask)
    except Unreachable as error:
        raise TaskFailed(
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot"
            " pull registry auth from Amazon ECR: There is a connection issue between the task and"
            f" Amazon ECR. Check your task network configuration. {error}"
        ) from error


def message(body: bytes) -> str:
    """The registry's own words: the OCI error form, or plain text."""
    try:
        message: str = json.loads(body)["errors"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        return body.decode(errors="replace").strip()[:200]
    return message


def said(error: aiohttp.ClientError, address: str) -> str:
    """A client's error in the words of Go's net package, which AWS's agent reports."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"dial tcp {address}:443: i/o timeout"
        case aiohttp.ClientConnectorDNSError():
            return f"dial tcp: {error.os_error}"
        case aiohttp.ClientConnectorCertificateError():
            return f"tls: failed to verify certificate: x509: {error.certificate_error}"
        case aiohttp.ClientConnectorError():
            reason = os.strerror(error.os_error.errno) if error.os_error.errno else str(error)
            return f"dial tcp {address}:443: connect: {reason.lower()}"
        case _:
            return str(error) or type(error).__name__
