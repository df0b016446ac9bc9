"""Records the plans of the golden comments on the real engine: `python -m tests.operations.record_plans [NAME...]`.

Owns the plans and what of their events is kept: all that a comment is made of, with every id that a run makes up
replaced by a number. It writes `golden/NAME.jsonl` and the comment `golden/NAME.md`: look at the difference of both
before committing it.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations.comment import markdown
from operations.plan import read_plan
from tests.operations.project import OperatedProject

GOLDEN = Path(__file__).parent / "golden"
STACK = "prod"

DEPLOYER = "33333333-3333-4333-8333-333333333333"
ADA = "44444444-4444-4444-8444-444444444444"
APPLICATION = (
    "urn:pulumi:dev::identity-manager::identity-manager:index:IdentityManagerRegistration"
    "$identity-manager:index:EntraApplication$azuread:index/application:Application::identity-manager"
)
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_LASTING = re.compile(r"00000003-0000-0000-c000-|([1-4])\1{7}-|04da6b54-80e4-46f7-")
"""Ids that are the same in every run: of the sandbox's seed, of Microsoft Graph, and the engine's unknown value."""


def _nothing(_: OperatedProject) -> None:
    """Leave the tenant as it is."""


def _someone_changes_the_application(project: OperatedProject) -> None:
    with project.administrator() as graph:
        found = graph.get("/applications?$filter=startswith(displayName,'Identity Manager')").json()["value"][0]
        graph.patch(f"/applications/{found['id']}", json={"notes": "Changed by hand"}).raise_for_status()


@dataclass(frozen=True)
class Recorded:
    """One plan: the settings that are deployed, those that are previewed, and how."""

    before: Mapping[str, object] | None
    after: Mapping[str, object] = field(default_factory=dict)
    command: tuple[str, ...] = ("preview",)
    between: Callable[[OperatedProject], None] = _nothing


_DEFAULT: Mapping[str, object] = {
    "organization": "Contoso",
    "secrets": ["2027-11-24"],
    "deployer": DEPLOYER,
    "protect": "false",
    "sandbox": "true",
}
_TWO_SECRETS = {"secrets": ["2027-11-24", "2028-11-20"]}

PLANS: Mapping[str, Recorded] = {
    "first-registration": Recorded(None),
    "nothing-changes": Recorded({}),
    "fulfillment-on": Recorded({}, {"fulfillment": "true", **_TWO_SECRETS}),
    "fulfillment-on-and-secret-retired": Recorded({"secrets": ["2027-05-01", "2027-11-24"]}, {"fulfillment": "true"}),
    "secret-added": Recorded({}, _TWO_SECRETS),
    "older-secret-retired": Recorded(_TWO_SECRETS, {"secrets": ["2028-11-20"]}),
    "newest-secret-removed": Recorded(_TWO_SECRETS, {}),
    "newest-secret-replaced": Recorded({}, {"secrets": ["2027-10-01"]}),
    "permissions-beyond": Recorded(
        {}, {"additionalPermissions": {"MicrosoftGraph": ["AuditLog.Read.All", "RoleManagement.ReadWrite.Directory"]}}
    ),
    "owners-removed": Recorded({"owners": [ADA]}, {"deployer": None}),
    "redirect-uri-added": Recorded({}, {"responseUri": "https://agent.contoso.example/signin"}),
    "protection-off": Recorded({"protect": "true"}, {"protect": "false"}),
    "hostile-name": Recorded({}, {"organization": "](x) `<img src=x>` @contoso/admins **&lt;"}),
    "connections-added": Recorded({}, {"connections": ["MicrosoftEntraIDExport", "Second", "Third"]}),
    "application-replaced": Recorded({}, {"organization": "Contoso Ltd"}, ("preview", "--replace", APPLICATION)),
    "registration-removed": Recorded({}, {}, ("destroy", "--preview-only")),
    "settings-refused": Recorded({}, {"organisation": "Contoso", "secrets": ["2027-02-30"]}),
    "drift-found": Recorded({}, {}, ("preview", "--refresh"), _someone_changes_the_application),
}


def main(names: list[str]) -> None:
    """Record the plans named, or all."""
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = OperatedProject(Path(folder))
        project.init()
        try:
            for name in names or list(PLANS):
                events = list(_normal(_record(project, PLANS[name])))
                (GOLDEN / f"{name}.jsonl").write_text("".join(f"{event}\n" for event in events))
                (GOLDEN / f"{name}.md").write_text(markdown(read_plan(events, name), STACK))
        finally:
            project.close()


def _record(project: OperatedProject, plan: Recorded) -> list[dict[str, Any]]:
    """The events of a plan; the stack is empty again afterwards."""

    def settle(changes: Mapping[str, object]) -> None:
        project.settings = {}
        project.configure(**{**_DEFAULT, **changes})

    log = project.folder / "events.jsonl"
    log.unlink(missing_ok=True)
    settle(plan.before or {})
    if plan.before is not None:
        project.deploy()
    plan.between(project)
    settle(plan.after)
    project.direct(
        "pulumi",
        *plan.command,
        "--stack",
        "dev",
        "--non-interactive",
        "--event-log",
        str(log),
        PULUMI_DEBUG_COMMANDS="1",
    )
    settle({})
    if plan.before is not None:
        project.deploy()
        gone = project.direct("pulumi", "destroy", "--yes", "--skip-preview", "--stack", "dev")
        assert gone.returncode == 0, gone.stdout + gone.stderr
    return [json.loads(line) for line in log.read_text().splitlines()]


def _normal(events: list[dict[str, Any]]) -> Iterator[str]:
    """The events that a comment is made of, ids numbered in the order of their first sight."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        if _LASTING.match(found[0]):
            return found[0]
        return numbers.setdefault(found[0], f"00000000-0000-4000-8000-{len(numbers):012}")

    # The engine works in parallel: its order is another one each time, but for the events of one resource.
    for text in filter(None, map(_kept, sorted(events, key=_urn))):
        # App roles are the same in every tenant, and a comment judges by them.
        lasting = set(re.findall(r'"(?:appRoleId|id)": "([0-9a-f-]{36})"', text))
        yield _GUID.sub(lambda found: found[0] if found[0] in lasting else number(found), text)  # noqa: B023 - used at once


