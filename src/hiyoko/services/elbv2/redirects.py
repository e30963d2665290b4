"""Redirect actions: parsed, and refused where they would lead back or to a lesser protocol.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html
"""

from __future__ import annotations

import re

from hiyoko.api import Request
from hiyoko.services.elbv2 import errors
from hiyoko.services.elbv2.model import Redirect
from hiyoko.services.elbv2.requests import only

_ALLOWED_KEYWORDS = {
    "protocol": {"protocol"},
    "host": {"host", "path", "query"},
    "port": {"port", "path", "query"},
    "path": {"path", "query"},
    "query": {"query"},
}
# Which part may hold which keyword is the transpose: #{host} may stand in host, path and query.
_KEYWORDS_OF = {
    part: {word for word, parts in _ALLOWED_KEYWORDS.items() if part in parts}
    for part in _ALLOWED_KEYWORDS
}


def parse_redirect(protocol: str, port: int, config: Request) -> Redirect:
    """The redirect of a listener with this protocol and port, defaults filled in."""
    only(config, {"Protocol", "Port", "Host", "Path", "Query", "StatusCode"})
    default = Redirect()
    query = config.get("Query")
    redirect = Redirect(
        protocol=config.get("Protocol") or default.protocol,
        host=config.get("Host") or default.host,
        port=config.get("Port") or default.port,
        path=config.get("Path") or default.path,
        query=default.query if query is None else query,
        status=int(config["StatusCode"].removeprefix("HTTP_")),
    )
    for part, allowed in _KEYWORDS_OF.items():
        for keyword in re.findall(r"#\{([^}]*)\}", getattr(redirect, part)):
            if keyword not in allowed:
                raise errors.invalid_action(
                    f"The redirect configuration is not valid: '#{{{keyword}}}' cannot be used "
                    f"in the {part}."
                )
    for part in ("host", "path", "query"):
        if not re.fullmatch("[!-~]*", getattr(redirect, part)):
            raise errors.validation(f"The redirect {part} contains a character that is not valid")
    if not redirect.path.startswith("/"):
        raise errors.validation(f"The path '{redirect.path}' must start with '/'")
    _check_port(redirect.port)
    if protocol == "HTTPS" and redirect.protocol == "HTTP":
        raise errors.invalid_action("You cannot redirect HTTPS to HTTP.")
    if _comes_back(redirect, protocol, port):
        raise errors.invalid_action(
            "The redirect configuration is not valid because it creates a loop."
        )
    return redirect


def _check_port(port: str) -> None:
    if port != "#{port}" and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise errors.validation(f"The port '{port}' must be between 1 and 65535 or '#{{port}}'")


def _comes_back(redirect: Redirect, protocol: str, port: int) -> bool:
    """True when protocol, host, port and path stay what they are at this listener."""
    default = Redirect()
    return (
        redirect.protocol in (default.protocol, protocol)
        and redirect.port in (default.port, str(port))
        and (redirect.host, redirect.path) == (default.host, default.path)
    )
