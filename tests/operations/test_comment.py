"""What a reviewer reads about a plan: golden comments, what is judged a risk, and what no plan can smuggle in."""

import json
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from operations.comment import LONGEST, comment, markdown, span, visible
from operations.errors import OperationError
from operations.plan import Plan, read_plan
from tests.operations.project import OperatedProject
from tests.operations.record_plans import GOLDEN, PLANS, STACK
from tests.stack.project import ROOT


def _events(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]


def _plan(events: list[dict[str, Any]]) -> Plan:
    return read_plan([json.dumps(event) for event in events], "the test")


@pytest.mark.parametrize("name", PLANS)
def test_the_comment_on_a_recorded_plan_is_the_golden_one(name: str) -> None:
    assert comment(STACK, GOLDEN / f"{name}.jsonl").text == (GOLDEN / f"{name}.md").read_text()


def test_a_comment_comes_from_standard_input_and_a_failed_preview_needs_attention() -> None:
    for name, status in (("secret-added", 0), ("settings-refused", 1)):
        with (GOLDEN / f"{name}.jsonl").open() as events:
            ran = subprocess.run(
                [sys.executable, "-m", "operations", "comment", "--stack", f"contoso/identity/{STACK}", "-"],
                cwd=ROOT,
                stdin=events,
                capture_output=True,
                text=True,
                check=False,
            )
        assert (ran.returncode, ran.stdout) == (status, (GOLDEN / f"{name}.md").read_text()), ran.stderr


@pytest.mark.parametrize("content", ["{}x", '{"steps": [', "Previewing update (prod):\n", '{"diagnosticEvent": {}}'])
def test_what_is_no_event_log_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(content)
    with pytest.raises(OperationError, match="no event log"):
        comment(STACK, tmp_path / "events")


@pytest.mark.parametrize("stack", ["x --> y", "", "../x y", "<b>"])
def test_a_stack_that_would_break_the_marker_is_refused(stack: str) -> None:
    with pytest.raises(OperationError, match="no stack's name"):
        comment(stack, GOLDEN / "secret-added.jsonl")


def test_an_event_log_that_was_cut_off_is_no_plan_to_deploy() -> None:
    plan = _plan(_events("secret-added")[:-1])
    assert plan.failed
    assert "the preview failed" in markdown(plan, STACK)


def test_a_violated_policy_comes_first_and_fails_the_plan() -> None:
    violation = {
        "resourceUrn": "urn",
        "message": "<{%reset%}>asks for Domain.ReadWrite.All<{%reset%}>\n",
        "color": "raw",
        "policyName": "allowed-permissions",
        "policyPackName": "identity-manager",
        "policyPackVersion": "1",
        "policyPackVersionTag": "1",
        "enforcementLevel": "mandatory",
    }
    plan = _plan([{"policyEvent": violation}, *_events("permissions-beyond")])
    assert plan.failed
    text = markdown(plan, STACK)
    assert "allowed-permissions: asks for Domain.ReadWrite.All\n" in text
    assert text.index("allowed-permissions") < text.index("Look at this first")
    advised = _plan([{"policyEvent": {**violation, "enforcementLevel": "advisory"}}, *_events("permissions-beyond")])
    assert not advised.failed
    assert "allowed-permissions" in markdown(advised, STACK)


def test_a_grant_that_lies_about_its_permission_is_a_risk() -> None:
    events = json.dumps(_events("first-registration")).replace(
        "7ab1d382-f21e-4acd-a863-ba3e13f7da61", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"
    )
    assert "is for another app role, `9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8`" in markdown(
        _plan(json.loads(events)), STACK
    )


def test_a_grant_is_called_by_what_it_grants() -> None:
    events = json.dumps(_events("first-registration")).replace(
        "7ab1d382-f21e-4acd-a863-ba3e13f7da61", "19dbc75e-c2e2-444c-a770-ec69d8559fc7"
    )
    text = markdown(_plan(json.loads(events)), STACK)
    assert "grants `Directory.ReadWrite.All`" in text.splitlines()[1]
    assert "Write permission: `Directory.ReadWrite.All`" in text


