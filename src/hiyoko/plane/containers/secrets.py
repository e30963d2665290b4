"""Variables that a task does not carry itself: secrets, parameters, environment files.

Fetched with the task's own packets before its containers start, as Fargate's agent does: a task
without a way to Secrets Manager, Systems Manager or S3 does not start.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from hiyoko.blueprint.tasks import Container, Task
from hiyoko.plane.containers.agent import TaskFailed, Unreachable, retried, signed

_PREFIX = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
    " retrieval failed: "
)
_FILES = "ResourceInitializationError: failed to download env files: "


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret's value is: the service, its Region, what to ask, and a key of its JSON."""

    service: str
    region: str
    name: str
    key: str = ""
    stage: str = ""
    version: str = ""


def parse_reference(value_from: str, region: str) -> SecretReference:
    """``valueFrom``: an ARN of Secrets Manager (with key, stage, version) or of a parameter.

    Anything else is a parameter's name in the task's own Region.
    """
    parts = value_from.split(":")
    if value_from.startswith("arn:") and len(parts) > 6 and parts[2] == "secretsmanager":
        key, stage, version, *_ = (*parts[7:10], "", "", "")
        return SecretReference("secretsmanager", parts[3], ":".join(parts[:7]), key, stage, version)
    if value_from.startswith("arn:") and len(parts) > 5 and parts[2] == "ssm":
        return SecretReference("ssm", parts[3], value_from)
    return SecretReference("ssm", region, value_from)


def parse_environment_file(text: str) -> dict[str, str]:
    """``NAME=value`` lines; blank ones and those that begin with ``#`` say nothing."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() and not line.lstrip().startswith("#"):
            found[name.strip()] = value
    return found


@dataclass(frozen=True, slots=True)
class SecretFetcher:
    """Asks AWS's services for a task, over an HTTP client that is the task's own."""

    client: aiohttp.ClientSession
    task: Task

    async def variables(self, container: Container) -> dict[str, str]:
        """What a container's files and secrets hold. Raises TaskFailed with AWS's reason."""
        found: dict[str, str] = {}
        # The first file that has a variable is the one that counts.
        for arn in reversed(container.environment_files):
            found.update(parse_environment_file(await self._file(arn)))
        for name, value_from in container.secrets:
            found[name] = await self._secret(parse_reference(value_from, self.task.region))
        return found

    async def _secret(self, reference: SecretReference) -> str:
        if reference.service == "ssm":
            name = reference.name
            answer = await self._call(
                "ssm", reference.region, "AmazonSSM.GetParameters",
                {"Names": [name], "WithDecryption": True},
            )  # fmt: skip
            for parameter in answer.get("Parameters", ()):
                return str(parameter["Value"])
            raise TaskFailed(
                f"{_PREFIX}unable to retrieve secrets from ssm: invalid ssm parameters: {name}"
            )
        asked = {"SecretId": reference.name}
        if reference.stage:
            asked["VersionStage"] = reference.stage
        if reference.version:
            asked["VersionId"] = reference.version
        answer = await self._call(
            "secretsmanager", reference.region, "secretsmanager.GetSecretValue", asked
        )
        value = str(answer.get("SecretString") or "")
        return _json_value(value, reference) if reference.key else value

    async def _call(
        self, service: str, region: str, target: str, asked: dict[str, Any]
    ) -> dict[str, Any]:
        where = "asm" if service == "secretsmanager" else "ssm"
        kept = "secret" if where == "asm" else "secrets"
        problem = f"{_PREFIX}unable to retrieve {kept} from {where}: "
        url = f"https://{service}.{region}.amazonaws.com/"
        headers = signed(service, self.task.account, region) | {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": target,
        }
        body = json.dumps(asked).encode()

        request_id = ""

        async def ask(_: int) -> tuple[int, bytes]:
            nonlocal request_id
            try:
                async with self.client.post(url, data=body, headers=headers) as response:
                    request_id = response.headers.get("x-amzn-requestid", "")
                    return response.status, await response.read()
            except aiohttp.ClientError as error:
                raise Unreachable(str(error)) from error

        try:
            status, text = await retried(ask)
        except Unreachable as error:
            raise TaskFailed(
                f"{problem}There is a connection issue between the task and AWS. Check your task"
                f" network configuration. {error}"
            ) from error
        answer: dict[str, Any] = json.loads(text) if text else {}
        if status != 200:
            code = str(answer.get("__type", status)).rpartition("#")[2]
            said = answer.get("message") or answer.get("Message") or ""
            raise TaskFailed(
                f"{problem}service call has been retried 1 time(s): {told(target, asked)}"
                f" https response error StatusCode: {status}, RequestID: {request_id},"
                f" {code}: {said}"
            )
        return answer

    async def _file(self, arn: str) -> str:
        bucket, _, key = arn.split(":::", 1)[1].partition("/")
        region = self.task.region
        url = f"https://s3.{region}.amazonaws.com/{bucket}/{quote(key)}"
        headers = signed("s3", self.task.account, region)

        async def ask(_: int) -> tuple[int, bytes]:
            try:
                async with self.client.get(url, headers=headers) as response:
                    return response.status, await response.read()
            except aiohttp.ClientError as error:
                raise Unreachable(str(error)) from error

        try:
            status, body = await retried(ask)
        except Unreachable as error:
            raise TaskFailed(
                f"{_FILES}file download command: non empty error stream: service call has been"
                f" retried 3 time(s): {error}"
            ) from error
        if status != 200:
            raise TaskFailed(
                f"{_FILES}file download command: non empty error stream: service call has been"
                f" retried 1 time(s): {arn}: status code {status}"
            )
        return body.decode(errors="replace")


def told(target: str, asked: dict[str, Any]) -> str:
    """How Fargate's agent calls a request that was refused."""
    name = target.rpartition(".")[2]
    if "SecretId" in asked:
        fetching = f"failed to fetch secret {asked['SecretId']} from secrets manager: "
        return f"{fetching}operation error Secrets Manager: {name},"
    return f"operation error SSM: {name},"


def _json_value(text: str, reference: SecretReference) -> str:
    try:
        held = json.loads(text)
    except ValueError as error:
        raise TaskFailed(
            f"{_PREFIX}retrieved secret from Secrets Manager did not contain json: {reference.name}"
        ) from error
    if not isinstance(held, dict) or reference.key not in held:
        raise TaskFailed(
            f"{_PREFIX}retrieved secret from Secrets Manager did not contain json key"
            f" {reference.key}"
        )
    value = held[reference.key]
    return value if isinstance(value, str) else json.dumps(value)
