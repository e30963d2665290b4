"""A registry of the real internet, as the OCI distribution specification has it: read, never write.

Anonymous, with the bearer tokens that registries hand out to anybody
(https://distribution.github.io/distribution/spec/auth/token/). ``HIYOKO_REGISTRY_MIRRORS`` sends
requests for a registry elsewhere: ``docker.io=https://mirror.example.org ghcr.io=http://box:5000``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse

from hiyoko.plane.containers.blobs import Fault, FetchFailed

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MIRRORS_VARIABLE = "HIYOKO_REGISTRY_MIRRORS"
_PART_BYTES = 1 << 18
TIMEOUT_S = 5.0
"""For a connection, and between two parts of an answer."""
MANIFEST_BYTES_MAX = 4 << 20
_HUB = "registry-1.docker.io"
"""Docker Hub's images are named docker.io/..., its registry is another host."""
_HANDLERS = (
    *(urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPHandler),
    *(urllib.request.HTTPSHandler, urllib.request.HTTPDefaultErrorHandler),
    *(urllib.request.HTTPRedirectHandler, urllib.request.HTTPErrorProcessor),
)
"""Of urllib's own but those of file:, ftp: and data:, where a registry might send us."""
_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"')


def mirrors(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The base URL for each registry that is asked elsewhere. Raises FetchFailed."""
    found: dict[str, str] = {}
    for pair in environment.get(MIRRORS_VARIABLE, "").split():
        host, _, url = pair.partition("=")
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise FetchFailed(
                Fault.FAILED, f"{MIRRORS_VARIABLE}: {pair!r} is not HOST=https://MIRROR"
            )
        found[host] = url.rstrip("/")
    return found


def _opener() -> urllib.request.OpenerDirector:
    made = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        made.add_handler(handler())
    return made


@dataclass(slots=True)
class Remote:
    """One repository of a registry, ``docker.io/library/nginx``, for reading."""

    name: str
    elsewhere: Mapping[str, str] = field(default_factory=mirrors)
    _token: str = ""

    @property
    def host(self) -> str:
        """The registry's name."""
        return self.name.partition("/")[0]

    @property
    def _base(self) -> str:
        host, _, path = self.name.partition("/")
        real = f"https://{_HUB if host == 'docker.io' else host}"
        return f"{self.elsewhere.get(host, real)}/v2/{path}"

    def digest(self, reference: str) -> str:
        """The digest that a tag has there; empty when the registry does not tell."""
        with self._faults(), self._ask("HEAD", f"manifests/{reference}") as answer:
            return str(answer.headers.get("Docker-Content-Digest", ""))

    def manifest(self, reference: str) -> tuple[bytes, str]:
        """A manifest's bytes and media type."""
        with self._faults(), self._ask("GET", f"manifests/{reference}") as answer:
            body = answer.read(MANIFEST_BYTES_MAX + 1)
            if len(body) > MANIFEST_BYTES_MAX:
                raise FetchFailed(Fault.FAILED, f"the manifest of {self.name} is beyond 4 MiB")
            return body, answer.headers.get_content_type()

    def blob(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes, in parts."""
        with self._faults():
            answer = self._ask("GET", f"blobs/{digest}")
        with answer:
            while True:
                with self._faults():
                    part = answer.read(_PART_BYTES)
                if not part:
                    return
                yield part

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Every fault of the way or of the registry becomes a FetchFailed that says what it is."""
        try:
            yield
        except urllib.error.HTTPError as refused:
            with refused:
                raise self._refusal(refused) from refused
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from error
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        except (ValueError, RecursionError) as error:
            text = f"{self.host} answers for {self.name} with what makes no sense: {error}"
            raise FetchFailed(Fault.FAILED, text) from error

    def _ask(self, method: str, what: str) -> HTTPResponse:
        """An answer of 200, after a log-in as the registry asks for it."""
        url = f"{self._base}/{what}"
        accept = ", ".join(MANIFEST_TYPES) if what.startswith("manifests/") else "*/*"
        try:
            return self._open(method, url, accept)
        except urllib.error.HTTPError as refused:
            challenge = refused.headers.get("WWW-Authenticate", "")
            if refused.code != 401 or not self._log_in(challenge):
                raise
            refused.close()
        return self._open(method, url, accept)

    def _open(self, method: str, url: str, accept: str) -> HTTPResponse:
        request = urllib.request.Request(url, method=method, headers={"Accept": accept})
        if self._token:
            # A redirect leads to another party's store, which must not see it.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        answer: HTTPResponse = _opener().open(request, timeout=TIMEOUT_S)
        return answer

    def _log_in(self, challenge: str) -> bool:
        """Get anybody's token as a registry asks for it; False when it wants something else."""
        scheme, _, rest = challenge.partition(" ")
        wanted = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in wanted or self._token:
            return False
        query = {name: wanted[name] for name in ("service", "scope") if name in wanted}
        url = f"{wanted['realm']}?{urllib.parse.urlencode(query)}"
        with self._open("GET", url, "application/json") as answer:
            said = json.loads(answer.read(1 << 20))
        if not isinstance(said, dict):
            return False
        self._token = str(said.get("token") or said.get("access_token") or "")
        return bool(self._token)

    def _refusal(self, refused: urllib.error.HTTPError) -> FetchFailed:
        said = _message(refused.read(1 << 16)) or refused.reason
        match refused.code:
            case 404:
                return FetchFailed(Fault.ABSENT, f"{self.host} has no such image: {said}")
            case 401 | 403:
                return FetchFailed(Fault.DENIED, f"{self.host} refuses {self.name}: {said}")
            case code:
                text = f"{self.host} answers {code} for {self.name}: {said}"
                return FetchFailed(Fault.UNREACHABLE if code >= 500 else Fault.FAILED, text)

    def _unreachable(self, reason: object) -> FetchFailed:
        match reason:
            case socket.gaierror():
                why = "its name can't be resolved"
            case TimeoutError():
                why = "no answer in time"
            case OSError(strerror=str(text)) if text:
                why = text
            case _:
                why = str(reason) or type(reason).__name__
        return FetchFailed(
            Fault.UNREACHABLE,
            f"the registry {self.host} can't be reached from this machine ({why})",
        )


def _message(body: bytes) -> str:
    """The registry's own words in the distribution API's form."""
    try:
        return str(json.loads(body)["errors"][0]["message"])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
