"""Fixtures of the tests of the pipelines."""

import shutil
from collections.abc import Iterator

import pytest

from tests.pipelines.checkout import Checkout
from tests.pipelines.platform import Platform
from tests.pipelines.runner import Runner

TOOLS = ("bash", "curl", "git", "jq", "make")
"""What the vendors' machines have beside Python, and the steps use."""


@pytest.fixture(scope="session")
def _checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"the pipelines' steps use {', '.join(missing)}, which this machine does not have")
    made = Checkout(tmp_path_factory.mktemp("pipelines"))
    yield made
    made.close()


@pytest.fixture
def runner(_checkout: Checkout) -> Iterator[Runner]:
    """A machine of the vendors with a clean clone."""
    _checkout.clean()
    platform = Platform()
    yield Runner(_checkout, platform)
    platform.close()
