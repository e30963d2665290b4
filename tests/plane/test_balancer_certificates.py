"""Which of a listener's certificates a client gets, and how they are renewed and exchanged.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from tests.plane.tls_world import (
    ADDRESS,
    ENI,
    Made,
    TlsWorld,
    get,
    handshake,
    https,
    make,
    shown,
    world,
)

from hiyoko.plane.process import run

__all__ = ["world"]


ONLY_RSA = ("-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256")

ONLY_ECDSA = ("-sigalgs", "ecdsa_secp256r1_sha256")


async def _openssl(name: str, *argv: str, port: int = 443) -> str:
    """The subject's common name that ``openssl s_client`` is shown, or the alert."""
    command = f'openssl s_client -connect {ADDRESS}:{port} "$@" </dev/null 2>&1 || true'
    asked = ("-servername", name) if name else ("-noservername",)
    said = await run("sh", "-c", command, "sh", *asked, *argv, netns=ENI)
    found = re.search(r"^subject=.*CN = (\S+)", said, re.MULTILINE)
    if found:
        return found[1]
    alert = re.search(r"alert ([a-z ]+)", said)
    return f"alert {alert[1]}" if alert else said


async def test_the_best_certificate_that_the_client_can_use_is_chosen(world: TlsWorld) -> None:
    world.put("default", make("default", names=["a.test"], kind="2048"))
    world.put("long", make("long", names=["a.test"], kind="3072"))
    world.put("weak", make("weak", names=["a.test"], kind="4096", digest=hashes.SHA224()))
    world.put("ended", make("ended", names=["a.test"], kind="4096", days=-1))
    world.put("ec", make("ec", names=["a.test", "only-ec.test"]))
    world.put("wild", make("wild", names=["*.b.test"]))
    world.put("exact", make("exact", names=["x.b.test"], kind="2048"))
    names = ["default", "weak", "ended", "long", "ec", "wild", "exact"]
    await world.become(https(443, names))
    # ECDSA before RSA, by what the client offers.
    assert await _openssl("a.test") == "ec"
    assert await _openssl("A.TEST") == "ec"
    assert await _openssl("a.test", *ONLY_ECDSA) == "ec"
    assert await _openssl("a.test", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") == "long"
    # Among RSA ones: not ended, the longest hash, the longest key.
    assert await _openssl("a.test", *ONLY_RSA) == "long"
    # An exact name before a wildcard, though that one is ECDSA; a wildcard is one label.
    assert await _openssl("x.b.test") == "exact"
    assert await _openssl("y.b.test") == "wild"
    assert await _openssl("z.y.b.test") == "default"
    # No name, or a name of no certificate: the default one, never an alert.
    assert await _openssl("") == "default"
    assert await _openssl("stranger.test") == "default"
    assert "alert" in await _openssl("x.b.test", *ONLY_ECDSA)


async def test_twenty_five_certificates_besides_the_default_one(world: TlsWorld) -> None:
    made = {f"c{number}": make(f"c{number}", names=[f"c{number}.test"]) for number in range(26)}
    for name, each in made.items():
        world.put(name, each)
    await world.become(https(443, list(made)))

    def all_shown() -> None:
        for name, each in made.items():
            assert shown(f"{name}.test") == each.der

    await asyncio.to_thread(all_shown)


class Handshakes:
    """One client that shakes hands again and again, until it is told to stop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[bytes] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.seen.append(shown(self.name))
            except OSError as error:
                self.failures.append(repr(error))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()


async def test_a_renewal_fails_no_handshake_and_ends_no_connection(world: TlsWorld) -> None:
    old, new = (make("renewed", names=["a.test"]) for _ in range(2))
    world.put("a", old)
    world.put("b", make("b", names=["b.test"]))
    listener = https(443, ["b", "a"])
    await world.become(listener)
    pid = await _worker(world)
    kept = await asyncio.to_thread(handshake, 443, "a.test")
    assert get(kept).endswith("hello")
    client = Handshakes("a.test")
    with client.running():
        for turn in range(6):
            world.put("a", (new, old)[turn % 2])
            report = await world.become(listener)
            assert [step.split(" of ")[0] for step in report.steps] == ["swap certificate a"]
        # The last one put is the old one again; a renewal ends on the new one.
        world.put("a", new)
        await world.become(listener)
        assert await asyncio.to_thread(shown, "a.test") == new.der
    assert client.failures == []
    assert {old.der, new.der} == set(client.seen)
    # The same connection, to the same process: nothing was reloaded.
    assert get(kept).endswith("hello")
    assert await _worker(world) == pid
    kept.close()


async def _worker(world: TlsWorld) -> str:
    from hiyoko.plane.balancer.render import STATS_SOCKET
    from hiyoko.plane.balancer.socket import ask

    said = await ask(world.plane.directory / ENI / STATS_SOCKET, "show info")
    return re.search(r"^Pid: (\d+)", said, re.MULTILINE)[1]  # type: ignore[index]


async def test_certificates_come_and_go_without_a_failed_handshake(world: TlsWorld) -> None:
    for name in ("default", "a", "b"):
        world.put(name, make(name, names=[f"{name}.test"]))
    await world.become(https(443, ["default", "a"]))
    kept = await asyncio.to_thread(handshake, 443, "a.test")
    client = Handshakes("default.test")
    with client.running():
        await world.become(https(443, ["default", "a", "b"]))
        await world.become(https(443, ["default", "b"]))
        await world.become(https(443, ["b", "default"]))
    assert client.failures == []
    assert await _openssl("a.test") == "b"
    # What was open before is served to its end.
    assert get(kept).endswith("hello")
    kept.close()


async def test_a_renewal_among_rivals_keeps_their_order(world: TlsWorld) -> None:
    world.put("default", make("default", names=["a.test"], kind="2048"))
    world.put("long", make("long", names=["a.test"], kind="3072"))
    listener = https(443, ["default", "long"])
    await world.become(listener)
    assert await _openssl("a.test") == "long"
    world.put("long", make("longer", names=["a.test"], kind="3072"))
    await world.become(listener)
    assert await _openssl("a.test") == "longer"
    assert await _openssl("") == "default"


async def test_a_chain_that_is_mended_is_swapped_too(world: TlsWorld) -> None:
    root = make("root", ca=True)
    link = make("a, b/c é", ca=True, signer=root)
    leaf = make("leaf", names=["a.test"], signer=link)
    await _become_and_say_again(world, leaf)
    assert await _sent() == ["leaf"]
    # The same certificate, imported again with what was missing.
    assert await _become_and_say_again(world, leaf, link) == ["swap certificate a"]
    assert await _sent() == ["leaf", "a, b/c é"]
    assert await _become_and_say_again(world, leaf, link, root) == ["swap certificate a"]
    assert await _sent() == ["leaf", "a, b/c é", "root"]


async def _become_and_say_again(world: TlsWorld, leaf: Made, *chain: Made) -> list[str]:
    world.put("a", leaf, *chain)
    report = await world.become(https(443, ["a"]))
    return [step.split(" of ")[0] for step in report.steps]


async def _sent() -> list[str]:
    """The common names of the certificates that a client is sent."""
    asked = f"openssl s_client -connect {ADDRESS}:443 -showcerts </dev/null 2>&1"
    said = await run("sh", "-c", asked, netns=ENI)
    found = x509.load_pem_x509_certificates(said.split("Server certificate")[0].encode())
    return [str(c.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value) for c in found]


async def test_a_swap_that_was_cut_off_is_taken_up_again(world: TlsWorld) -> None:
    from hiyoko.plane.balancer.render import STATS_SOCKET
    from hiyoko.plane.balancer.socket import ask

    for name in ("a", "b"):
        world.put(name, make(name, names=[f"{name}.test"]))
    listener = https(443, ["a", "b"])
    await world.become(listener)
    # A daemon killed between the two commands: HAProxy holds a change that nobody ends.
    left = make("left", names=["a.test"])
    word = str(world.directory / "a.pem").replace(" ", "\\ ")
    await ask(
        world.plane.directory / ENI / STATS_SOCKET,
        f"set ssl cert {word} <<\n{left.pem}{left.key_pem}\n",
    )
    world.put("b", make("fresh", names=["b.test"]))
    await world.become(listener)
    assert await _openssl("b.test") == "fresh"
    assert await _openssl("a.test") == "a"
