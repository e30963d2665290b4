"""An agent's configuration: written by the plane, read again when it has changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cattrs

from hiyoko.blueprint.balancers import Jwt, Oidc

FILE = "agent.json"

Guard = Oidc | Jwt


@dataclass(frozen=True, slots=True)
class Config:
    """Whose agent it is, and what each rule wants to know, by the rule's ARN.

    ``key`` (32 bytes) seals cookies and is the same on all nodes of the balancer; ``trust`` is the
    file of the authorities whose certificates are believed, ``signing_key`` a file too.
    """

    eni_id: str
    balancer_arn: str
    key: bytes = field(repr=False)
    signing_key: str
    kid: str
    trust: str
    guards: dict[str, Guard]

    @property
    def identity(self) -> tuple[object, ...]:
        """All but the rules."""
        return self.eni_id, self.balancer_arn, self.key, self.signing_key, self.kid, self.trust


def parse(text: str) -> Config:
    """The configuration that ``guards.render_agent`` has rendered."""
    said = json.loads(text)
    kinds: dict[str, type[Guard]] = {"oidc": Oidc, "jwt": Jwt}
    guards: dict[str, Guard] = {
        arn: cattrs.structure(guard, kinds[guard["kind"]]) for arn, guard in said["guards"].items()
    }
    return Config(
        eni_id=said["eni_id"],
        balancer_arn=said["balancer_arn"],
        key=bytes.fromhex(said["key"]),
        signing_key=said["signing_key"],
        kid=said["kid"],
        trust=said["trust"],
        guards=guards,
    )


@dataclass(slots=True)
class ConfigFile:
    """The file; it is replaced, never written into, so another inode is another content."""

    path: Path
    _seen: tuple[int, int] = (0, 0)
    _config: Config | None = None

    def read(self) -> Config:
        """The configuration as it is now."""
        found = self.path.stat()
        mark = (found.st_ino, found.st_mtime_ns)
        if self._config is None or mark != self._seen:
            self._config, self._seen = parse(self.path.read_text()), mark
        return self._config
