"""TLS of a node as AWS's: policies, choice of certificates, renewal, clients' certificates.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from tests.plane import client_hello
from tests.plane.tls_world import (
    ADDRESS,
    ENI,
    TlsWorld,
    connect,
    get,
    handshake,
    https,
    make,
    shown,
)

from hiyoko.plane.balancer.nodes import StopNode
from hiyoko.plane.process import run
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TlsWorld]:
    await run("ip", "netns", "add", ENI)
    await run("ip", "-n", ENI, "link", "set", "lo", "up")
    await run("ip", "-n", ENI, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    made = TlsWorld(tmp_path)
    try:
        yield made
    finally:
        if await made.plane.observe():
            await made.plane.apply(StopNode(ENI))
        await run("ip", "netns", "del", ENI)


def _expected(policy: str, version: str, algorithm: str) -> list[str]:
    """What a policy holds for a version and a certificate, in its order."""
    new = version == "TLSv1.3"
    sha2_only_12 = re.compile(r"GCM|SHA256$|SHA384$")
    other = {"RSA": "ECDSA", "EC": "RSA"}[algorithm]
    return [
        name
        for name in SSL_POLICIES[policy].ciphers
        if name.startswith("TLS_") == new
        and (new or f"-{other}-" not in name)
        # RSA key exchange has no name of its own.
        and (new or algorithm == "RSA" or "ECDHE" in name)
        and (version in ("TLSv1.2", "TLSv1.3") or not sha2_only_12.search(name))
    ]


async def test_each_policy_offers_its_ciphers_in_its_order_and_no_other(world: TlsWorld) -> None:
    world.put("rsa", make("rsa", names=["rsa.test"], kind="2048"))
    world.put("ec", make("ec", names=["ec.test"]))
    ports = {name: 1000 + number for number, name in enumerate(SSL_POLICIES)}
    await world.become(
        *(
            https(port, ["rsa", "ec"], name.removeprefix("ELBSecurityPolicy-"))
            for name, port in ports.items()
        )
    )

    def check() -> None:
        for name, port in ports.items():
            there = functools.partial(connect, port)
            for version in client_hello.VERSIONS:
                for algorithm, server in (("RSA", "rsa.test"), ("EC", "ec.test")):
                    wanted = _expected(name, version, algorithm)
                    if version not in SSL_POLICIES[name].versions:
                        wanted = []
                    found = client_hello.offered(there, version, server)
                    assert found == wanted, (name, version, algorithm)

    await asyncio.to_thread(check)
