"""One API request on its way through the chain: what each step found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hiyoko.api import DEFAULT_ACCOUNT, DEFAULT_REGION
from hiyoko.clock import Clock, Ids
from hiyoko.spec.codecs import CODECS, Codec
from hiyoko.spec.http import HttpRequest
from hiyoko.spec.service import Service, Specs
from hiyoko.spec.shapes import Operation
from hiyoko.store.database import Store


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls and where, as the signature's scope says. ``service`` is the signing name."""

    access_key: str = ""
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    service: str = ""

    @property
    def signed(self) -> bool:
        """False when the request carries no signature at all."""
        return bool(self.access_key)


@dataclass(frozen=True, slots=True)
class Context:
    """What every exchange needs and none changes."""

    store: Store
    specs: Specs
    clock: Clock
    ids: Ids


@dataclass(slots=True)
class Exchange:
    """A request and what is known of it so far; each step of the chain fills in its part."""

    context: Context
    request: HttpRequest
    request_id: str
    caller: Caller = Caller()
    service_name: str = ""
    service: Service | None = None
    codec: Codec = CODECS["query"]
    operation: Operation | None = None
    found: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    response: Mapping[str, Any] = field(default_factory=dict)
