"""TLS of a node as AWS's: policies, ALPN, what targets are told and how they are spoken to.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import ssl
from itertools import count

import pytest
from tests.plane import client_hello
from tests.plane.tls_world import (
    ADDRESS,
    ENI,
    TO_TARGET,
    TlsWorld,
    connect,
    context,
    echo_target,
    get,
    handshake,
    https,
    make,
    resumes,
    world,
)

from hiyoko.blueprint.balancers import TargetTls
from hiyoko.plane.process import run
from hiyoko.services.elbv2.ssl_policies import SSL_POLICIES, target_ssl_policy

__all__ = ["world"]


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


@pytest.mark.parametrize("policy", ["2016-08", "TLS13-1-2-Ext2-2021-06"])
async def test_an_independent_scanner_finds_what_the_policy_holds(
    world: TlsWorld, policy: str
) -> None:
    world.put("rsa", make("rsa", names=["rsa.test"], kind="2048"))
    await world.become(https(443, ["rsa"], policy))
    scan = ("nmap", "-n", "-Pn", "-p", "443", "--script", "ssl-enum-ciphers", str(ADDRESS))
    said = await run(*scan, netns=ENI)
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if version := re.search(r"(TLSv1\.\d):", line):
            found[version[1]] = []
        elif cipher := re.search(r"(TLS_(?:AKE|RSA|ECDHE)\w+)", line):
            found[list(found)[-1]].append(cipher[1])
    chosen = SSL_POLICIES[f"ELBSecurityPolicy-{policy}"]
    versions = {"TLSv1.0" if name == "TLSv1" else name: name for name in chosen.versions}
    assert found.keys() == versions.keys()
    for shown_as, name in versions.items():
        wanted = [_iana(cipher) for cipher in _expected(chosen.name, name, "RSA")]
        assert found[shown_as] == wanted, shown_as
    assert said.count("cipher preference: server") == len(versions)


def _iana(name: str) -> str:
    """OpenSSL's name of a suite for an RSA certificate as the scanner writes it."""
    if name.startswith("TLS_"):
        return name.replace("TLS_", "TLS_AKE_WITH_")
    exchange = "ECDHE_RSA" if name.startswith("ECDHE") else "RSA"
    rest = name.removeprefix("ECDHE-RSA-").replace("AES", "AES_")
    mode = rest.replace("-", "_") if "GCM" in rest else rest.replace("-", "_CBC_")
    return f"TLS_{exchange}_WITH_{mode}"


async def test_a_policy_offers_its_key_exchange_groups_and_no_other(world: TlsWorld) -> None:
    # RSA: up to TLS 1.2 the groups speak of an ECDSA certificate's curve as well.
    world.put("rsa", make("rsa", names=["rsa.test"], kind="2048"))
    policies = ("2016-08", "TLS13-1-2-FIPS-2023-04", "TLS13-1-2-RFC9151-FIPS-2023-07",
                "TLS13-1-2-Res-PQ-2025-09")  # fmt: skip
    await world.become(*(https(1000 + n, ["rsa"], name) for n, name in enumerate(policies)))
    groups = client_hello.GROUPS | client_hello.OTHER_GROUPS

    def found(port: int) -> set[str]:
        ciphers = [code for name, code in client_hello.CIPHERS.items() if "ECDHE" in name]
        there = functools.partial(connect, port)
        return {
            name
            for name, number in groups.items()
            if client_hello.ask(there, "TLSv1.2", ciphers, "rsa.test", [number])
        }

    for number, name in enumerate(policies):
        wanted = {
            group
            for group in SSL_POLICIES[f"ELBSecurityPolicy-{name}"].groups
            if "MLKEM" not in group
        }
        assert await asyncio.to_thread(found, 1000 + number) == wanted, name


async def test_http2_is_chosen_by_alpn_and_resumption_works_without_early_data(
    world: TlsWorld,
) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    await world.become(https(443, ["ec"], "TLS13-1-0-2021-06"))

    def check() -> None:
        how = context()
        how.set_alpn_protocols(["h2", "http/1.1"])
        with handshake(443, "a.test", how) as tls:
            assert tls.selected_alpn_protocol() == "h2"
        how.set_alpn_protocols(["http/1.1"])
        with handshake(443, "a.test", how) as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert resumes(443, context(), version), version

    await asyncio.to_thread(check)
    # The session's ticket comes after the handshake.
    assert await _heard("-tls1_3", "", "Max Early Data: 0")
    # TLS 1.2: the server answers a client's wish to renegotiate by an alert.
    assert await _heard("-tls1_2", "R\n", "no renegotiation")


async def _heard(version: str, typed: str, words: str) -> bool:
    """Whether openssl's client says so, once this was typed into it; it is ended then."""
    client = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ENI, "stdbuf", "-o0", "openssl", "s_client"),
        *("-connect", f"{ADDRESS}:443", version),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(30):
            # What is typed before the handshake is over waits until then.
            client.stdin.write(typed.encode())
            while words not in said and (more := await client.stdout.read(4096)):
                said += more.decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            client.kill()
        await client.communicate()
    return words in said


