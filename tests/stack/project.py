"""A copy of the stack's project with a sandbox of its own, for tests on the real engine.

Owns the copy, its stack file and the commands in it. Nothing here knows how the sandbox works inside: it is used by its
command line, as people use it.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from tests import interpreter

ROOT = Path(__file__).parents[2]
PROGRAM = ("Pulumi.yaml", "__main__.py", "settings.py", "components")


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status and all that it printed."""

    status: int
    output: str


class Project:
    """One project with one stack, `dev`, in one sandbox."""

    def __init__(self, folder: Path, *, warm: bool = False) -> None:
        """Copy the project and start its sandbox.

        Args:
            folder: Where all of it goes.
            warm: Whether the programs start with their libraries loaded, where how they start is not what is tested.
        """
        self._warm = warm
        self._given: dict[str, dict[str, str]] = {}
        self.folder = folder / "project"
        self.home = folder / "sandbox"
        self.folder.mkdir()
        for name in PROGRAM:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, self.folder / name)
        # Pulumi's own language host looks for the project's virtual environment.
        (self.folder / ".venv").symlink_to(sys.prefix)
        self.settings: dict[str, object] = {
            key.removeprefix("identity-manager:"): value
            for key, value in yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"].items()
            if key.startswith("identity-manager:")
        }
        self.configure()
        # Holds the sandbox open, so that its tenant does not start anew for each command.
        self._held = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "exec", "--", "cat"],
            cwd=ROOT,
            env={**os.environ, "SANDBOX_HOME": str(self.home)},
            stdin=subprocess.PIPE,
        )

    def close(self) -> None:
        """Let the sandbox stop."""
        self._held.communicate()

    def configure(self, **changes: object) -> None:
        """Change settings of the stack file; None takes one out."""
        self.settings = {key: value for key, value in {**self.settings, **changes}.items() if value is not None}
        config = {f"identity-manager:{key}": value for key, value in self.settings.items()}
        (self.folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}, allow_unicode=True))

    def run(self, *command: str, identity: str = "deploy", environment: dict[str, str] | None = None) -> Ran:
        """Run a command in the project's folder, in the sandbox."""
        if self._warm:
            own, given = command, self.given(identity)
        else:
            own, given = self._in_sandbox(identity, "sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *command)
        ran = subprocess.run(
            own,
            cwd=self.folder if self._warm else ROOT,
            env={**given, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout + ran.stderr)

    def _in_sandbox(self, identity: str, *command: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """A command and its environment, such that the sandbox runs it."""
        sandboxed = (sys.executable, "-m", "sandbox", "exec", "--as", identity, "--", *command)
        return sandboxed, {**os.environ, "SANDBOX_HOME": str(self.home)}

    def given(self, identity: str) -> dict[str, str]:
        """The environment that the sandbox gives to commands, once for all; program and plugin start warm in it."""
        if identity not in self._given:
            printing = "import json, os; print(json.dumps(dict(os.environ)))"
            command, environment = self._in_sandbox(identity, sys.executable, "-c", printing)
            printed = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout
            self._given[identity] = interpreter.warmed(json.loads(printed))
        return self._given[identity]

    def pulumi(self, *command: str, identity: str = "deploy", **environment: str) -> Ran:
        """Run pulumi on the stack."""
        return self.run("pulumi", *command, "--stack", "dev", identity=identity, environment=environment)

    def init(self) -> None:
        ran = self.run("pulumi", "stack", "init", "dev")
        assert ran.status == 0, ran.output

    def up(self) -> Ran:
        ran = self.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
        assert ran.status == 0, ran.output
        return ran

    def expect_no_changes(self) -> None:
        for more in ((), ("--refresh",)):
            ran = self.pulumi("preview", "--expect-no-changes", "--diff", "--non-interactive", *more)
            assert ran.status == 0, ran.output

    def outputs(self) -> dict[str, Any]:
        ran = printed_json(self.run("pulumi", "stack", "output", "--json", "--show-secrets", "--stack", "dev"))
        return cast("dict[str, Any]", ran)

    def get(self, path: str) -> dict[str, Any]:
        """Read from the tenant's Microsoft Graph as its administrator."""
        ran = self.run(sys.executable, str(ROOT / "tests" / "stack" / "read_graph.py"), path, identity="admin")
        return cast("dict[str, Any]", printed_json(ran))

    def registrations(self) -> list[dict[str, Any]]:
        """The applications named like Identity Manager in the tenant."""
        everything = self.get("/v1.0/applications?$filter=startswith(displayName,'Identity Manager')")
        return cast("list[dict[str, Any]]", everything["value"])

    def grants(self) -> list[str]:
        """The app role ids granted to the one registration."""
        object_id = self.outputs()["ServicePrincipalObjectId"]
        found = self.get(f"/v1.0/servicePrincipals/{object_id}/appRoleAssignments")["value"]
        return [grant["appRoleId"] for grant in found]

    def calls(self) -> list[dict[str, Any]]:
        """The HTTP calls that the tenant logged."""
        file = self.home / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def printed_json(ran: Ran) -> object:
    assert ran.status == 0, ran.output
    lines = ran.output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(("{", "[")))
    return json.JSONDecoder().raw_decode("\n".join(lines[start:]))[0]
