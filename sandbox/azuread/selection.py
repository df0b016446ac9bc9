"""Which azuread plugin the sandbox runs: the real one wherever it can be had, else the stand-in.

Owns the one place in the sandbox's own plugin folder where the engine looks for the plugin. The user's plugin cache is
read, never written. SANDBOX_AZUREAD chooses: `auto` (the default), `real` (an error where it cannot be had) or
`stand-in`.
"""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import engine

_PROJECT = Path(__file__).resolve().parent.parent.parent
_BINARY = "pulumi-resource-azuread"
_MARK = "# The sandbox's stand-in for the azuread plugin."
_INSTALL_LIMIT_SECONDS = 20
_REMEMBERED_SECONDS = 24 * 60 * 60
_CHOICES = ("auto", "real", "stand-in")


class PluginError(Exception):
    """The plugin that was asked for cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which plugin runs."""

    real: bool
    line: str
    """One line that says so."""


def select(home: Path, variables: Mapping[str, str], environment: Mapping[str, str]) -> Selection:
    """Put the plugin that is to run in its place.

    Args:
        home: The sandbox's folder.
        variables: The environment of the sandbox's commands, with the engine on PATH.
        environment: The user's own environment: it names the choice and the user's plugin cache.

    Returns:
        What runs.

    Raises:
        PluginError: SANDBOX_AZUREAD asks for what cannot be had, or for nothing known.
    """
    choice = environment.get("SANDBOX_AZUREAD") or "auto"
    if choice not in _CHOICES:
        raise PluginError(f"SANDBOX_AZUREAD is {choice!r}, so nothing was run: set it to {', '.join(_CHOICES)}.")
    version = _version()
    place = home / "pulumi" / "plugins" / f"resource-azuread-v{version}"
    reason = "SANDBOX_AZUREAD asks for it"
    if choice != "stand-in":
        if _use_installed(place, version, environment):
            return Selection(real=True, line=f"azuread plugin {version}: the real one")
        reason = _install(place, version, variables, environment, again=choice == "real")
        if not reason:
            return Selection(real=True, line=f"azuread plugin {version}: the real one, installed for the sandbox")
        if choice == "real":
            raise PluginError(
                f"The real azuread plugin {version} cannot be had, so nothing was run: {reason}. "
                "SANDBOX_AZUREAD=auto runs the stand-in in its place."
            )
    _put_stand_in(place)
    return Selection(real=False, line=f"azuread plugin {version}: the sandbox's stand-in ({reason})")


def _version() -> str:
    """The version that the SDK asks the engine for."""
    found = importlib.util.find_spec("pulumi_azuread")
    if found is None or found.origin is None:
        raise PluginError("pulumi-azuread is not installed, so nothing was run: install the project's requirements.")
    version = json.loads((Path(found.origin).parent / "pulumi-plugin.json").read_text())["version"]
    return str(version)


def _use_installed(place: Path, version: str, environment: Mapping[str, str]) -> bool:
    """Whether the real plugin is in its place, or could be linked there from the user's cache."""
    if (place / _BINARY).exists() and not _is_stand_in(place):
        return True
    cache = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME") or Path.home()) / ".pulumi")
    installed = cache / "plugins" / f"resource-azuread-v{version}"
    if installed.resolve() == place.resolve() or not (installed / _BINARY).exists() or _is_stand_in(installed):
        return False
    _clear(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(installed, target_is_directory=True)
    return True


def _install(
    place: Path, version: str, variables: Mapping[str, str], environment: Mapping[str, str], *, again: bool
) -> str:
    """Lets the engine install the plugin for the sandbox; gives the reason where it could not."""
    memory = engine.cache_folder(environment) / f"azuread-v{version}-not-installable"
    if not again and memory.exists() and time.time() - memory.stat().st_mtime < _REMEMBERED_SECONDS:
        return memory.read_text()
    reason = _try_install(place, version, variables)
    if reason:
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        memory.write_text(reason)
    else:
        memory.unlink(missing_ok=True)
    return reason


def _try_install(place: Path, version: str, variables: Mapping[str, str]) -> str:
    command = ["pulumi", "plugin", "install", "resource", "azuread", version]
    # Apart from the place where a stand-in may be in use by another command at this moment.
    with tempfile.TemporaryDirectory(prefix="azuread-plugin-") as aside:
        apart = {**variables, "PULUMI_HOME": aside}
        # The download has to trust more than the sandbox's own authority.
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            apart.pop(name, None)
        program = shutil.which("pulumi", path=apart.get("PATH"))
        try:
            done = subprocess.run(
                [program or "pulumi", *command[1:]],
                env=apart,
                capture_output=True,
                text=True,
                timeout=_INSTALL_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"`{' '.join(command)}` took more than {_INSTALL_LIMIT_SECONDS} seconds"
        except OSError as error:
            return f"`{' '.join(command)}` did not start: {error.strerror}"
        fetched = Path(aside) / "plugins" / place.name
        if done.returncode or not (fetched / _BINARY).exists():
            return f"`{' '.join(command)}` failed"
        _clear(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fetched, place)
    return ""


def _is_stand_in(folder: Path) -> bool:
    try:
        with (folder / _BINARY).open("rb") as file:
            return _MARK.encode() in file.read(len(_MARK) + 64)
    except OSError:
        return False


def _put_stand_in(place: Path) -> None:
    script = _script()
    target = place / _BINARY
    if not place.is_symlink() and target.exists() and target.read_bytes() == script.encode():
        return
    if place.is_symlink() or (target.exists() and not _is_stand_in(place)):
        _clear(place)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = place / f".{_BINARY}.{os.getpid()}"
    fresh.write_text(script)
    fresh.chmod(0o700)
    fresh.replace(target)


def _script() -> str:
    project, python = shlex.quote(str(_PROJECT)), shlex.quote(sys.executable)
    # -P: the folder of the user's program must not come before the sandbox's modules.
    # The bytecode is kept, because every command of the engine starts the stand-in anew.
    variables = f"PYTHONDONTWRITEBYTECODE= PYTHONPATH={project}"
    return f'#!/bin/sh\n{_MARK}\n{variables} exec {python} -P -m sandbox.azuread "$@"\n'


def _clear(place: Path) -> None:
    if place.is_symlink():
        place.unlink()
    elif place.exists():
        shutil.rmtree(place)
