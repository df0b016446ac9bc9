"""Fixtures of the fault matrix."""

from collections.abc import Iterator

import pytest

from tests.faults.project import StruckProject


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StruckProject]:
    """One sandbox for all cases of a worker; each case starts from a state that was kept."""
    made = StruckProject(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()
