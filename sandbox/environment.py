"""The environment in which plain `pulumi` works against the sandbox.

Owns what `python -m sandbox exec` gives to a command: engine and interpreter on PATH, Pulumi's home, state and
passphrase in the sandbox's folder, the tenant running, the plugin chosen, the credentials of one identity. It leaves
alone how the engine is built, how the tenant answers and how the plugin is chosen.
"""

import fcntl
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from sandbox import engine
from sandbox.azuread import selection
from sandbox.engine import languages

PROJECT = Path(__file__).resolve().parent.parent
START_LIMIT_SECONDS = 30

_FOREIGN = re.compile(r"(ARM|AZURE)_|PULUMI_(ACCESS|BACKEND|CONFIG|HOME|STACK)")
"""Variables that would lead the engine or the plugin to another tenant, account or state."""


PASSPHRASE_FILE = "passphrase"  # noqa: S105 - a file name
_OF_THE_SANDBOX = re.compile(r'^ +identity-manager(-bootstrap)?:sandbox: "?true"?$', re.MULTILINE)
_SALT = re.compile(r"^encryptionsalt: .*\n?", re.MULTILINE)


class SandboxError(Exception):
    """The sandbox cannot run; the text says why and what to do."""


class Endpoint(TypedDict):
    """Where the tenant of a sandbox listens, as its `endpoint.json` says."""

    tenantId: str
    host: str
    url: str
    controlUrl: str
    controlKey: str
    pid: int


def home_folder(environment: Mapping[str, str]) -> Path:
    """The sandbox's folder: SANDBOX_HOME, or `.sandbox` in the project."""
    return Path(environment.get("SANDBOX_HOME") or PROJECT / ".sandbox").resolve()


@contextmanager
def entered(home: Path, identity: str, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Keep the tenant running and give the environment for commands.

    Args:
        home: The sandbox's folder; made where it is missing.
        identity: Whose credentials the commands get: deploy, preview or admin.
        environment: The process environment to start from.

    Yields:
        The environment for a command.

    Raises:
        SandboxError: The tenant does not start, or the folder cannot be used.
        engine.EngineError: No engine can be had.
        selection.PluginError: The plugin that was asked for cannot be had.
    """
    engine_folder = engine.engine_folder(environment)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A shared lock says "in use"; the tenant stops when it can lock the file for itself.
    with (home / "users.lock").open("w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        with engine.locked(home / "start.lock"):
            endpoint = _running_tenant(home)
            _make_passphrase(home)
        yield _environment(home, identity, endpoint, engine_folder, environment)


def _running_tenant(home: Path) -> Endpoint:
    endpoint = _endpoint(home)
    if endpoint is None or not _answers(endpoint["host"]):
        _start_tenant(home)
        endpoint = _endpoint(home)
    if endpoint is None:
        raise SandboxError(f"The sandbox's tenant runs without saying where. Remove {home} and try again.")
    return endpoint


def _endpoint(home: Path) -> Endpoint | None:
    try:
        endpoint: Endpoint = json.loads((home / "tenant" / "endpoint.json").read_text())
    except FileNotFoundError:
        return None
    return endpoint


def _answers(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name, int(port)), timeout=START_LIMIT_SECONDS).close()
    except OSError:
        return False
    return True


def _start_tenant(home: Path) -> None:
    tenant = home / "tenant"
    tenant.mkdir(mode=0o700, exist_ok=True)
    with (tenant / "log").open("a") as log:
        (tenant / "log").chmod(0o600)
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.tenant", "--home", str(home), "--stop-when-unused"],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            # Its own session: an interrupt at the terminal is for the command, which may still need the tenant.
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    if process.stdout.readline() != b"ready\n":
        process.wait(START_LIMIT_SECONDS)
        last = (tenant / "log").read_text()[-1000:]
        raise SandboxError(f"The sandbox's tenant did not start, so nothing was run:\n{last}")
    process.stdout.close()


def _environment(
    home: Path, identity: str, endpoint: Endpoint, engine_folder: Path | None, environment: Mapping[str, str]
) -> dict[str, str]:
    identities = json.loads((home / "tenant" / "identities.json").read_text())
    if identity not in identities:
        raise SandboxError(
            f"There is no identity {identity} in the sandbox, so nothing was run: use one of {', '.join(identities)}."
        )
    folders = [
        str(Path(sys.prefix) / "bin"),
        *([str(engine_folder)] if engine_folder else []),
        environment.get("PATH", ""),
    ]
    certificate = str(home / "tenant" / "ca.pem")
    state = home / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    own = {
        "ARM_TENANT_ID": endpoint["tenantId"],
        "ARM_CLIENT_ID": identities[identity]["clientId"],
        "ARM_CLIENT_SECRET": identities[identity]["secret"],
        "ARM_METADATA_HOSTNAME": endpoint["host"],
        "ARM_USE_CLI": "false",
        "PATH": os.pathsep.join(folders),
        # Each state has a sidecar file of metadata that nobody reads, and that the engine does not write in one piece:
        # one that is killed in between leaves an empty file, and then no command can read the state any more.
        "PULUMI_BACKEND_URL": f"{state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(home / PASSPHRASE_FILE),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_HOME": str(home / "pulumi"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Only the sandbox's authority is trusted: no client can reach any other host over TLS by mistake.
        "REQUESTS_CA_BUNDLE": certificate,
        "SANDBOX_HOME": str(home),
        "SSL_CERT_FILE": certificate,
    }
    kept = {key: value for key, value in environment.items() if not _FOREIGN.match(key)}
    complete = {**(engine.LANGUAGE_HOST_VARIABLES if engine_folder else {}), **kept, **own}
    languages.place(home / "pulumi" / "plugins")
    chosen = selection.select(home, complete, environment)
    engine.say(chosen.line)
    return complete


def _make_passphrase(home: Path) -> None:
    file = home / PASSPHRASE_FILE
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as fresh:
            fresh.write(secrets.token_urlsafe(32))


def keep_salts_out(project: Path) -> None:
    """Take `encryptionsalt` out of the stack files that belong to the sandbox.

    The engine writes it there, but each sandbox has a passphrase of its own: in the repository the salt of one would
    break all others. The engine finds it in the state as well.

    Args:
        project: The folder of the stack files.
    """
    for file in (*project.glob("Pulumi.*.yaml"), *project.glob("bootstrap/Pulumi.*.yaml")):
        text = file.read_text()
        if _OF_THE_SANDBOX.search(text) and (without := _SALT.sub("", text)) != text:
            fresh = file.with_name(f".{file.name}.fresh")
            fresh.write_text(without)
            fresh.chmod(file.stat().st_mode)
            fresh.replace(file)