def test_a_resource_of_another_kind_is_a_risk() -> None:
    events = json.dumps(_events("secret-added")).replace(
        "azuread:index/applicationPassword:ApplicationPassword", "command:local:Command"
    )
    assert "Outside of what a registration is made of: create `command:local:Command`" in markdown(
        _plan(json.loads(events)), STACK
    )


@given(st.text(min_size=1, max_size=200).filter(lambda text: visible(text).strip()))
def test_any_text_stands_in_a_comment_as_it_is(text: str) -> None:
    rendered = MarkdownIt("commonmark").render(f"### {span(text)}")
    assert rendered.replace("&quot;", '"') == f"<h3><code>{escape(visible(text), quote=False)}</code></h3>\n"


@given(st.text(max_size=60))
def test_no_name_leaves_its_place(text: str) -> None:
    """Not out of its code span, its list or its code block: the comment has as many blocks with any name."""

    def blocks(name: str) -> list[str]:
        events = json.loads(json.dumps(_events("fulfillment-on")))
        for event in events:
            for side in ("old", "new"):
                state = event.get("resourcePreEvent", {}).get("metadata", {}).get(side)
                if state and "displayName" in state.get("inputs", {}):
                    state["inputs"]["displayName"] = name
        rendered = MarkdownIt("commonmark").parse(markdown(_plan(events), STACK))
        return [
            f"{token.type} {len([one for one in token.children or () if one.type != 'text'])}" for token in rendered
        ]

    assert blocks(text) == blocks("Identity Manager Contoso")


@pytest.mark.parametrize("letter", ["x", "\N{CJK UNIFIED IDEOGRAPH-4E00}"])
def test_a_very_large_plan_is_cut_to_size(letter: str) -> None:
    events = _events("connections-added")
    [pattern, *_] = [
        event for event in events if event.get("resourcePreEvent", {}).get("metadata", {}).get("op") == "create"
    ]
    more = [
        json.loads(
            json.dumps(pattern).replace("-Second-", f"-{letter * 150}{number}-").replace("Contoso", letter * 5000)
        )
        for number in range(1500)
    ]
    text = markdown(_plan([*events[:-1], *more, events[-1]]), STACK)
    assert LONGEST - 1000 < len(text.encode()) <= LONGEST + 1
    assert "more lines: see the preview's own output." in text
    assert text.endswith("```\n\n</details>\n")
    assert "and 1,490 more" in text or "more\n" in text


def test_no_secret_of_the_state_is_in_a_comment(deployed: OperatedProject, tmp_path: Path) -> None:
    deployed.direct("pulumi", "config", "set", "--secret", "identity-manager:notes", "hidden-note-1", "--stack", "dev")
    log = tmp_path / "events.jsonl"
    ran = deployed.direct(
        "pulumi", "destroy", "--preview-only", "--stack", "dev", "--event-log", str(log), PULUMI_DEBUG_COMMANDS="1"
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    previewed = deployed.direct(
        "pulumi", "preview", "--stack", "dev", "--event-log", f"{log}.2", PULUMI_DEBUG_COMMANDS="1"
    )
    assert previewed.returncode == 0, previewed.stdout + previewed.stderr
    secrets = [*_in_state(deployed), "hidden-note-1"]
    assert len(secrets) == 2
    for file in (str(log), f"{log}.2"):
        done = deployed.command("comment", "--stack", "dev", file, "--json")
        assert done.status == 0, done.all
        assert not [secret for secret in secrets if secret in done.all]
    assert "notes: [secret]" in done.json["markdown"]


def _in_state(project: OperatedProject) -> list[str]:
    """The values of the client secrets in the state."""
    passwords = [one["outputs"]["value"] for one in project.state() if one["type"].endswith(":ApplicationPassword")]
    return [json.loads(value["plaintext"]) for value in passwords]