def _urn(event: dict[str, Any]) -> str:
    [metadata] = [body["metadata"] for body in event.values() if isinstance(body, dict) and "metadata" in body] or [{}]
    return str(metadata.get("urn", "~"))


def _kept(event: dict[str, Any]) -> str:
    """What a comment needs of an event, as JSON; nothing where that is nothing."""
    kinds = ("resourcePreEvent", "resOutputsEvent", "diagnosticEvent", "policyEvent", "summaryEvent")
    kind = next((kind for kind in kinds if kind in event), None)
    if kind is None or event[kind].get("severity") == "debug":
        return ""
    body = event[kind]
    if kind == "summaryEvent":
        body = {"result": body["result"]}
    if metadata := body.get("metadata"):
        if kind == "resOutputsEvent" and (metadata["op"] != "refresh" or _same_outputs(metadata)):
            return ""
        body = {"metadata": {key: metadata.get(key) for key in ("op", "urn", "type", "diffs")}}
        # That a refresh begins with a resource is all there is to know, until the directory answers.
        for side in ("old", "new") if (kind, metadata["op"]) != ("resourcePreEvent", "refresh") else ():
            body["metadata"][side] = _state(metadata, side)
    return json.dumps({kind: body}, ensure_ascii=False)


def _same_outputs(metadata: dict[str, Any]) -> bool:
    old, new = metadata.get("old"), metadata.get("new")
    return bool(old and new and old["outputs"] == new["outputs"])


def _state(metadata: dict[str, Any], side: str) -> dict[str, Any] | None:
    """What a comment needs of a state: the outputs only where the directory may differ from what was declared."""
    state = metadata.get(side)
    if not state:
        return None
    kept = {key: state[key] for key in ("urn", "custom", "protect", "parent", "inputs") if state.get(key)}
    if metadata["op"] == "refresh":
        return {**kept, "outputs": state["outputs"]}
    outputs = state.get("outputs", {})
    changed = {key: outputs[key] for key in metadata.get("diffs") or () if key in outputs}
    return {**kept, "outputs": changed} if changed else kept


if __name__ == "__main__":
    main(sys.argv[1:])
