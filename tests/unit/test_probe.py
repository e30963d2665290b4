"""Probes against small real servers on this machine."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from hiyoko import probe
from hiyoko.probe import ProbeError, walk_from_root

HOST, ROOT, CHILD = "www.example.", "127.0.0.1", "127.0.0.2"
Answer = tuple[list[str], list[str], list[str], int]
"""Answer, authority and additional sections as text, and a response code."""
NO_RECORDS: Answer = ([], [], [], 0)


def records(lines: list[str]) -> list[dns.rrset.RRset]:
    made = []
    for line in lines:
        name, ttl, rdclass, rdtype, value = line.split(maxsplit=4)
        made.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, value))
    return made


class Servers:
    """Name servers on one port: what each says to each name."""

    def __init__(self) -> None:
        self.says: dict[tuple[str, str], Answer] = {}
        self.sockets: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.port = 0
        self.asked: list[tuple[str, str]] = []
        self.recursion_desired = False

    def start(self, address: str) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, self.port))
        self.port = sock.getsockname()[1]
        self.sockets.append(sock)
        self.threads.append(threading.Thread(target=self._serve, args=(sock, address), daemon=True))
        self.threads[-1].start()

    def _serve(self, sock: socket.socket, address: str) -> None:
        while True:
            data, client = sock.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text()
            self.asked.append((address, name))
            self.recursion_desired |= bool(query.flags & dns.flags.RD)
            answer, authority, additional, rcode = self.says.get((address, name), NO_RECORDS)
            response = dns.message.make_response(query)
            response.set_rcode(dns.rcode.Rcode(rcode))
            response.answer = records(answer)
            response.authority = records(authority)
            response.additional = records(additional)
            sock.sendto(response.to_wire(), client)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            for sock in self.sockets:
                ending.sendto(b"", sock.getsockname())
        for thread in self.threads:
            thread.join()
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    made = Servers()
    made.start(ROOT)
    made.start(CHILD)
    ask = partial(dns.query.udp_with_fallback, port=made.port)
    monkeypatch.setattr(dns.query, "udp_with_fallback", ask)
    yield made
    made.stop()


REFERRAL: Answer = (
    [],
    ["example. 60 IN NS ns.example."],
    [f"ns.example. 60 IN A {CHILD}"],
    0,
)
FOUND: Answer = ([f"{HOST} 60 IN A 198.19.0.7"], [], [], 0)


def test_a_name_is_followed_from_the_root_by_its_referrals(servers: Servers) -> None:
    servers.says = {(ROOT, HOST): REFERRAL, (CHILD, HOST): FOUND}
    assert walk_from_root(HOST, ROOT) == ([".", "example."], ["198.19.0.7"])
    assert servers.asked == [(ROOT, HOST), (CHILD, HOST)]
    assert not servers.recursion_desired


def test_a_name_server_without_glue_is_looked_up_itself(servers: Servers) -> None:
    servers.says = {
        (ROOT, HOST): ([], ["example. 60 IN NS ns.other."], [], 0),
        (ROOT, "ns.other."): ([f"ns.other. 60 IN A {CHILD}"], [], [], 0),
        (CHILD, HOST): FOUND,
    }
    assert walk_from_root(HOST, ROOT)[1] == ["198.19.0.7"]


def test_glue_for_another_name_is_not_believed(servers: Servers) -> None:
    servers.says = {
        (ROOT, HOST): (
            [],
            ["example. 60 IN NS ns.other."],
            [f"ns.example. 60 IN A {CHILD}"],
            0,
        ),
        (CHILD, HOST): FOUND,
    }
    with pytest.raises(ProbeError, match=r"no name server of example\. has an address"):
        walk_from_root(HOST, ROOT)


def test_a_name_server_that_can_only_be_found_through_itself_ends_the_walk(
    servers: Servers,
) -> None:
    without_glue: Answer = ([], ["example. 60 IN NS ns.example."], [], 0)
    servers.says = {(ROOT, HOST): without_glue, (ROOT, "ns.example."): without_glue}
    with pytest.raises(ProbeError, match=r"no name server of example\. has an address"):
        walk_from_root(HOST, ROOT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            ([], ["example. 60 IN SOA ns.example. me.example. 1 2 3 4 5"], [], 3),
            r"www\.example\.: NXDOMAIN from \.",
        ),
        (
            ([], ["example. 60 IN SOA ns.example. me.example. 1 2 3 4 5"], [], 0),
            r"no address; \. has no such record",
        ),
        (NO_RECORDS, r"NOERROR from \."),
        (([], [], [], 5), r"REFUSED from \."),
    ],
)
def test_an_answer_without_an_address_is_told_apart(
    servers: Servers, answer: Answer, words: str
) -> None:
    servers.says = {(ROOT, HOST): answer}
    with pytest.raises(ProbeError, match=words):
        walk_from_root(HOST, ROOT)


def test_servers_that_refer_to_themselves_end_the_walk(servers: Servers) -> None:
    servers.says = {(ROOT, HOST): REFERRAL, (CHILD, HOST): REFERRAL}
    with pytest.raises(ProbeError, match=r"example\. has no such record"):
        walk_from_root(HOST, ROOT)


def test_the_way_is_told_from_the_root_to_the_addresses(servers: Servers) -> None:
    servers.says = {(ROOT, HOST): REFERRAL, (CHILD, HOST): FOUND}
    result = probe.probe("name", "dns", [HOST, ROOT])
    assert (result.ok, result.detail) == (True, ". -> example. -> 198.19.0.7")


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def serve() -> Iterator[Callable[[int], int]]:
    """Start a web server that answers with one status; its port."""
    running: list[ThreadingHTTPServer] = []

    def start(status: int) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.server_port

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_an_open_port_answers_and_is_not_silent(serve: Callable[[int], int]) -> None:
    port = serve(200)
    assert probe.tcp("127.0.0.1", port) == f"127.0.0.1:{port} answers"
    with pytest.raises(ProbeError, match="is open"):
        probe.silent("127.0.0.1", port)


def test_a_refusal_is_not_silence(closed_port: int) -> None:
    with pytest.raises(ProbeError, match="answers: Connection refused"):
        probe.silent("127.0.0.1", closed_port)


def test_a_page_is_told_with_its_status_and_size(serve: Callable[[int], int]) -> None:
    port = serve(404)
    assert probe.plain_page("127.0.0.1", port).endswith("answers 404, 5 bytes")


def test_a_servers_fault_is_no_page(serve: Callable[[int], int]) -> None:
    with pytest.raises(ProbeError, match="answers 502"):
        probe.plain_page("127.0.0.1", serve(502))


def test_a_fault_becomes_a_result_with_its_words(closed_port: int) -> None:
    result = probe.probe("TCP", "tcp", ["127.0.0.1", closed_port])
    assert (result.name, result.ok) == ("TCP", False)
    assert "Connection refused" in result.detail


def test_results_are_printed_in_the_order_of_the_questions(
    serve: Callable[[int], int],
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = serve(200)
    questions = [
        ["first", "plain_page", ["127.0.0.1", port]],
        ["second", "tcp", ["127.0.0.1", closed_port]],
        ["third", "tcp", ["127.0.0.1", port]],
    ]
    monkeypatch.setattr(sys, "argv", ["probe", json.dumps(questions)])
    probe.main()
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["name"], each["ok"]) for each in results] == [
        ("first", True),
        ("second", False),
        ("third", True),
    ]
