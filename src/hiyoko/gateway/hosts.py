"""Who may speak to a socket on the host's loopback.

A web page in the user's browser can send requests to 127.0.0.1, or make a name of its own resolve
to it (DNS rebinding). So there the Host must be the loopback's or one of AWS's names, and an
Origin, which only a browser sends, must be the loopback's too; where a browser sends none (the GET
of an image), it says ``Sec-Fetch-Site: cross-site``.
"""

from __future__ import annotations

from asyncio import BaseTransport
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def host_name(header: str) -> str:
    """The host of a Host header in lower case, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def loopback(host: str) -> bool:
    """Whether a host name is this machine's own, whatever a resolver says."""
    return host in _LOOPBACK


def no_page(origin: str | None, fetch_site: str | None) -> bool:
    """Whether a request is no web page's: a program's, or an address that the user typed."""
    return origin is None and fetch_site in (None, "none")


def on_loopback(transport: BaseTransport | None) -> bool:
    """Whether a request came to the host's loopback: not from the simulated internet."""
    name = transport.get_extra_info("sockname") if transport else None
    return isinstance(name, tuple) and str(name[0]).startswith(("127.", "::1"))


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None  # http://[::1, say: nobody's


def foreign(host: str, origin: str | None, fetch_site: str | None = None) -> str | None:
    """Why a request on the loopback must be refused; None when it need not be."""
    # BUCKET.localhost: how S3 is asked for a bucket; every resolver keeps .localhost (RFC 6761).
    if host not in _LOOPBACK and not host.endswith((*_AWS, ".localhost")):
        return f"The host name {host!r} is not one of this endpoint's."
    if origin is not None and _host_of(origin) not in _LOOPBACK:
        return f"Requests from the web page {origin!r} are not accepted."
    if fetch_site == "cross-site":
        return "Requests from other web pages are not accepted."
    return None
