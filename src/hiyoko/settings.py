"""Settings: one frozen value, read once, passed down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

API_PORT = 4566
PROXY_PORT = 4567
READY = b"ready"
"""What the daemon tells whoever started it; anything else is why it cannot be ready."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a cloud keeps its state and which host ports it answers on (127.0.0.1 only)."""

    state_dir: Path
    api_port: int = API_PORT
    proxy_port: int = PROXY_PORT

    @property
    def database(self) -> Path:
        """The SQLite file: wishes and sightings."""
        return self.state_dir / "hiyoko.db"

    @property
    def run_dir(self) -> Path:
        """Sockets, pid files and rendered configurations: worthless after the world has ended."""
        return self.state_dir / "run"

    @property
    def ca_dir(self) -> Path:
        """The certificate authority and all private keys (0700; files 0600)."""
        return self.state_dir / "ca"

    @property
    def trust_bundle(self) -> Path:
        """The world's root certificate as clients trust it (public)."""
        return self.ca_dir / "root.pem"

    @property
    def zone_key_dir(self) -> Path:
        """The secret that zones are signed with, and ``root.anchor`` (public): the root's key."""
        return self.ca_dir / "dnssec"

    @property
    def image_dir(self) -> Path:
        """Image blobs, unpacked layers."""
        return self.state_dir / "images"

    @property
    def task_dir(self) -> Path:
        """One directory per task: bundles, writable layers, exit files."""
        return self.state_dir / "tasks"

    @property
    def log_dir(self) -> Path:
        """The daemon's and the processes' own logs."""
        return self.state_dir / "log"

    @property
    def daemon_log(self) -> Path:
        """The daemon's own log; the part before it has the suffix ``.1``."""
        return self.log_dir / "daemon.log"


def default_state_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_STATE_HOME/hiyoko`` (https://specifications.freedesktop.org/basedir-spec/)."""
    base = (
        environment.get("XDG_STATE_HOME")
        or Path(environment.get("HOME", "~")).expanduser() / ".local/state"
    )
    return Path(base) / "hiyoko"


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/hiyoko``: what can be had again, for every cloud of this user."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")) / ".cache"
    return Path(base).expanduser() / "hiyoko"
