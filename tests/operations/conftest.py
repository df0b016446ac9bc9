"""Fixtures of the tests of the operations."""

from collections.abc import Iterator

import pytest

from tests.operations.project import OperatedProject


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedProject]:
    made = OperatedProject(tmp_path_factory.mktemp("operations"))
    made.init()
    made.outlive_the_rehearsal()
    made.configure(secrets=None)
    assert made.operate("rotate").status == 0
    made.deploy()
    made.remember()
    yield made
    made.close()


@pytest.fixture
def deployed(_made: OperatedProject) -> OperatedProject:
    """A project with one secret, deployed, that ends a year from now."""
    _made.restore()
    return _made
