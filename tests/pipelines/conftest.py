"""Fixtures of the tests of the pipelines."""

from collections.abc import Iterator

import pytest

from tests.pipelines.checkout import Checkout
from tests.pipelines.platform import Platform
from tests.pipelines.runner import Runner


@pytest.fixture(scope="session")
def _checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
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
