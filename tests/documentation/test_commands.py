"""The commands on the pages do what the pages say: each one runs, in order, on the real engine."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.documentation.pages import DOCS, Page, chains, pages
from tests.documentation.workshop import Workshop

NOT_RUNNABLE = {"gitops.md": 1, "packages.md": 2}
"""How many blocks of a page no test can run; it says why."""


@pytest.mark.parametrize("chain", chains(), ids=lambda chain: "+".join(page.name for page in chain))
def test_each_command_block_runs(chain: Sequence[Page], tmp_path: Path) -> None:
    ran = Workshop(tmp_path).run(chain)
    where = ran.output.rpartition("\n@@ ")[2]
    assert ran.status == 0, where[-4000:]
    assert ran.output.count("\n@@ the end\n") == len(chain)


@pytest.mark.parametrize("page", pages().values(), ids=lambda page: page.name)
def test_commands_are_plain_and_those_that_cannot_run_are_few(page: Page) -> None:
    languages = [block.language for block in page.blocks]
    assert languages.count("console") == NOT_RUNNABLE.get(page.name, 0)
    assert not {"", "bash", "shell", "shell-session", "zsh"} & set(languages)
    for block in page.blocks:
        if block.language == "sh":
            assert not [line for line in block.text.splitlines() if line.startswith(("$ ", "> ")) or "<your" in line]


@pytest.mark.parametrize(
    ("text", "succeeds"),
    [
        ("```sh\ntrue\nfalse\ntrue\n```\n", False),
        ("```sh\nA=1\n```\n\n```sh\ntest $A = 1\n```\n", True),
        ("<!-- exits with 3 -->\n```sh\nsh -c 'exit 3'\n```\n", True),
        ("<!-- exits with 3 -->\n```sh\ntrue\n```\n", False),
        ("<!-- exits with 3 -->\n```sh\nfalse\nsh -c 'exit 3'\n```\n", False),
        ("```text\nfalse\n```\n", True),
    ],
)
def test_a_page_fails_with_its_first_command_that_ends_otherwise_than_told(text: str, *, succeeds: bool) -> None:
    script = Page(DOCS / "page.md", text).script()
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) == succeeds
