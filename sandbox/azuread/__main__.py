"""Runs the plugin as Pulumi's engine starts plugins: serves on a loopback port and prints that port."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.azuread.servicer import Servicer

_AT_ONCE = 64
_LARGEST_MESSAGE = 400 * 1024 * 1024
_GRACE = 2.0
_WATCH = 1.0


def main() -> int:
    """Serves until the engine cancels, goes away or asks for the end."""
    engine = os.getppid()
    servicer = Servicer()
    server = grpc.server(
        ThreadPoolExecutor(_AT_ONCE),
        options=[("grpc.max_receive_message_length", _LARGEST_MESSAGE), ("grpc.so_reuseport", 0)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
        servicer.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.start()
    print(port, flush=True)
    while not servicer.ended.wait(_WATCH) and os.getppid() == engine:
        pass
    servicer.cancel()
    server.stop(_GRACE).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
