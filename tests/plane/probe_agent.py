"""Runs inside one namespace: echoes on the given ports, and probes others when told to.

usage: probe_agent.py TCP_PORT,... UDP_PORT,...
Each line on standard input is a JSON list [timeout_s, [[protocol, address, port], ...]]; the answer
is a JSON list of booleans: an echo came back. All probes of a line run at once.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
import time

TCP, UDP = 6, 17


def serve(tcp: list[int], udp: list[int]) -> None:
    listening = selectors.DefaultSelector()
    for port in tcp:
        server = socket.create_server(("0.0.0.0", port), backlog=512)
        server.setblocking(False)
        listening.register(server, selectors.EVENT_READ, "accept")
    for port in udp:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", port))
        server.setblocking(False)
        listening.register(server, selectors.EVENT_READ, "datagram")
    threading.Thread(target=loop, args=(listening,), daemon=True).start()


def loop(listening: selectors.BaseSelector) -> None:
    while True:
        for key, _ in listening.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            try:
                if key.data == "accept":
                    sock.accept()[0].close()
                else:
                    data, peer = sock.recvfrom(512)
                    sock.sendto(data, peer)
            except OSError:
                continue


def probe(timeout_s: float, questions: list[tuple[int, str, int]]) -> list[bool]:
    answers = [False] * len(questions)
    waiting = selectors.DefaultSelector()
    opened = []
    for number, (protocol, address, port) in enumerate(questions):
        kind = socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM
        sock = socket.socket(socket.AF_INET, kind)
        opened.append(sock)
        sock.setblocking(False)
        try:
            if protocol == TCP:
                sock.connect_ex((address, port))
                waiting.register(sock, selectors.EVENT_WRITE, number)
            else:
                sock.connect((address, port))
                sock.send(b"?")
                waiting.register(sock, selectors.EVENT_READ, number)
        except OSError:
            continue
    deadline = time.monotonic() + timeout_s
    while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            waiting.unregister(ready)
            if questions[key.data][0] == TCP:
                answers[key.data] = ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            else:
                try:
                    answers[key.data] = ready.recv(512) == b"?"
                except OSError:
                    answers[key.data] = False
    for sock in opened:
        sock.close()
    waiting.close()
    return answers


def main() -> None:
    tcp, udp = ([int(port) for port in ports.split(",") if port] for ports in sys.argv[1:3])
    serve(tcp, udp)
    print("ready", flush=True)
    for line in sys.stdin:
        timeout_s, questions = json.loads(line)
        print(json.dumps(probe(timeout_s, questions)), flush=True)


if __name__ == "__main__":
    main()
