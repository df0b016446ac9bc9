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
