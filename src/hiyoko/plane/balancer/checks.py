"""How a group's targets are checked: the request that AWS's checkers send."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.balancers import HealthCheck
from hiyoko.plane.balancer.grpc_checks import grpc_check
from hiyoko.plane.balancer.text import quoted

CHECKER = "ELB-HealthChecker/2.0"


def check_lines(check: HealthCheck, version: str = "HTTP1") -> Iterator[str]:
    """The lines of a backend that say how each of its servers is checked."""
    yield "option httpchk"
    yield f"timeout check {check.timeout_s}s"
    host = f'hdr Host "{_host(check)}"'
    path = f"uri {quoted(check.path)}"
    if version == "GRPC":
        yield from grpc_check(path, host, check.matcher)
        return
    spoken = "HTTP/1.1" if version == "HTTP1" else "HTTP/2"
    yield (
        f"http-check send meth GET {path} ver {spoken} {host} hdr User-Agent {CHECKER} "
        'hdr Connection close hdr Accept-Encoding "gzip, compressed"'
    )
    yield f"http-check expect status {check.matcher}"


def _host(check: HealthCheck) -> str:
    if check.port is None:
        # Server names are address:port, so the name is the Host that AWS sends.
        host = (
            "%[srv_name,regsub(:80$,)]"
            if check.protocol == "HTTP"
            else ("%[srv_name,regsub(:443$,)]")
        )
    else:
        usual = 80 if check.protocol == "HTTP" else 443
        suffix = "" if check.port == usual else f":{check.port}"
        host = f"%[srv_name,field(1,:)]{suffix}"
    return host.replace("$", "\\x24")
