"""Takes uploads and throws them away: ``python sink.py ADDRESS PORT``."""

from __future__ import annotations

import socketserver
import sys


class Upload(socketserver.StreamRequestHandler):
    """One upload: headers, a body of known length, an answer."""

    def handle(self) -> None:
        """Read it all before answering, as a server does that uses the body."""
        left = 0
        while (line := self.rfile.readline().lower()) not in (b"\r\n", b""):
            if line.startswith(b"content-length:"):
                left = int(line.partition(b":")[2])
        buffer = memoryview(bytearray(1 << 20))
        while left:
            got = self.rfile.readinto(buffer[: min(left, len(buffer))])
            if not got:
                return
            left -= got
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class Sink(socketserver.ThreadingTCPServer):
    """One thread for each upload."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    Sink((sys.argv[1], int(sys.argv[2])), Upload).serve_forever()
