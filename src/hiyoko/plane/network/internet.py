"""The world's own network namespace as the simulated internet.

Infrastructure addresses are on ``lo``. Whatever nobody has is swallowed by the device ``void``:
silence, as on the internet, where a blackhole route would answer at once. It is one end of a veth
pair whose other end has another MAC address, so that the kernel throws every frame away (the
``dummy`` device would do the same, but not every kernel has it).
"""

from __future__ import annotations

from hiyoko.blueprint.service_addresses import service_addresses
from hiyoko.plane.addresses import (
    AWS_DNS,
    AWS_ENDPOINT,
    CLIENT,
    HEALTH_CHECKERS,
    INTERNET_RESOLVER,
    PARENT_SERVER,
    ROOT_SERVER,
    ROUTE53_SERVERS,
)
from hiyoko.plane.network.congestion import choose_congestion_control
from hiyoko.plane.process import run

VOID = "void"
_VOID_PAIR = (
    f"ip link show dev {VOID} >/dev/null 2>&1 ||"
    f" ip link add {VOID} address 02:68:79:00:00:03 type veth"
    f" peer name {VOID}-end address 02:68:79:00:00:04"
)

_SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    "net.ipv4.conf.all.accept_redirects=0",
    "net.ipv4.conf.default.accept_redirects=0",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)

_HOSTS = (CLIENT, ROOT_SERVER, PARENT_SERVER, INTERNET_RESOLVER, AWS_DNS, AWS_ENDPOINT)
_CHECKERS = tuple(HEALTH_CHECKERS.values())


def render_internet() -> str:
    """ip(8) lines that may be given again and again, once the device ``void`` exists."""
    swallowed = (
        "default",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
    )
    return "".join(
        [
            "link set lo up\n",
            *(f"link set {end} arp off addrgenmode none up\n" for end in (VOID, f"{VOID}-end")),
            *(
                f"address replace {address}/32 dev lo\n"
                for address in (*_HOSTS, *_CHECKERS, *service_addresses())
            ),
            f"route replace local {ROUTE53_SERVERS} dev lo table local\n",
            *(f"route replace {cidr} dev {VOID} src {CLIENT}\n" for cidr in swallowed),
        ]
    )


async def prepare_internet() -> None:
    """Make the namespace that we are in the simulated internet; harmless when it already is."""
    await run("sysctl", "-qw", *_SYSCTLS)
    choose_congestion_control()
    await run("sh", "-c", _VOID_PAIR)
    await run("ip", "-batch", "-", stdin=render_internet())
