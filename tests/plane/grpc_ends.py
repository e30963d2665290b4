"""Both ends of gRPC, each a process inside the node's namespace: ``grpc_ends.py serve|call``."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
    """One method for each kind of call, and one that fails."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        match details.method:
            case "/t.Echo/Unary":
                return grpc.unary_unary_rpc_method_handler(lambda said, _: b"you said " + said)
            case "/t.Echo/Down":
                return grpc.unary_stream_rpc_method_handler(lambda said, _: iter([said] * 3))
            case "/t.Echo/Up":
                return grpc.stream_unary_rpc_method_handler(lambda said, _: b"".join(said))
            case "/t.Echo/Both":
                return grpc.stream_stream_rpc_method_handler(lambda said, _: said)
            case "/t.Echo/Fail":
                return grpc.unary_unary_rpc_method_handler(fail)
            case _:
                return None


def fail(said: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, said.decode())
    return b""


def serve(address: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(address)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def call(address: str, ca_file: str) -> None:
    """Every kind of call through the load balancer; what came of them, as JSON."""
    credentials = grpc.ssl_channel_credentials(Path(ca_file).read_bytes())
    options = [("grpc.ssl_target_name_override", "default.test")]
    channel = grpc.secure_channel(address, credentials, options=options)

    answered = threading.Semaphore(0)

    def turns() -> Iterator[bytes]:
        """The next message goes only after the answer to the one before."""
        for number in range(3):
            yield b"%d" % number
            answered.acquire()

    replies: list[bytes] = []
    for reply in channel.stream_stream("/t.Echo/Both")(turns(), timeout=10):
        replies.append(reply)
        answered.release()
    found: dict[str, object] = {
        "unary": channel.unary_unary("/t.Echo/Unary")(b"hi", timeout=10).decode(),
        "down": [said.decode() for said in channel.unary_stream("/t.Echo/Down")(b"d", timeout=10)],
        "up": channel.stream_unary("/t.Echo/Up")(iter([b"a", b"b"]), timeout=10).decode(),
        "both": [said.decode() for said in replies],
    }
    for name in ("Fail", "Missing"):
        try:
            channel.unary_unary(f"/t.Echo/{name}")(b"why", timeout=10)
        except grpc.RpcError as error:
            found[name] = [error.code().name, error.details()]
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        call(*sys.argv[2:])
