"""Plans under the policy pack, on the real engine."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True)
class Plan:
    """A plan by what differs from the sandbox's own stack.

    Attributes:
        settings: Settings of the stack; None takes one out.
        program: The program; the project's own where none is given.
        more: Lines for its end.
        config: What a file for --policy-pack-config says.
        environment: Variables for the run.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    program: str = ""
    more: str = ""
    config: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


OWN = Plan()
"""The plan of the sandbox's own stack."""


def judge(project: Project, *command: str, plan: Plan = OWN) -> Verdict:
    """Run a command of pulumi on the stack under the pack, `preview` where none is given."""
    (project.folder / "__main__.py").write_text((plan.program or (ROOT / "__main__.py").read_text()) + plan.more)
    config = project.folder / "policy-config.json"
    config.write_text(json.dumps(plan.config))
    under_the_pack = ("--policy-pack", str(SERVE), "--policy-pack-config", str(config))
    run = ("pulumi", *(command or ("preview",)), "--non-interactive", "--stack", "dev", *under_the_pack)
    ran = project.run(*run, environment=dict(plan.environment))
    return Verdict(ran.status, ran.output, frozenset(_FOUND.findall(ran.output)))


class Stack:
    """A project whose settings are set anew for each plan, of which none is carried out."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder, warm=True)
        self.project.init()
        self._settings = dict(self.project.settings)
        self._judged: dict[str, Verdict] = {}

    def judge(self, plan: Plan, *options: str) -> Verdict:
        """Preview a plan under the pack; the same plan once only."""
        key = repr((plan, options))
        if key not in self._judged:
            self.project.settings = dict(self._settings)
            self.project.configure(**plan.settings)
            self._judged[key] = judge(self.project, "preview", *options, plan=plan)
        return self._judged[key]
