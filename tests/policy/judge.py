"""Plans under the policy pack, on the real engine."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack.project import ROOT, Project

SERVE = ROOT / "policy" / "serve"
_FOUND = re.compile(r"- \[(\w+)\]  ([\w-]+)  \(\S+: (\S+)\)")


@dataclass(frozen=True)
class Verdict:
    """What the engine said of a plan: `found` holds level, policy and resource of each violation."""

    status: int
    output: str
    found: frozenset[tuple[str, str, str]]

    @property
    def refused(self) -> set[tuple[str, str]]:
        """Policy and resource of each violation that stops the run."""
        return {(policy, resource) for level, policy, resource in self.found if level == "mandatory"}

    def accepts(self) -> bool:
        """Whether the pack ran and found nothing at all."""
        return self.status == 0 and not self.found and "✅ identity-manager@" in self.output


def judge(
    project: Project,
    *command: str,
    more: str = "",
    config: dict[str, dict[str, object]] | None = None,
    environment: dict[str, str] | None = None,
) -> Verdict:
    """Run a command on the stack under the pack.

    Args:
        project: The project.
        command: The command of pulumi; `preview` where there is none.
        more: Lines for the end of the program.
        config: What a file for --policy-pack-config says.
        environment: Variables for the run.
    """
    (project.folder / "__main__.py").write_text((ROOT / "__main__.py").read_text() + more)
    options = ["--policy-pack", str(SERVE)]
    if config is not None:
        file = project.folder / "policy-config.json"
        file.write_text(json.dumps(config))
        options += ["--policy-pack-config", str(file)]
    run = ("pulumi", *(command or ("preview",)), "--non-interactive", "--stack", "dev", *options)
    ran = project.run(*run, environment=environment)
    return Verdict(ran.status, ran.output, frozenset(_FOUND.findall(ran.output)))


class Stack:
    """A project whose settings are set anew for each plan."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.project.init()
        self._settings = dict(self.project.settings)

    def judge(self, settings: dict[str, Any] | None = None, **options: Any) -> Verdict:
        """Judge the plan of some settings."""
        self.project.settings = dict(self._settings)
        self.project.configure(**(settings or {}))
        return judge(self.project, **options)
