"""Runs the plugin as Pulumi's engine starts plugins: serves on a loopback port and prints that port.

Every command of the engine starts it anew and waits for its end, so both are kept short.
"""

from __future__ import annotations

import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

_AT_ONCE = 128
"""More than the engine runs side by side, with `--parallel 100` too."""

_LARGEST_MESSAGE = 400 * 1024 * 1024
_GRACE = 2.0
_WATCH = 1.0


def serve() -> None:
    """Serves until the engine cancels, goes away or asks for the end."""
    engine = os.getppid()
    # What is loaded stays: looking for garbage in it, again and again while it grows, takes a tenth of the start.
    gc.disable()
    import grpc  # noqa: PLC0415
    from pulumi.runtime.proto import provider_pb2_grpc  # noqa: PLC0415

    from sandbox.azuread.servicer import Servicer  # noqa: PLC0415

    gc.freeze()
    gc.enable()
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


if __name__ == "__main__":
    serve()
    # Nothing is left to write or to give back, and taking the interpreter apart would keep the engine waiting.
    os._exit(0)
