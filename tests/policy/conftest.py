"""Fixtures of the tests of the policy pack."""

from collections.abc import Iterator

import pytest

from tests.policy.judge import Stack
from tests.stack.project import Project


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of which nothing is made: its plans are only previewed."""
    made = Stack(tmp_path_factory.mktemp("policy"))
    yield made
    made.project.close()


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in the middle of a rotation: the secrets of 2027-11-24 and of 2028-05-24 both work."""
    made = Stack(tmp_path_factory.mktemp("rotated"))
    made.project.configure(secrets=["2027-11-24", "2028-05-24"])
    made.project.up()
    yield made
    made.project.close()


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("project"), warm=True)
    made.init()
    yield made
    made.close()
