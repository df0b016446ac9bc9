"""The projects that are measured, each copied to a folder of its own with a stack `dev`.

`empty` and `fleet` lie in `programs/`; `stack` is the project itself. What runs is always a copy: the engine writes
into the folder of a stack.
"""

import shutil
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TENANT = {"azuread:tenantId": "11111111-1111-4111-8111-111111111111"}
_STACK = ("Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py", "settings.py", "components")
_FLEET = ("components",)


def empty(parent: Path) -> Path:
    """A program that declares nothing."""
    return _copy(parent / "empty", ROOT / "benchmarks" / "programs" / "empty", {})


def fleet(parent: Path, registrations: int) -> Path:
    """A program that declares so many registrations."""
    folder = parent / f"fleet-{registrations}"
    config = {**TENANT, "fleet:registrations": str(registrations)}
    return _add(_copy(folder, ROOT / "benchmarks" / "programs" / "fleet", config), _FLEET)


def stack(parent: Path) -> Path:
    """The project itself, with the settings of its sandbox."""
    folder = parent / "stack"
    folder.mkdir()
    _link_packages(folder)
    return _add(folder, _STACK)


def _copy(folder: Path, source: Path, config: dict[str, str]) -> Path:
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    _link_packages(folder)
    return folder


def _add(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def _link_packages(folder: Path) -> None:
    # The language host looks for the project's virtual environment.
    (folder / ".venv").symlink_to(sys.prefix)
