"""How TCP paces itself in our namespaces: as a Linux on AWS does, not as the host was tuned.

A new namespace has the host's choice. ``bbr`` models a bottleneck that is not there between veth
pairs, and sets a timer for nearly every segment: a third of a gigabyte's CPU time.
"""

from __future__ import annotations

from pathlib import Path

from hiyoko.plane.error import PlaneError

SETTING = Path("/proc/sys/net/ipv4/tcp_congestion_control")
"""Of the namespace of the thread that opens it."""
WANTED = ("cubic", "reno")
"""Linux's default, which a host may keep from namespaces, and the one that every kernel allows."""


def choose_congestion_control() -> None:
    """Choose for this thread's namespace. Raises PlaneError."""
    refusals = []
    for name in WANTED:
        try:
            if SETTING.read_text().strip() != name:
                SETTING.write_text(name)
        except OSError as error:
            refusals.append(f"{name}: {error}")
        else:
            return
    raise PlaneError(f"{SETTING}: {'; '.join(refusals)}")
