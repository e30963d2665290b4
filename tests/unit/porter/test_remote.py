"""What a registry's answers mean, from a registry that a test plays."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from hiyoko.plane.containers.blobs import Blobs, Fault, FetchFailed
from hiyoko.porter import fetch
from hiyoko.porter.cache import ImageCache
from hiyoko.porter.remote import Remote, mirrors

ELSEWHERE = "127.0.0.2"


class Registry(BaseHTTPRequestHandler):
    """Wants a token; its blobs lie elsewhere, where no token may be shown."""

    seen: ClassVar[list[tuple[str, str, str]]]
    port: ClassVar[int]
    answer = 404
    realm = "http://127.0.0.1:{port}/token"
    elsewhere = f"http://{ELSEWHERE}:{{port}}/elsewhere"

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization", "")
        self.seen.append((self.headers["Host"].partition(":")[0], self.path, authorization))
        port = self.port
        if self.path.startswith("/token"):
            self.tell(200, {"access_token": "anybody's"})
        elif self.path.startswith("/elsewhere"):
            self.tell(200, {"blob": 1})
        elif authorization != "Bearer anybody's":
            wanted = f'Bearer realm="{self.realm.format(port=port)}",service="r",scope="pull"'
            self.tell(401, {}, **{"WWW-Authenticate": wanted})
        elif "/blobs/" in self.path:
            self.tell(307, {}, Location=self.elsewhere.format(port=port))
        else:
            self.tell(self.answer, {"errors": [{"message": "its own words"}]})

    def tell(self, status: int, body: object, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence."""


@pytest.fixture
def remote() -> Iterator[Remote]:
    Registry.seen = []
    with HTTPServer(("", 0), Registry) as server:
        Registry.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Remote("ghcr.io/org/tool", {"ghcr.io": f"http://127.0.0.1:{server.server_port}"})
        server.shutdown()
        thread.join()


def test_a_token_is_fetched_as_the_registry_asks_and_shown_to_nobody_else(remote: Remote) -> None:
    assert b"".join(remote.blob("sha256:0")) == b'{"blob": 1}'
    assert Registry.seen == [
        ("127.0.0.1", "/v2/org/tool/blobs/sha256:0", ""),
        ("127.0.0.1", "/token?service=r&scope=pull", ""),
        ("127.0.0.1", "/v2/org/tool/blobs/sha256:0", "Bearer anybody's"),
        (ELSEWHERE, "/elsewhere", ""),
    ]


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (404, Fault.ABSENT),
        (403, Fault.DENIED),
        (429, Fault.FAILED),
        (502, Fault.UNREACHABLE),
    ],
)
def test_a_refusal_means_what_its_status_says(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, status: int, fault: Fault
) -> None:
    monkeypatch.setattr(Registry, "answer", status)
    with pytest.raises(FetchFailed, match="its own words") as error:
        remote.manifest("1")
    assert error.value.fault is fault


def test_a_registry_reads_no_file_of_this_machines_and_sends_us_to_none(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A realm of file: would have a file's token shown to the registry."""
    (tmp_path / "keys.json").write_text('{"token": "the user\'s own"}')
    monkeypatch.setattr(Registry, "realm", f"file://{tmp_path}/keys.json#")
    with pytest.raises(FetchFailed, match="unknown url type: file"):
        remote.manifest("1")
    monkeypatch.undo()
    monkeypatch.setattr(Registry, "elsewhere", f"file://{tmp_path}/keys.json")
    with pytest.raises(FetchFailed):
        b"".join(remote.blob("sha256:0"))
    assert not [one for one in Registry.seen if "own" in one[2]]


@pytest.mark.parametrize("realm", ["data:,[]#", "http://127.0.0.1:{port}/elsewhere", "http://[::"])
def test_a_realm_that_makes_no_sense_is_a_refusal(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, realm: str
) -> None:
    monkeypatch.setattr(Registry, "realm", realm)
    with pytest.raises(FetchFailed):
        remote.manifest("1")


def test_a_registry_that_does_not_answer_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        remote = Remote("ghcr.io/org/tool", {"ghcr.io": url})
        fetcher = fetch.Fetcher(Blobs(tmp_path), ImageCache(tmp_path / "cache"), remote)
        with pytest.raises(FetchFailed, match=r"can't be reached .*no answer in time") as error:
            fetcher.fetch("1")
        assert error.value.fault is Fault.UNREACHABLE


def test_mirrors_are_pairs_of_a_host_and_a_url() -> None:
    text = "docker.io=https://mirror.example.org/ ghcr.io=http://box:5000"
    assert mirrors({"HIYOKO_REGISTRY_MIRRORS": text}) == {
        "docker.io": "https://mirror.example.org",
        "ghcr.io": "http://box:5000",
    }
    with pytest.raises(FetchFailed, match="'box:5000' is not HOST=https://MIRROR"):
        mirrors({"HIYOKO_REGISTRY_MIRRORS": "box:5000"})
