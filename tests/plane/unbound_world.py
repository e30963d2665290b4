"""An independent resolver inside the world: unbound, which knows nothing but our root."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.plane.dns_world import dig

ADDRESS, PORT = "127.0.0.9", "5353"
UNBOUND = shutil.which("unbound") or "/usr/sbin/unbound"
needs_unbound = pytest.mark.skipif(
    not Path(UNBOUND).exists(), reason="needs the Debian package unbound"
)

_SETTINGS = """
server:
  interface: {address}
  port: {port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  verbosity: 1
  val-log-level: 2
  root-hints: "{directory}/hints"
  module-config: "{modules}"
  # Strict on purpose: everything that a careful resolver checks.
  use-caps-for-id: yes
  harden-referral-path: yes
  harden-below-nxdomain: yes
  harden-algo-downgrade: yes
  aggressive-nsec: yes
  qname-minimisation-strict: yes
remote-control:
  control-enable: no
"""
HINTS = ". 3600 NS a.root-servers.net.\na.root-servers.net. 3600 A 198.18.0.1\n"


def configure(directory: Path, anchor: Path | None) -> Path:
    """Its configuration, written down."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "hints").write_text(HINTS)
    modules = "validator iterator" if anchor else "iterator"
    text = _SETTINGS.format(address=ADDRESS, port=PORT, directory=directory, modules=modules)
    if anchor is not None:
        digest = re.search(r"\d+ 13 2 [0-9a-f]+", anchor.read_text())
        assert digest is not None
        (directory / "anchor").write_text(f". IN DS {digest[0]}\n")
        text = text.replace("server:", f'server:\n  trust-anchor-file: "{directory}/anchor"', 1)
    path = directory / "unbound.conf"
    path.write_text(text)
    return path


@asynccontextmanager
async def unbound(directory: Path, anchor: Path | None = None) -> AsyncIterator[None]:
    """A resolver with an empty cache; with the root's key it validates."""
    configured = configure(directory, anchor)
    process = await asyncio.create_subprocess_exec(
        *(UNBOUND, "-d", "-c", str(configured)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = []
    while line := (await process.stderr.readline()).decode():
        said.append(line)
        if "start of service" in line:
            break
    else:
        pytest.fail("".join(said))
    drained = asyncio.ensure_future(process.stderr.read())
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
        await drained


async def ask(*question: str) -> str:
    """What the resolver answers to dig."""
    return await dig(f"@{ADDRESS}", "-p", PORT, *question)
