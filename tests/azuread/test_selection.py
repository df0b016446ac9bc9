"""Which plugin the sandbox runs, and that nobody's plugin cache is written to."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from sandbox.azuread import selection
from tests.azuread.sandbox import Sandbox

BINARY = "pulumi-resource-azuread"


class Machine:
    """A user's home, a sandbox's folder, and a `pulumi` that installs the plugin or fails, and counts its runs."""

    def __init__(self, folder: Path, *, installs: bool) -> None:
        self.home = folder / "sandbox"
        self.user = folder / "user"
        self.user.mkdir()
        self.runs = folder / "runs"
        programs = folder / "bin"
        programs.mkdir()
        made = (
            f'mkdir -p "$PULUMI_HOME/plugins/{self.plugin}"; echo real > "$PULUMI_HOME/plugins/{self.plugin}/{BINARY}"'
        )
        pulumi = programs / "pulumi"
        pulumi.write_text(f'#!/bin/sh\necho "$@" >> {self.runs}\n{made if installs else "exit 1"}\n')
        pulumi.chmod(0o700)
        self.environment = {"HOME": str(self.user), "PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin"}

    plugin = "resource-azuread-v6.11.1"

    @property
    def chosen(self) -> Path:
        """The place where the engine looks for the plugin."""
        return self.home / "pulumi" / "plugins" / self.plugin / BINARY

    def cached(self, folder: Path) -> Path:
        """The real plugin in a plugin cache."""
        binary = folder / "plugins" / self.plugin / BINARY
        binary.parent.mkdir(parents=True)
        binary.write_text("real")
        return binary

    def select(self, choice: str | None = None, **variables: str) -> selection.Selection:
        """Choose, as `sandbox exec` does."""
        environment = self.environment | variables | ({"SANDBOX_AZUREAD": choice} if choice else {})
        return selection.select(self.home, environment, environment)


@pytest.fixture
def offline(tmp_path: Path) -> Machine:
    return Machine(tmp_path, installs=False)


def test_the_users_own_plugin_is_used_where_there_is_one(offline: Machine) -> None:
    binary = offline.cached(offline.user / ".pulumi")
    assert offline.select().real
    assert offline.chosen.resolve() == binary
    assert not offline.runs.exists()


def test_pulumi_home_names_the_users_plugins(offline: Machine, tmp_path: Path) -> None:
    binary = offline.cached(tmp_path / "elsewhere")
    assert offline.select(PULUMI_HOME=str(tmp_path / "elsewhere")).real
    assert offline.chosen.resolve() == binary


def test_the_plugin_is_installed_for_the_sandbox_alone(tmp_path: Path) -> None:
    online = Machine(tmp_path, installs=True)
    assert online.select().real
    assert online.chosen.read_text() == "real\n"
    assert not (online.user / ".pulumi").exists()
    assert online.select().real
    assert len(online.runs.read_text().splitlines()) == 1


def test_the_stand_in_takes_its_place_and_says_so_in_one_line(offline: Machine) -> None:
    chosen = offline.select()
    assert not chosen.real
    assert chosen.line.startswith("azuread plugin 6.11.1: the sandbox's stand-in (")
    assert "\n" not in chosen.line
    assert stat.S_IMODE(offline.chosen.stat().st_mode) == 0o700
    assert [file for file in offline.user.rglob("*") if file.name == BINARY] == []


def test_a_failed_installation_is_remembered_for_a_day(offline: Machine) -> None:
    first, second = offline.select(), offline.select()
    assert first.line == second.line
    assert len(offline.runs.read_text().splitlines()) == 1
    (memory,) = (offline.user / ".cache" / "identity-manager-sandbox").iterdir()
    day_before = memory.stat().st_mtime - 24 * 60 * 60 - 1
    os.utime(memory, (day_before, day_before))
    offline.select()
    assert len(offline.runs.read_text().splitlines()) == 2


def test_real_fails_where_it_cannot_be_had(offline: Machine) -> None:
    with pytest.raises(selection.PluginError, match="cannot be had"):
        offline.select("real")
    assert not offline.chosen.exists()


def test_stand_in_is_chosen_over_a_real_one_that_is_there(offline: Machine) -> None:
    binary = offline.cached(offline.user / ".pulumi")
    assert offline.select().real
    assert not offline.select("stand-in").real
    assert binary.read_text() == "real"
    assert offline.chosen.resolve() != binary
    assert offline.select("auto").real


def test_a_sandbox_in_the_users_own_pulumi_home_is_not_taken_for_the_real_one(offline: Machine) -> None:
    offline.select("stand-in")
    assert not offline.select(PULUMI_HOME=str(offline.home / "pulumi")).real


def test_an_unknown_choice_is_refused(offline: Machine) -> None:
    with pytest.raises(selection.PluginError, match="auto, real, stand-in"):
        offline.select("maybe")


def test_the_chosen_program_serves_whatever_lies_in_the_current_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    for name in ("sandbox", "grpc", "http"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    program = Path(sandbox.environment["PULUMI_HOME"]) / "plugins" / Machine.plugin / BINARY
    process = subprocess.Popen([program], cwd=tmp_path, env=sandbox.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    process.terminate()
    assert process.wait(20) == 0
