"""Fixtures of the tests of the stand-in plugin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.azuread.engine import Engine, Plugin
from tests.azuread.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("azuread"))
    made.control("POST", "/snapshots/seed")
    yield made
    made.close()


@pytest.fixture
def directory(sandbox: Sandbox) -> Sandbox:
    """The sandbox with its directory as at the start."""
    sandbox.control("POST", "/snapshots/seed/restore")
    sandbox.control("DELETE", "/faults")
    return sandbox


@pytest.fixture(scope="module")
def plugin(sandbox: Sandbox) -> Iterator[Plugin]:
    made = Plugin(sandbox)
    made.configure(version="6.11.1")
    yield made
    assert made.close() == 0


@pytest.fixture
def engine(plugin: Plugin, directory: Sandbox) -> Engine:  # noqa: ARG001 - with the directory as at the start
    return Engine(plugin)
