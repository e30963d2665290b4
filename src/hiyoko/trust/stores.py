"""The trust stores of this machine and of its user.

Debian's is a directory of certificates and a program that bundles them (update-ca-certificates(8)).
Chromium reads the NSS database ``~/.pki/nssdb``, Firefox the one in its profile, both through
certutil(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hiyoko.trust.anchor import MARK, Anchor

FIREFOX_HOMES = (
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
)


class TrustError(Exception):
    """Why a store cannot be read or changed, and what to do about it."""


class Store(Protocol):
    """A trust store."""

    @property
    def title(self) -> str:
        """What it is, and where."""
        ...

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be changed; None when it can."""
        ...

    def ours(self) -> list[str]:
        """The names of what we put into it. Raises TrustError."""
        ...

    def put(self, anchor: Anchor) -> None:
        """Trust this certificate from now on. Raises TrustError."""
        ...

    def drop(self, name: str) -> None:
        """Trust what has this name no longer. Raises TrustError."""
        ...


@dataclass(frozen=True, slots=True)
class SystemStore:
    """Debian's store, which curl, Python, git and the like read."""

    root: Path = Path("/")

    @property
    def title(self) -> str:
        """What it is, and where."""
        return f"the system's store, {self._directory}"

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be changed; None when it can."""
        if shutil.which("update-ca-certificates", path=_path()) is None:
            return "update-ca-certificates is missing (apt-get install ca-certificates)"
        there = next(path for path in (self._directory, *self._directory.parents) if path.exists())
        return None if os.access(there, os.W_OK) else "only root can change it"

    def ours(self) -> list[str]:
        """The names of what we put into it."""
        return sorted(path.stem for path in self._directory.glob(f"{MARK}*.crt"))

    def put(self, anchor: Anchor) -> None:
        """Trust this certificate from now on. Raises TrustError."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            fresh = self._directory / f".{anchor.name}.new"
            fresh.write_bytes(anchor.path.read_bytes())
            fresh.chmod(0o644)
            fresh.replace(self._file(anchor.name))
        except OSError as error:
            raise TrustError(f"write into {self._directory}: {error.strerror}") from error
        self._bundle()

    def drop(self, name: str) -> None:
        """Trust what has this name no longer. Raises TrustError."""
        try:
            self._file(name).unlink(missing_ok=True)
        except OSError as error:
            raise TrustError(f"delete from {self._directory}: {error.strerror}") from error
        # Without it, the links that led to the certificate would stay.
        self._bundle("--fresh")

    @property
    def _directory(self) -> Path:
        return self.root / "usr/local/share/ca-certificates"

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.crt"

    def _bundle(self, *options: str) -> None:
        places = {
            "--certsconf": "etc/ca-certificates.conf",
            "--certsdir": "usr/share/ca-certificates",
            "--localcertsdir": "usr/local/share/ca-certificates",
            "--etccertsdir": "etc/ssl/certs",
            "--hooksdir": "etc/ca-certificates/update.d",
        }
        elsewhere = [
            part for key, value in places.items() for part in (key, str(self.root / value))
        ]
        _run("update-ca-certificates", *options, *(elsewhere if self.root != Path("/") else []))


@dataclass(frozen=True, slots=True)
class NssStore:
    """An NSS database: a browser's."""

    reader: str
    database: Path

    @property
    def title(self) -> str:
        """What it is, and where."""
        return f"{self.reader}'s store, {self.database}"

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be changed; None when it can."""
        if shutil.which("certutil", path=_path()) is None:
            return "certutil is missing (apt-get install libnss3-tools)"
        return None

    def ours(self) -> list[str]:
        """The names of what we put into it. Raises TrustError."""
        if self.obstacle or not (self.database / "cert9.db").exists():
            return []
        listed = _run("certutil", "-L", "-d", f"sql:{self.database}")
        first = (line.split(" ")[0] for line in listed.splitlines())
        return sorted(name for name in first if name.startswith(MARK))

    def put(self, anchor: Anchor) -> None:
        """Trust this certificate from now on. Raises TrustError."""
        put_into_nss(self.database, anchor.name, anchor.path)

    def drop(self, name: str) -> None:
        """Trust what has this name no longer. Raises TrustError."""
        _run("certutil", "-D", "-d", f"sql:{self.database}", "-n", name)


def put_into_nss(database: Path, name: str, certificate: Path) -> None:
    """Trust a certificate in an NSS database, made when missing. Doing it twice is harmless.

    Raises TrustError.
    """
    if shutil.which("certutil", path=_path()) is None:
        raise TrustError(
            "certutil is needed to trust the world's CA in a browser profile;"
            " install it with: apt-get install libnss3-tools"
        )
    database.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = ["-d", f"sql:{database}"]
    if not (database / "cert9.db").exists():
        _run("certutil", "-N", *where, "--empty-password")
    # C: a CA that is good for servers, and for nothing else.
    _run("certutil", "-A", *where, "-n", name, "-t", "C,,", "-i", str(certificate))


def stores(home: Path, root: Path = Path("/")) -> list[Store]:
    """Every store that a user's programs read: the system's, Chromium's, each Firefox profile's."""
    profiles = [
        path.parent for part in FIREFOX_HOMES for path in sorted((home / part).glob("*/cert9.db"))
    ]
    return [
        SystemStore(root),
        NssStore("Chromium", home / ".pki/nssdb"),
        *(NssStore("Firefox", profile) for profile in profiles),
    ]


def _run(*argv: str) -> str:
    environment = os.environ | {"PATH": _path()}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=environment, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TrustError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise TrustError(f"{' '.join(_without_paths(argv))}: {said}")
    return done.stdout


def _without_paths(argv: Sequence[str]) -> list[str]:
    return [part for part in argv[:2] if not part.startswith("/")]


def _path() -> str:
    """An ordinary user's PATH may lack /usr/sbin, where Debian keeps update-ca-certificates."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
