"""Sockets inside other network namespaces.

A socket belongs to the network namespace that it was made in, whichever thread uses it later. So a
short-lived thread enters the namespace, opens the sockets, and ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hiyoko.plane.error import PlaneError
from hiyoko.plane.process import NETNS_DIR

IP_FREEBIND = 15
"""linux/in.h: Python 3.11 does not name it."""
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def in_namespace(namespace: Path, make: Callable[[], T]) -> T:
    """What ``make`` makes inside a named network namespace. Raises PlaneError, also ``make``'s."""
    made: list[T] = []
    failures: list[PlaneError] = []

    def enter_and_make() -> None:
        try:
            descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            failures.append(PlaneError(f"open {namespace}: {error}"))
            return
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
                reason = os.strerror(ctypes.get_errno())
                failures.append(PlaneError(f"enter {namespace}: {reason}"))
                return
            made.append(make())
        except PlaneError as error:
            failures.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=enter_and_make)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return made[0]


def identity(namespace: Path) -> tuple[int, int] | None:
    """Which namespace a name stands for now; None when there is none of that name."""
    try:
        status = namespace.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """Be in a named network namespace for a moment. Nothing may be awaited meanwhile."""
    try:
        there = os.open(NETNS_DIR / netns, os.O_RDONLY)
    except OSError as error:
        raise PlaneError(f"enter network namespace {netns}: {error.strerror}") from error
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if _libc.setns(there, _CLONE_NEWNET) != 0:
            raise PlaneError(f"enter network namespace {netns}: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            back = _libc.setns(here, _CLONE_NEWNET)
            assert back == 0, "could not return to the daemon's network namespace"
    finally:
        os.close(there)
        os.close(here)


def socket_in(netns: str, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking IPv4 socket of that namespace."""
    with inside(netns):
        made = socket.socket(socket.AF_INET, kind)
    made.setblocking(False)
    return made
