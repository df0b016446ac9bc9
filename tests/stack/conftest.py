"""Fixtures of the tests on the real engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    made.init()
    yield made
    made.close()


@pytest.fixture
def warm_project(tmp_path: Path) -> Iterator[Project]:
    """A project whose programs start with the libraries loaded: how they start is tested with the other one."""
    made = Project(tmp_path, warm=True)
    made.init()
    yield made
    made.close()
