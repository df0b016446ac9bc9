"""Fixtures of the tests of the package."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import engine
from tests.stack.project import ROOT, Project

SCHEMA = Path(__file__).with_name("schema.json")
KEPT_SECONDS = 24 * 60 * 60


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project with its examples: those beside the stack, each with a stack `dev` of its own."""
    made = Project(tmp_path_factory.mktemp("package"))
    generated = shutil.ignore_patterns("node_modules", "sdks", "Pulumi.*.yaml")
    shutil.copytree(ROOT / "examples", made.folder / "examples", ignore=generated)
    yield made
    made.close()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """What the example in TypeScript needs, as its documentation installs it: once per user, lock file and schema."""
    source = ROOT / "examples" / "typescript"
    digest = hashlib.sha256()
    for file in (SCHEMA, source / "package.json", source / "package-lock.json"):
        digest.update(file.read_bytes())
    cache = engine.cache_folder(os.environ)
    folder = cache / f"typescript-{digest.hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with engine.locked(cache / "typescript.lock"):
            if not folder.is_dir():
                _install(source, folder, cache)
    return folder / "node_modules"


def _install(source: Path, folder: Path, cache: Path) -> None:
    for older in cache.glob("typescript-*"):
        if time.time() - older.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(older)
    with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as installing:
        fresh = Path(installing) / "typescript"
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, fresh)
        variables = {**os.environ, "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"}
        with SCHEMA.open() as schema:
            generate = [sys.executable, "-m", "sandbox.engine.nodejs_sdk", str(fresh / "sdks" / "identity-manager")]
            subprocess.run(generate, stdin=schema, cwd=ROOT, env=variables, check=True)
        subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=fresh, env=variables, check=True
        )
        fresh.rename(folder)
