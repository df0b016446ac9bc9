"""The tenant's process: its folder, its ports on loopback, its start and its stop.

Owns that only one process works in a folder, that nothing but loopback is listened on, and the file that tells others
where the tenant is.
"""

import asyncio
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.tenant.control import control
from sandbox.tenant.keys import server_certificate, write_private
from sandbox.tenant.seed import TENANT_ID
from sandbox.tenant.tenant import CUT, Tenant

_LOOPBACK = "127.0.0.1"
_USERS_CHECK_SECONDS = 1.0


class _Protocol(H11Protocol):
    """Leaves the application a way to cut the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        inner = self.app

        async def with_cut(scope: Scope, receive: Receive, send: Send) -> None:
            scope[CUT] = transport.abort
            await inner(scope, receive, send)

        self.app = with_cut

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP in Graph's form, as everything else is refused."""
        body = {"error": {"code": "BadRequest", "message": msg}}
        content = json.dumps(body).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        events = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=content),
            h11.EndOfMessage(),
        )
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()


def run(home: Path, *, stop_when_unused: bool) -> int:
    """Serve the tenant of a folder until it is told to stop; the exit code."""
    os.umask(0o077)
    folder = home / "tenant"
    for one in (home, folder):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The users' file closes last: whoever waits for it while the tenant stops finds the folder free.
    with (home / "users.lock").open("a") as users, (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"a tenant is already running in {home}\n")
            return 1
        asyncio.run(_serve(home, users if stop_when_unused else None))
    return 0


async def _serve(home: Path, users: TextIO | None) -> None:
    """Serve until told to stop, or until nobody holds the users' file, where one is given."""
    folder = home / "tenant"
    certificate, key = server_certificate(folder)
    listening, controlling = _socket(_port_before(folder)), _socket(0)
    port = listening.getsockname()[1]
    write_private(folder / "port", str(port).encode())
    url = f"https://localhost:{port}"
    tenant = Tenant(home, url)
    control_key = secrets.token_urlsafe(32)
    servers = (
        _server(tenant, certificate, key),
        _server(control(tenant, control_key)),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [
        asyncio.create_task(server._serve(sockets=[one]))
        for server, one in zip(servers, (listening, controlling), strict=True)
    ]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.001)
    endpoint = folder / "endpoint.json"
    content = {
        "tenantId": TENANT_ID,
        "host": f"localhost:{port}",
        "url": url,
        "controlUrl": f"http://{_LOOPBACK}:{controlling.getsockname()[1]}",
        "controlKey": control_key,
        "pid": os.getpid(),
    }
    write_private(endpoint, json.dumps(content, indent=1).encode() + b"\n")
    with suppress(BrokenPipeError):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    if users is None:
        await stop.wait()
    else:
        await _until_unused(users, stop)
    endpoint.unlink(missing_ok=True)
    for server in servers:
        server.should_exit = True
        server.force_exit = True
    await asyncio.gather(*tasks)
    tenant.store.close()


async def _until_unused(users: TextIO, stop: asyncio.Event) -> None:
    """Wait until nobody uses the tenant any more; whoever started it has the first second to say that it does."""
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _USERS_CHECK_SECONDS)
        if _unused(users):
            return


def _unused(users: TextIO) -> bool:
    """Whether nobody holds the file that users of the tenant hold."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server(app: ASGIApp, certificate: Path | None = None, key: Path | None = None) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
    )


def _port_before(folder: Path) -> int:
    with suppress(OSError, ValueError):
        return int((folder / "port").read_text())
    return 0


def _socket(port: int) -> socket.socket:
    """A listening socket, at the wanted port if it is free."""
    for wanted in (port, 0):
        # The protocol is named, because asyncio sends small packets at once only on sockets that say they are TCP;
        # without it every small answer waits 40 ms for the client's acknowledgement.
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((_LOOPBACK, wanted))
        except OSError:
            one.close()
            continue
        one.listen(1024)
        return one
    raise OSError("no port is free on loopback")
