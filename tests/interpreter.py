"""A Python interpreter that starts with the libraries loaded, for the hundreds of programs that the tests run.

Owns a server that has imported the libraries, and a command that stands in for `python`: what it is asked to run, the
server forks and runs. Each run is a process of its own with its own arguments, environment, folder and files, ended by
the same signals; only the libraries are not read again. None of the project's own modules is loaded before. Options
other than `-m`, `-P` and `-u` are for the real interpreter.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    "azure.identity",
    "azure.keyvault.secrets",
    "httpx",
    "msal",
    "pulumi.automation",
    "pulumi.provider.server",
    "pulumi_azuread",
    "pulumi_policy",
    "pydantic_settings",
    "rich.progress",
    "ruamel.yaml",
    "typer",
    "yaml",
)
OTHERWISE = Path(__file__).parents[1] / "sandbox" / "engine" / "python"
LONGEST_REQUEST = 1 << 20
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@cache
def warm() -> str:
    """The path of the command, for one server in this process, which ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="interpreter-"))
    address = folder / "socket"
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, "serve", address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.communicate)
    command = folder / "python3"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} ask {address} {OTHERWISE} "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return str(command)


def warmed(environment: dict[str, str]) -> dict[str, str]:
    """An environment of the sandbox in which the programs of its own language host, and its stand-in, start warm."""
    if "PULUMI_PYTHON_CMD" not in environment:
        return environment
    for plugin in Path(environment["PULUMI_HOME"]).glob("plugins/*/pulumi-resource-azuread"):
        script = plugin.read_bytes()
        if script.startswith(b"#!/bin/sh\n"):
            plugin.write_bytes(script.replace(sys.executable.encode(), warm().encode()))
    return {**environment, "PULUMI_PYTHON_CMD": warm()}


# ---------------------------------------------------------------------------------------------------- the command


def ask(address: str, otherwise: str, arguments: list[str]) -> int:
    """Have a program run and end as it ends."""
    options = [one for one in arguments[:2] if one in ("-P", "-u")]
    rest = arguments[len(options) :]
    if not rest or (rest[0].startswith("-") and rest[0] != "-m") or rest[:2] == ["-m", "pip"]:
        os.execvp(otherwise, [otherwise, *arguments])  # noqa: S606 - no shell is wanted
    request = {"options": options, "run": rest, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [len(body := json.dumps(request).encode()).to_bytes(4)], [0, 1, 2])
        server.sendall(body)
        for number in FORWARDED:
            signal.signal(number, lambda received, _: _hand_on(server, received))
        ended = server.recv(4)
    status = os.waitstatus_to_exitcode(int.from_bytes(ended)) if ended else 1
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _hand_on(server: socket.socket, received: int) -> None:
    # A program that has just ended needs no signal any more.
    with suppress(OSError):
        server.sendall(bytes([received]))


# ---------------------------------------------------------------------------------------------------- the server


def serve(address: str) -> None:
    """Run what is asked for, until standard input ends. In the process of a program it returns as well, to run it."""
    for library in LIBRARIES:
        importlib.import_module(library)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    print("ready", flush=True)
    if os.fork() == 0:
        _accept(listener)
    else:
        listener.close()
        sys.stdin.buffer.read()
        os.killpg(0, signal.SIGTERM)


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _keep(connection)
        connection.close()


def _keep(connection: socket.socket) -> None:
    """Start a program, hand its signals on, and tell how it ended; it ends with whoever asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    body = b""
    while len(body) < int.from_bytes(size):
        body += connection.recv(LONGEST_REQUEST)
    program = os.fork()
    if program == 0:
        connection.close()
        return _run(json.loads(body), files)
    for number in files:
        os.close(number)

    threading.Thread(target=_forward, args=(connection, program), daemon=True).start()
    _, status = os.waitpid(program, 0)
    with suppress(OSError):
        connection.sendall(status.to_bytes(4))
    os._exit(0)


def _forward(connection: socket.socket, program: int) -> None:
    with suppress(OSError):
        while received := connection.recv(1):
            os.kill(program, received[0])
        os.kill(program, signal.SIGKILL)


def _run(request: dict[str, object], files: list[int]) -> None:
    for target, number in enumerate(files):
        os.dup2(number, target)
        os.close(number)
    options, run, environment = request["options"], request["run"], request["environment"]
    assert isinstance(options, list)
    assert isinstance(run, list)
    assert isinstance(environment, dict)
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(environment)
    if "-u" in options:
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    sys.path[:0] = list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))
    if run[0] == "-m":
        sys.argv = run[1:]
        if "-P" not in options:
            sys.path.insert(0, str(request["folder"]))
        runpy.run_module(run[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = run
        sys.path.insert(0, str(Path(run[0]).resolve().parent))
        runpy.run_path(run[0], run_name="__main__")


def _end(status: int) -> NoReturn:
    """End as an interpreter does, without taking the libraries apart module by module."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)


def _served(address: str) -> int:
    """Serve; in the process of a program, the program's exit status."""
    try:
        serve(address)
    except SystemExit as left:
        if isinstance(left.code, int | None):
            return left.code or 0
        sys.stderr.write(f"{left.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - whatever ends the program
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _end(_served(sys.argv[2]))
    sys.exit(ask(sys.argv[2], sys.argv[3], sys.argv[4:]))
