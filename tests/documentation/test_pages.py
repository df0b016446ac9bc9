"""The pages hold together: the site builds, links lead somewhere, and what they quote is what the project says."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from docs import settings_reference
from tests.documentation.pages import DOCS, Page, pages
from tests.stack.project import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SOURCES = ("settings.py", "__main__.py", "bootstrap", "components", "operations", "policy", "sandbox")
QUOTED = re.compile(r"^(?:#{3,4}|- quoted:) `(.+)`$", re.MULTILINE)


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


def test_each_quoted_error_occurs_in_the_sources() -> None:
    paths = [path for name in SOURCES for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*"))]
    files = [path for path in paths if path.suffix in {".py", ".json", ".go"}]
    recordings = [*(ROOT / "tests" / "recordings").glob("*.json"), ROOT / "tests" / "documentation" / "engine.txt"]
    # Texts are written over several lines, and with values between: what stands before, between and after is compared.
    said = "\n".join(_joined(path.read_text()) for path in [*files, *recordings])
    quoted = QUOTED.findall((DOCS / "troubleshooting.md").read_text())
    assert len(quoted) > 30
    missing = [part for text in quoted for part in re.split(r"\s*…\s*", text) if part and part not in said]
    assert missing == []


def _joined(source: str) -> str:
    """A source with the pieces of each text put together."""
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    return joined.replace('\\"', '"').replace("\\'", "'")
