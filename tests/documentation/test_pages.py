"""The pages hold together: the site builds, links lead somewhere, and what they quote is what the project says."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
from typer.core import TyperGroup

from docs import settings_reference
from operations.__main__ import app
from tests.documentation.pages import DOCS, Page, pages
from tests.stack.project import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SOURCES = ("settings.py", "__main__.py", "bootstrap", "components", "operations", "policy", "sandbox")
QUOTED = re.compile(r"^### `(.+)`$", re.MULTILINE)
SAID_BY_PULUMI = (
    "the stack is currently locked by %v lock(s). Either wait for the other process(es) to end or delete the lock file",
    "Attempting to deploy or update resources with %d pending operations from previous deployment.",
    "because it is protected. To unprotect the resource, either remove the `protect` flag from the resource in your",
    "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables",
    "incorrect passphrase",
    "no stack selected",
)
"""What the engine of the pinned version says, from its sources."""


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    strict = ("--fail-on-warning", "--keep-going", "--nitpicky")
    ran = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", *strict, "-d", tmp_path / "read", "docs", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for page in DOCS.glob("*.md"):
        assert (tmp_path / "site" / f"{page.stem}.html").exists()


@pytest.mark.parametrize("page", pages().values(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    for target in LINK.findall(page.prose):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            assert (parts.scheme, bool(parts.hostname), " " in target) == ("https", True, False), target
        elif parts.path:
            found = (page.path.parent / parts.path).resolve()
            assert found.exists(), target
            assert found.is_relative_to(ROOT), target


def test_the_settings_reference_is_what_the_models_say() -> None:
    text = settings_reference.PAGE.read_text()
    assert settings_reference.page(text) == text, "docs/settings.md is older than the settings: make docs"


def test_each_quoted_error_is_one_that_is_printed() -> None:
    paths = [path for name in SOURCES for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*"))]
    paths += (ROOT / "tests" / "recordings").glob("*.json")
    said = "\n".join(_joined(path.read_text()) for path in paths if path.suffix in {".py", ".json"})
    said += "\n".join(SAID_BY_PULUMI)
    quoted = QUOTED.findall((DOCS / "troubleshooting.md").read_text())
    assert len(quoted) > 50
    # What differs each time is left out: the pieces around it are compared.
    pieces = [piece for text in quoted for piece in re.split(r"\s*\S?…\S?\s*", text) if piece]
    assert [piece for piece in pieces if piece not in said] == []


def _joined(source: str) -> str:
    """A source with the pieces of each text put together."""
    return re.sub(r"""["']\s*\n\s*f?["']""", "", source).replace('\\\\"', '"').replace('\\"', '"')


@pytest.mark.parametrize("page", pages().values(), ids=lambda page: page.name)
def test_commands_within_sentences_exist(page: Page) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    known = group.commands
    for name, rest in re.findall(r"python -m operations ([a-z-]+)([^\n`|]*)", page.text):
        assert name in known, name
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, name
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z][a-z-]*)", page.text)) <= targets
