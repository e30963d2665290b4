"""How a group's targets are checked: the request that AWS's checkers send."""

from __future__ import annotations

from collections.abc import Iterator

from hiyoko.blueprint.balancers import HealthCheck
from hiyoko.plane.balancer.text import quoted


def check_lines(check: HealthCheck) -> Iterator[str]:
    """The lines of a backend that say how each of its servers is checked."""
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
    yield "option httpchk"
    yield (
        f"http-check send meth GET uri {quoted(check.path)} ver HTTP/1.1 "
        f'hdr Host "{host.replace("$", chr(92) + "x24")}" hdr User-Agent ELB-HealthChecker/2.0 '
        'hdr Connection close hdr Accept-Encoding "gzip, compressed"'
    )
    yield f"http-check expect status {check.matcher}"
    yield f"timeout check {check.timeout_s}s"
