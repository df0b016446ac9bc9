"""What a stack of many registrations asks of Microsoft Graph."""

import shutil

from tests.stack.project import ROOT, Project

NOTHING_IS_KILLED = {"PULUMI_SKIP_CHECKPOINTS": "true"}
"""The state is written once, at the end: for speed."""


def _asked_by_a_preview(project: Project, registrations: int) -> list[tuple[str, str]]:
    project.configure(registrations=registrations)
    made = project.pulumi("up", "--yes", "--skip-preview", "--non-interactive", **NOTHING_IS_KILLED)
    assert made.status == 0, made.output
    before = len(project.calls())
    preview = project.pulumi("preview", "--expect-no-changes", "--non-interactive", **NOTHING_IS_KILLED)
    assert preview.status == 0, preview.output
    return [(call["method"], call["path"]) for call in project.calls()[before:]]


def test_a_preview_without_changes_asks_no_more_for_a_hundred_registrations_than_for_one(project: Project) -> None:
    shutil.copy(ROOT / "benchmarks" / "programs" / "fleet" / "__main__.py", project.folder)
    for_one = _asked_by_a_preview(project, 1)
    for_a_hundred = _asked_by_a_preview(project, 100)
    assert len(project.registrations()) == 100
    assert for_one
    assert for_a_hundred == for_one
