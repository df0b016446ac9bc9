"""Fixtures of the tests of the package."""

import shutil
from collections.abc import Iterator

import pytest

from tests.stack.project import ROOT, Project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project with its examples: those beside the stack, each with a stack `dev` of its own."""
    made = Project(tmp_path_factory.mktemp("package"))
    generated = shutil.ignore_patterns("node_modules", "sdks", "bin", "Pulumi.*.yaml")
    shutil.copytree(ROOT / "examples", made.folder / "examples", ignore=generated)
    yield made
    made.close()
