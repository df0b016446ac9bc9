"""Fixtures of the tests of the operations."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.project import OperatedProject


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OperatedProject]:
    """A project whose stack is made and not deployed."""
    made = OperatedProject(tmp_path)
    made.init()
    yield made
    made.close()


@pytest.fixture
def deployed(project: OperatedProject) -> OperatedProject:
    """A project with one secret, deployed, that ends a year from now."""
    project.configure(secrets=None)
    assert project.operate("rotate").status == 0
    project.deploy()
    project.exported()
    return project
