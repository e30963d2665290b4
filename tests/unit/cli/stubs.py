"""Real botocore clients that answer from a script and check each request against AWS's model."""

from __future__ import annotations

from typing import Any

import botocore.session
from botocore.stub import Stubber
from tests.unit.cli.views import site

from hiyoko.cli.stack import SiteStack
from hiyoko.cli.target import Target

SESSION = botocore.session.Session()
"""Shared: reading AWS's models is what takes time."""


class Scripts:
    """Stands where a botocore session stands; ``script(service)`` is where answers are added."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.stubbers: dict[str, Stubber] = {}

    def script(self, service: str) -> Stubber:
        if service not in self.stubbers:
            client = SESSION.create_client(
                service,
                region_name="ap-northeast-1",
                aws_access_key_id="hiyoko",
                aws_secret_access_key="hiyoko",
            )
            self.clients[service] = client
            self.stubbers[service] = Stubber(client)
            self.stubbers[service].activate()
        return self.stubbers[service]

    def create_client(self, service: str, **_: Any) -> Any:
        self.script(service)
        return self.clients[service]

    def stack(self, domain: bool = True) -> SiteStack:
        """The site's stack on these clients."""
        return SiteStack(site(domain), Target("local", "ap-northeast-1", None, self))

    def all_asked(self) -> None:
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()
