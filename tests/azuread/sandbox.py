"""A sandbox of its own for the tests of the stand-in plugin: engine, tenant, plugin, and hands in the directory."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from tests import interpreter

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]

_HOLD = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status, what it printed, and the calls between engine and plugin."""

    status: int
    output: str
    calls: list[Json]


class Sandbox:
    """A running sandbox, used as its administrator, who may read users."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "sandbox"
        # Holds the sandbox open and tells the environment that it gives to commands.
        self._held = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "exec", "--as", "admin", "--", sys.executable, "-c", _HOLD],
            cwd=ROOT,
            env={**os.environ, "SANDBOX_HOME": str(self.home), "SANDBOX_AZUREAD": "stand-in"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._held.stdout is not None
        self.environment = interpreter.warmed(json.loads(self._held.stdout.readline()))
        self.endpoint: Json = json.loads((self.home / "tenant" / "endpoint.json").read_text())
        self.caller_client_id = self.environment["ARM_CLIENT_ID"]
        identities: dict[str, Json] = json.loads((self.home / "tenant" / "identities.json").read_text())
        self.caller_object_id: str = identities["admin"]["objectId"]
        trust = ssl.create_default_context(cafile=self.environment["SSL_CERT_FILE"])
        self._http = httpx.Client(verify=trust, trust_env=False)

    def close(self) -> None:
        """Let the sandbox stop."""
        self._http.close()
        self._held.communicate()

    # ------------------------------------------------------------------------------------------------ the engine

    def project(self, name: str, program: Path) -> Path:
        """A project with that program, at a path of its own."""
        project = self.folder / name
        shutil.rmtree(project, ignore_errors=True)
        project.mkdir()
        (project / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
        shutil.copy(program, project / "__main__.py")
        return project

    def forget_stacks(self) -> None:
        """Lose the state of every stack."""
        shutil.rmtree(self.home / "state" / ".pulumi", ignore_errors=True)

    def pulumi(self, project: Path, *arguments: str, **variables: str) -> Ran:
        """Run pulumi in a project."""
        log = self.folder / "calls.jsonl"
        log.unlink(missing_ok=True)
        ran = subprocess.run(
            ["pulumi", "-C", str(project), *arguments, "--non-interactive"],
            env={**self.environment, "PULUMI_DEBUG_GRPC": str(log), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return Ran(ran.returncode, ran.stdout + ran.stderr, calls)

    # ------------------------------------------------------------------------------------------------ the directory

    def graph(self, method: str, path: str, body: Json | None = None) -> Json:
        """Change or read something by hand."""
        url = self.endpoint["url"]
        form = {
            "client_id": self.environment["ARM_CLIENT_ID"],
            "client_secret": self.environment["ARM_CLIENT_SECRET"],
            "grant_type": "client_credentials",
            "scope": f"{url}/.default",
        }
        token = self._http.post(f"{url}/{self.endpoint['tenantId']}/oauth2/v2.0/token", data=form).json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        answer = self._http.request(method, f"{url}/v1.0{path}", json=body, headers=headers)
        answer.raise_for_status()
        return cast("Json", answer.json()) if answer.content else {}

    def named(self, name: str) -> list[Json]:
        """The applications of that name."""
        found = self.graph("GET", f"/applications?$filter=displayName eq '{name}'")
        return cast("list[Json]", found["value"])

    def control(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401 - whatever it answers
        """Use the tenant's test control."""
        headers = {"Authorization": f"Bearer {self.endpoint['controlKey']}"}
        answer = self._http.request(method, f"{self.endpoint['controlUrl']}{path}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    def http_calls(self) -> list[Json]:
        """Every HTTP call so far."""
        return [json.loads(line) for line in (self.home / "calls.jsonl").read_text().splitlines()]
