"""A project with its operations in a sandbox of its own, and the days of an operator in it.

Owns the copy of the command line beside the stack, the day (in the commands and in the tenant alike), sign-ins as an
agent would make them, and the test control of the tenant.
"""

import json
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from tests import interpreter
from tests.stack.project import ROOT, Project


@dataclass(frozen=True)
class Done:
    """What a command of the operations left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def all(self) -> str:
        return self.out + self.err


class OperatedProject(Project):
    """One project, one stack `dev`, one sandbox; its commands run with the sandbox's environment."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, warm=True)
        shutil.copytree(ROOT / "operations", self.folder / "operations", ignore=shutil.ignore_patterns("__pycache__"))
        self.file = self.folder / "Pulumi.dev.yaml"
        self.environment = self.given("deploy")
        self.day = datetime.now(UTC).date()
        self.application_id = ""
        self._file_at_start = b""
        self.at_start: dict[str, Any] = {}
        self._lasting: dict[str, str] = {}
        endpoint = json.loads((self.home / "tenant" / "endpoint.json").read_text())
        self.url: str = endpoint["url"]
        self.tenant_id: str = endpoint["tenantId"]
        self.control = httpx.Client(
            base_url=endpoint["controlUrl"], headers={"Authorization": f"Bearer {endpoint['controlKey']}"}, timeout=30
        )
        self.http = httpx.Client(
            base_url=self.url,
            verify=self.tls,
            timeout=30,
        )

    def remember(self) -> None:
        """Keep tenant, state and stack file as they are now, for `restore`."""
        self.control.post("/snapshots/start").raise_for_status()
        shutil.copytree(self.home / "state", self.home / "state-at-start")
        self._file_at_start = self.file.read_bytes()
        self.at_start = self.exported()

    def restore(self) -> None:
        """Put tenant, state, stack file and day back to what was remembered."""
        self.no_faults()
        self.control.post("/snapshots/start/restore").raise_for_status()
        self.set_day(datetime.now(UTC).date())
        shutil.rmtree(self.home / "state")
        shutil.copytree(self.home / "state-at-start", self.home / "state")
        self.application_id = self.at_start["ApplicationId"]
        self.file.unlink(missing_ok=True)
        self.file.write_bytes(self._file_at_start)

    def outlive_the_rehearsal(self) -> None:
        """Give the identities that deploy and administer secrets that last longer than any test's shifted clock."""
        end = f"{self.day.year + 20}-01-01T00:00:00Z"
        with self.administrator() as graph:
            for name in ("deploy", "admin"):
                client_id = self.identity(name)["clientId"]
                path = f"/applications(appId='{client_id}')/addPassword"
                answer = graph.post(path, json={"passwordCredential": {"endDateTime": end}}).raise_for_status().json()
                self._lasting[name] = answer["secretText"]
        self.environment["ARM_CLIENT_SECRET"] = self._lasting["deploy"]

    def identity(self, name: str) -> dict[str, str]:
        """Client id and secret of one of the identities of the sandbox."""
        identities: dict[str, dict[str, str]] = json.loads((self.home / "tenant" / "identities.json").read_text())
        return {**identities[name], **({"secret": self._lasting[name]} if name in self._lasting else {})}

    def close(self) -> None:
        self.control.close()
        self.http.close()
        super().close()

    def direct(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, in the environment that the sandbox gives to commands."""
        environment = {**self.environment, "IDENTITY_MANAGER_TODAY": self.day.isoformat(), **more}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def operate(self, *arguments: str, **more: str) -> Done:
        """Run `python -m operations` on the stack."""
        return self.command(arguments[0], "--stack", "dev", *arguments[1:], **more)

    def command(self, *arguments: str, **more: str) -> Done:
        """Run `python -m operations` as it is."""
        ran = self.direct(interpreter.warm(), "-m", "operations", *arguments, **more)
        assert "Traceback" not in ran.stderr, ran.stderr
        return Done(ran.returncode, ran.stdout, ran.stderr)

    def deploy(self, *, succeeds: bool = True) -> None:
        """`pulumi up` on the stack."""
        ran = self.direct("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "dev")
        assert (ran.returncode == 0) == succeeds, ran.stdout + ran.stderr

    def set_day(self, day: date) -> None:
        """Make it noon of a day, or today's present time where that is later: no secret may begin in the future."""
        self.day = day
        now = datetime.now(UTC)
        shift = max(datetime.combine(day, time(12), UTC), now) - now
        self.control.put("/clock", json={"shiftSeconds": shift.total_seconds()}).raise_for_status()

    def pass_days(self, number: int) -> None:
        self.set_day(self.day + timedelta(days=number))

    def fault(self, **fault: object) -> None:
        """Let the next call that fits go wrong."""
        self.control.post("/faults", json=fault).raise_for_status()

    def no_faults(self) -> None:
        self.control.delete("/faults").raise_for_status()

    def signs_in(self, value: str, application_id: str | None = None) -> bool:
        """Whether the registered application signs in with a secret."""
        form = {
            "grant_type": "client_credentials",
            "client_id": application_id or self.application_id,
            "client_secret": value,
            "scope": f"{self.url}/.default",
        }
        return self.http.post(f"/{self.tenant_id}/oauth2/v2.0/token", data=form).status_code == 200

    def administrator(self) -> httpx.Client:
        """Microsoft Graph as the tenant's administrator."""
        identity = self.identity("admin")
        form = {
            "grant_type": "client_credentials",
            "client_id": identity["clientId"],
            "client_secret": identity["secret"],
            "scope": f"{self.url}/.default",
        }
        token = self.http.post(f"/{self.tenant_id}/oauth2/v2.0/token", data=form).raise_for_status().json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        return httpx.Client(base_url=f"{self.url}/v1.0", verify=self.tls, headers=headers, timeout=30)

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home / "tenant" / "ca.pem"))

    def state(self) -> list[dict[str, Any]]:
        """The resources of the state, secrets in plain text."""
        ran = self.direct("pulumi", "stack", "export", "--show-secrets", "--stack", "dev")
        assert ran.returncode == 0, ran.stderr
        found: list[dict[str, Any]] = json.loads(ran.stdout)["deployment"].get("resources", [])
        return found

    def exported(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text."""
        return self.outputs_and_secrets()[0]

    def outputs_and_secrets(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The stack's outputs, and the values of the secrets in the state by their expiry dates; of one connection."""
        state = self.state()
        [stack] = [one["outputs"] for one in state if one["type"] == "pulumi:pulumi:Stack"]
        outputs = {
            name: json.loads(value["plaintext"]) if isinstance(value, dict) and "plaintext" in value else value
            for name, value in stack.items()
        }
        self.application_id = outputs["ApplicationId"]
        passwords = [one["outputs"] for one in state if one["type"].endswith(":ApplicationPassword")]
        return outputs, {one["endDate"][:10]: json.loads(one["value"]["plaintext"]) for one in passwords}

    def application(self) -> dict[str, Any]:
        """The registered application as the directory shows it."""
        with self.administrator() as graph:
            path = "/applications?$filter=startswith(displayName,'Identity Manager')"
            [found] = graph.get(path).raise_for_status().json()["value"]
        self.application_id = found["appId"]
        one: dict[str, Any] = found
        return one

    def writes(self) -> list[dict[str, Any]]:
        """The calls that may have changed the directory."""
        return [one for one in self.calls() if one["method"] != "GET" and "/oauth2/" not in one["path"]]

    def in_tenant(self) -> set[str]:
        """The ids of the application's secrets in the directory."""
        with self.administrator() as graph:
            path = "/applications?$filter=startswith(displayName,'Identity Manager')"
            found = graph.get(path).raise_for_status().json()["value"]
        return {one["keyId"] for application in found for one in application["passwordCredentials"]}

    def dates(self) -> list[str]:
        """The dates in the stack's file."""
        return list(YAML(typ="safe").load(self.file.read_text())["config"]["identity-manager:secrets"])

    def known(self) -> set[str]:
        """The ids of the secrets in the state."""
        return {one["outputs"]["keyId"] for one in self.state() if one["type"].endswith(":ApplicationPassword")}


HERE = ROOT
"""Where the sandbox's modules are."""
