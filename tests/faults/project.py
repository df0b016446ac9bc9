"""A project whose sandbox is struck: faults in its tenant, processes killed, and what a person does then.

Owns the states from which cases start, the way to kill at a point, and the invariants that hold after every case.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from components.failed_operations import PAUSES
from tests.monitor import ROLE_IDS
from tests.operations.project import OperatedProject
from tests.stack.project import ROOT

UP = ("up", "--yes", "--skip-preview", "--non-interactive")
CONNECTIONS = ["A", "B", "C", "D"]
FIRST, SECOND = "2027-11-24", "2028-05-24"
MOST_UPS_AFTER = 2
HELD_SECONDS = 0.15


class StruckProject(OperatedProject):
    """One project in one sandbox, for many cases."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._shorten_the_pauses()
        self.init()
        self.printed: list[str] = []
        self._settings: dict[str, dict[str, object]] = {}
        self._keep("nothing")
        self.configure(connections=CONNECTIONS)
        self.deploy()
        self._keep("registered")

    def _shorten_the_pauses(self) -> None:
        """Make the hook as patient as ever, but quicker; how long it really pauses is tested beside it."""
        file = self.folder / "components" / "failed_operations.py"
        text, found = re.subn(r"^PAUSES = .*", f"PAUSES = (0.05,) * {len(PAUSES)}", file.read_text(), flags=re.M)
        assert found == 1
        file.write_text(text)

    def _kept(self, name: str) -> tuple[Path, Path]:
        return self.home / f"state-{name}", self.home / f"stack-{name}.yaml"

    def _keep(self, name: str) -> None:
        self.control.post(f"/snapshots/{name}").raise_for_status()
        state, file = self._kept(name)
        shutil.copytree(self.home / "state", state)
        shutil.copy(self.file, file)
        self._settings[name] = dict(self.settings)

    def start_from(self, name: str) -> None:
        """Put tenant, state and stack file back to `nothing` or `registered`."""
        self.no_faults()
        self.control.post(f"/snapshots/{name}/restore").raise_for_status()
        state, file = self._kept(name)
        shutil.rmtree(self.home / "state")
        shutil.copytree(state, self.home / "state")
        shutil.copy(file, self.file)
        self.settings = dict(self._settings[name])
        self.printed.clear()

    # ------------------------------------------------------------------------------------------ what a person does

    def pulumi_prints(self, *command: str) -> tuple[int, str]:
        ran = self.direct("pulumi", *command, "--stack", "dev")
        self.printed.append(ran.stdout + ran.stderr)
        return ran.returncode, self.printed[-1]

    def finish(self, *, adopts: bool) -> None:
        """Run `pulumi up` again, and the one command that an error names, until all is done."""
        told: str | None = None
        for _ in range(MOST_UPS_AFTER):
            status, output = self.pulumi_prints(*UP)
            if status == 0:
                return
            assert adopts, output
            named = set(re.findall(r"python -m (operations adopt .*)", output))
            assert len(named) == 1, output
            assert told is None, output
            told = named.pop()
            done = self.command(*shlex.split(told)[1:])
            self.printed.append(done.all)
            assert done.status == 0, done.all
        raise AssertionError(f"not done after {MOST_UPS_AFTER} more ups: {self.printed[-1]}")

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, with how often each has struck."""
        found: list[dict[str, Any]] = self.control.get("/faults").raise_for_status().json()
        return found

    # ------------------------------------------------------------------------------------------ killing

    @contextmanager
    def _struck_up(self, point: int) -> Iterator[subprocess.Popen[bytes]]:
        """A `pulumi up` whose call number `point` is under way."""
        if point > 1:
            self.fault(times=point - 1)
        self.fault(delay=HELD_SECONDS)
        log = self.home / "struck.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                ["pulumi", *UP, "--stack", "dev"],
                cwd=self.folder,
                env=self.environment,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            while not self.faults()[-1]["struck"]:
                assert process.poll() is None, log.read_text()
                time.sleep(0.005)
            yield process
        self.printed.append(log.read_text())

    def kill_engine(self, point: int) -> None:
        """Kill the engine at a call. What it had started ends by itself, after what it is just doing."""
        with self._struck_up(point) as process:
            process.kill()
            process.wait()
            with suppress(ProcessLookupError):
                while True:
                    os.killpg(process.pid, signal.SIGTERM)
                    time.sleep(0.01)
        self.no_faults()
        status, output = self.pulumi_prints("cancel", "--yes")
        assert status == 0, output

    def kill_tenant(self, point: int) -> None:
        """Kill the tenant at a call; the next command of the sandbox starts it again."""
        with self._struck_up(point) as process:
            os.kill(json.loads((self.home / "tenant" / "endpoint.json").read_text())["pid"], signal.SIGKILL)
            assert process.wait() != 0
        command, environment = self._in_sandbox("deploy", "true")
        subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, check=True)
        endpoint = json.loads((self.home / "tenant" / "endpoint.json").read_text())
        self.control.close()
        self.control = httpx.Client(
            base_url=endpoint["controlUrl"], headers={"Authorization": f"Bearer {endpoint['controlKey']}"}, timeout=30
        )

    # ------------------------------------------------------------------------------------------ what must hold

    def check(self, dates: list[str], *, orphans: bool) -> None:
        """No duplicate, no orphan, outputs right, sign-in works, no change left, no secret shown."""
        status, output = self.pulumi_prints("preview", "--expect-no-changes", "--diff", "--non-interactive")
        assert status == 0, output
        state = self.state()
        by_type: dict[str, list[dict[str, Any]]] = {}
        for one in state:
            by_type.setdefault(one["type"].rpartition(":")[2], []).append(one)
        outputs = {name: _plain(value) for name, value in by_type["Stack"][0]["outputs"].items()}
        [application] = self.registered_applications()
        [service_principal] = self.registered_applications("servicePrincipals")
        assert by_type["Application"][0]["outputs"]["objectId"] == application["id"]
        assert outputs["ApplicationId"] == application["appId"] == service_principal["appId"]
        assert outputs["ServicePrincipalObjectId"] == service_principal["id"]
        assert outputs["DisplayName"] == application["displayName"] == "Identity Manager Contoso"
        assert outputs["SecretExpiresOn"] == max(dates)
        assert not service_principal["description"]
        with self.administrator() as graph:
            path = f"/servicePrincipals/{service_principal['id']}/appRoleAssignments"
            grants = graph.get(path).raise_for_status().json()["value"]
        assert [one["appRoleId"] for one in grants] == [ROLE_IDS["Directory.Read.All"]]
        passwords = by_type["ApplicationPassword"]
        known = {one["outputs"]["keyId"] for one in passwords}
        in_tenant = {one["keyId"] for one in application["passwordCredentials"]}
        assert known <= in_tenant
        assert len(passwords) == len(dates) * len(outputs["AgentSettings"]["Connections"])
        self._check_lost_secrets(in_tenant - known, allowed=orphans)
        values = [_plain(one["outputs"]["value"]) for one in passwords]
        for settings in outputs["AgentSettings"]["Connections"].values():
            assert settings["ApplicationKey"] in values
            assert self.signs_in(settings["ApplicationKey"], outputs["ApplicationId"])
        self._check_nothing_shown([*values, *(self.identity(name)["secret"] for name in ("deploy", "admin"))])

    def registered_applications(self, kind: str = "applications") -> list[dict[str, Any]]:
        """The applications, or service principals, that are not of the seed."""
        with self.administrator() as graph:
            found = graph.get(f"/{kind}?$top=999").raise_for_status().json()["value"]
        return [one for one in found if re.match("Identity Manager|TERRAFORM_UPDATE", one["displayName"])]

    def _check_lost_secrets(self, lost: set[str], *, allowed: bool) -> None:
        if not lost:
            return
        assert allowed, lost
        verified = self.operate("verify")
        assert set(re.findall(r"secret ID ([0-9a-f-]{36})", " ".join(verified.all.split()))) == lost, verified.all
        removed = self.operate("retire", "--orphans")
        assert removed.status == 0, removed.all
        self.printed += [verified.all, removed.all]

    def _check_nothing_shown(self, secrets: list[str]) -> None:
        logs = [(self.home / name).read_text() for name in ("calls.jsonl", "tenant/log")]
        for text in (*self.printed, *logs):
            assert "Traceback" not in text, text
            assert not [secret for secret in secrets if secret in text]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a program exports
    return json.loads(value["plaintext"]) if isinstance(value, dict) and "plaintext" in value else value
