"""What is asked and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from hiyoko.blueprint.network import TCP


@dataclass(frozen=True, slots=True)
class Question:
    """Can ``source``, an interface's id or an address on the internet, reach ``destination``?"""

    source: str | IPv4Address
    destination: IPv4Address
    protocol: int = TCP
    port: int = 443
    source_port: int = 49152


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet's header. For protocols without ports both are 0."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    source_port: int
    port: int

    def __str__(self) -> str:
        """The header on one line."""
        return f"{self.source}:{self.source_port} → {self.destination}:{self.port}"


@dataclass(frozen=True, slots=True)
class Hop:
    """A component that the packet meets, and the header with which it meets it."""

    component: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Finding:
    """Why not: AWS's explanation code, the component that says no, and what it says."""

    code: str
    component: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The way there and back. ``codes`` is empty exactly when ``reachable``."""

    reachable: bool
    forward: tuple[Hop, ...]
    back: tuple[Hop, ...]
    codes: tuple[Finding, ...]
