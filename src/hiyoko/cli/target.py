"""Where a site is deployed: the local cloud or AWS. After this, every call is the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoCredentialsError

from hiyoko import launch
from hiyoko.cli.errors import CommandError
from hiyoko.settings import Settings

LOCAL_KEY = "hiyoko"
"""Any access key will do; one of twelve digits would choose that account."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cloud to talk to. ``endpoint`` is None for AWS itself."""

    name: str
    region: str
    endpoint: str | None
    session: Any

    @property
    def local(self) -> bool:
        """Whether this is the local cloud."""
        return self.name == "local"

    def client(self, service: str) -> Any:
        """A client of one service. Raises CommandError when boto3 refuses."""
        config = Config(
            retries={"mode": "standard", "max_attempts": 2 if self.local else 5},
            connect_timeout=5,
            read_timeout=60,
            # A live tail is asked of another host at AWS; here there is one for all.
            inject_host_prefix=not self.local,
        )
        try:
            return self.session.create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint,
                config=config,
                aws_access_key_id=LOCAL_KEY if self.local else None,
                aws_secret_access_key=LOCAL_KEY if self.local else None,
            )
        except (BotoCoreError, ValueError) as error:
            raise CommandError(f"cannot talk to {self.name}: {error}") from error


def local_target(settings: Settings, region: str) -> Target:
    """The running local cloud. Raises CommandError when there is none."""
    cloud = launch.find(settings)
    if cloud is None:
        raise CommandError("the local cloud is not running; start it with: hiyoko cloud start")
    return Target("local", region, cloud.endpoint, botocore.session.Session())


def aws_target(region: str) -> Target:
    """AWS, through boto3's usual credential chain. Never falls back to the local cloud.

    ``AWS_ENDPOINT_URL`` is honoured as boto3 does: that is how another cloud can stand in.
    """
    session = botocore.session.Session(profile=os.environ.get("AWS_PROFILE"))
    target = Target("aws", region, None, session)
    try:
        if session.get_credentials() is None:
            raise NoCredentialsError
    except BotoCoreError as error:
        raise CommandError(
            f"no AWS credentials: {error}\n"
            "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws configure."
            " Nothing was deployed, here or there."
        ) from error
    return target


def choose(name: str, settings: Settings, region: str) -> Target:
    """The target by its name: ``local`` or ``aws``."""
    return aws_target(region) if name == "aws" else local_target(settings, region)