async def test_no_ocsp_response_is_stapled_and_hsts_is_only_by_attribute(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    name = "routing.http.response.strict_transport_security.header_value"
    await world.become(
        https(443, ["ec"]), https(444, ["ec"], attributes=((name, "max-age=31536000"),))
    )
    command = f"openssl s_client -connect {ADDRESS}:443 -status </dev/null 2>&1"
    assert "OCSP response: no response sent" in await run("sh", "-c", command, netns=ENI)

    def hsts(port: int) -> str | None:
        with handshake(port) as tls:
            found = re.search(r"(?i)strict-transport-security: (.*)\r", get(tls))
        return found[1] if found else None

    assert await asyncio.to_thread(hsts, 443) is None
    assert await asyncio.to_thread(hsts, 444) == "max-age=31536000"


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1", "TLSv1.2"])
async def test_an_old_client_really_gets_an_answer(world: TlsWorld, version: str) -> None:
    world.put("rsa", make("rsa", names=["a.test"], kind="2048"))
    await world.become(https(443, ["rsa"], "2016-08"))

    def answer() -> tuple[str | None, str]:
        how = context()
        how.set_ciphers("ALL:@SECLEVEL=0")
        names = {"TLSv1": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2"}
        how.minimum_version = how.maximum_version = ssl.TLSVersion[names[version]]
        with handshake(443, "a.test", how) as tls:
            return tls.version(), get(tls)

    with (
        pytest.warns(DeprecationWarning, match="deprecated")
        if version != "TLSv1.2"
        else contextlib.nullcontext()
    ):
        got, said = await asyncio.to_thread(answer)
    assert got == version
    assert said.endswith("hello")


TLS_HEADERS = (("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"),)


async def test_a_target_is_told_of_version_and_cipher_if_wished(world: TlsWorld) -> None:
    world.put("rsa", make("rsa", names=["a.test"], kind="2048"))
    forged = "X-Amzn-Tls-Version: SSLv2\r\n"

    def told(version: ssl.TLSVersion) -> tuple[str | None, str | None]:
        how = context()
        how.minimum_version = how.maximum_version = version
        how.set_alpn_protocols(["h2", "http/1.1"])
        with handshake(443, "a.test", how) as tls:
            # HTTP/2 is off for this balancer.
            assert tls.selected_alpn_protocol() == "http/1.1"
            said = get(tls, headers=forged).lower()
        found = dict(re.findall(r"(?m)^x-amzn-tls-([a-z-]+): (.*?)\r?$", said))
        return found.get("version"), found.get("cipher-suite")

    listener = https(443, ["rsa"], "TLS13-1-2-2021-06", rules=TO_TARGET)
    off = ("routing.http2.enabled", "false")
    async with echo_target(9001):
        await world.become(listener, target=9001, attributes=(off, *TLS_HEADERS))
        new, old = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
        # The client likes AES-256 better; the server's order decides.
        assert await asyncio.to_thread(told, new) == ("tlsv1.3", "tls_aes_128_gcm_sha256")
        assert await asyncio.to_thread(told, old) == ("tlsv1.2", "ecdhe-rsa-aes128-gcm-sha256")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_targets_are_spoken_to_as_the_listeners_policies_say(world: TlsWorld) -> None:
    world.put("ec", make("ec", names=["a.test"]))
    # Neither current nor by anybody: AWS does not verify targets.
    ended = make("target", kind="2048", days=-1)
    ports = count(9001)

    def only(version: ssl.TLSVersion) -> ssl.SSLContext:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.set_ciphers("ALL:@SECLEVEL=0")
        server.minimum_version = server.maximum_version = version
        path = world.directory / "target.bundle"
        path.write_text(ended.pem + ended.key_pem)
        server.load_cert_chain(path)
        return server

    async def status(policy: str, version: ssl.TLSVersion) -> str:
        listener = https(443, ["ec"], policy, rules=TO_TARGET)
        to_target = target_ssl_policy([f"ELBSecurityPolicy-{policy}"])
        # A target of its own: connections to the last one are kept for whoever comes next.
        port = next(ports)
        async with echo_target(port, only(version)):
            await world.become(
                listener,
                target=port,
                protocol="HTTPS",
                target_tls=TargetTls(to_target.versions, to_target.ciphers),
            )

            def ask() -> str:
                with handshake(443, "a.test") as tls:
                    return get(tls).split()[1]

            return await asyncio.to_thread(ask)

    assert await status("TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1_3) == "200"
    assert await status("TLS13-1-2-2021-06", ssl.TLSVersion.TLSv1) == "200"
    assert await status("2016-08", ssl.TLSVersion.TLSv1) == "200"
    assert await status("2016-08", ssl.TLSVersion.TLSv1_3) == "502"
    assert await status("TLS13-1-2-RFC9151-FIPS-2023-07", ssl.TLSVersion.TLSv1_2) == "200"
    assert await status("TLS13-1-2-RFC9151-FIPS-2023-07", ssl.TLSVersion.TLSv1_1) == "502"
