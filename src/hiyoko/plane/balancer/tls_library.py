"""The TLS library that HAProxy runs on: what it can do of what policies promise.

``haproxy -vv`` tells the version that it runs on and the providers that are loaded. Post-quantum
groups came with OpenSSL 3.5 (https://openssl-library.org/post/2025-04-08-openssl-35-final-release/).
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import run

_HYBRID_SINCE = (3, 5)


@dataclass(frozen=True, slots=True)
class TlsLibrary:
    """Its name and version, and whether it has post-quantum groups, or a FIPS module is loaded.

    ``program`` is the HAProxy that told it: its path and the time of its last change.
    """

    program: str
    name: str
    hybrid_groups: bool
    fips: bool


def find_program() -> str:
    """The HAProxy at hand: its path and the time of its last change. Raises PlaneError."""
    path = shutil.which("haproxy")
    if path is None:
        raise PlaneError("find haproxy: no such program")
    return f"{path} {Path(path).stat().st_mtime_ns}"


async def observe_tls_library() -> TlsLibrary:
    """What HAProxy says of the library it runs on. Raises PlaneError."""
    program = find_program()
    return parse_tls_library(program, await run("haproxy", "-vv"))


def parse_tls_library(program: str, said: str) -> TlsLibrary:
    """The library, from the text of ``haproxy -vv``."""
    found = re.search(r"^Running on (?:\w+ library|\w+) version : (.+)$", said, re.MULTILINE)
    name = found[1].strip() if found else "an unknown library"
    version = re.match(r"OpenSSL (\d+)\.(\d+)", name)
    loaded = re.search(r"^OpenSSL providers loaded : (.*)$", said, re.MULTILINE)
    return TlsLibrary(
        program=program,
        name=" ".join(name.split()[:2]) if version else name,
        hybrid_groups=version is not None and (int(version[1]), int(version[2])) >= _HYBRID_SINCE,
        fips="fips" in (loaded[1] if loaded else ""),
    )
