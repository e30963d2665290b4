"""Clients from elsewhere: a namespace to each place on earth, made when somebody is first there.

Its one address is the place's client's. So whoever is asked (name servers, balancers, tasks) sees
where the question comes from, and no program has to be told.
"""

from __future__ import annotations

import ctypes
import os
import subprocess

from hiyoko.blueprint.places import PLACES, Place

GATEWAY = "169.254.1.1"
NETNS_DIR = "/run/netns"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def namespace_of(place: Place) -> str:
    """The name of the place's network namespace in the world."""
    return f"from-{place.name}"


def script(place: Place) -> str:
    """A shell script that makes the namespace; it may be run again and again, and goes on where an
    earlier run was ended.
    """
    name, link = namespace_of(place), f"p-{place.name}"
    number = PLACES.index(place)
    outer, inner = f"02:68:79:00:01:{number:02x}", f"02:68:79:00:02:{number:02x}"
    return f"""
exec 9>/run/{name}.lock; flock 9
ip netns list | grep -qw {name} || ip netns add {name}
ip -n {name} link show dev eth0 >/dev/null 2>&1 ||
    ip link add {link} address {outer} type veth peer name eth0 address {inner} netns {name}
ip link set {link} up
ip neigh replace {place.client} lladdr {inner} dev {link} nud permanent
ip -n {name} link set lo up
ip -n {name} link set eth0 up
ip -n {name} address replace {place.client}/32 dev eth0
ip -n {name} neigh replace {GATEWAY} lladdr {outer} dev eth0 nud permanent
ip -n {name} route replace default via {GATEWAY} dev eth0 onlink src {place.client}
ip route replace {place.client}/32 dev {link}
"""


def move_to(place: Place) -> None:
    """Make the place and put this process there. Raises OSError."""
    done = subprocess.run(["sh", "-ec", script(place)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(0, f"go to {place.name}: {done.stderr.strip()}")
    handle = os.open(f"{NETNS_DIR}/{namespace_of(place)}", os.O_RDONLY | os.O_CLOEXEC)
    if _libc.setns(handle, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"go to {place.name}: {os.strerror(number)}")
    os.close(handle)
