"""The language hosts for programs in YAML and TypeScript.

Most sandboxes never need them. So each is placed where the engine looks for language hosts, in the sandbox's own plugin
folder, as a launcher that builds the host from its pinned Go modules when a program first asks for it. It leaves alone
the hosts of a Pulumi that is installed on this machine: where one is on PATH, the engine takes it.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from sandbox import engine

_HERE = Path(__file__).resolve().parent

HOSTS = {
    "yaml": engine.GoCommand(
        "pulumi-language-yaml",
        _HERE / "yaml_host",
        "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
        "1.25.0",
    ),
    "nodejs": engine.GoCommand(
        "pulumi-language-nodejs",
        _HERE / "nodejs_host",
        "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
        engine.LANGUAGE_HOST_VERSION,
    ),
}
"""By the name of the runtime in Pulumi.yaml."""

_LAUNCHER = """\
#!{python}
import sys

sys.path.insert(0, {project!r})
from sandbox.engine import languages

languages.become(languages.HOSTS[{runtime!r}], sys.argv[1:])
"""

_OF_THE_SANDBOX = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that let a command trust the sandbox's authority only: Go modules come from elsewhere."""


def place(plugins: Path) -> None:
    """Put the launchers where the engine finds them.

    Args:
        plugins: The sandbox's plugin folder.
    """
    for runtime, command in HOSTS.items():
        launcher = plugins / f"language-{runtime}-v{command.version}" / command.name
        text = _LAUNCHER.format(python=sys.executable, project=str(_HERE.parent.parent), runtime=runtime)
        if not launcher.exists() or launcher.read_text() != text:
            launcher.parent.mkdir(parents=True, exist_ok=True)
            fresh = launcher.with_name(f".{command.name}.{os.getpid()}")
            fresh.write_text(text)
            fresh.chmod(0o755)
            fresh.replace(launcher)


def become(command: engine.GoCommand, arguments: list[str]) -> NoReturn:
    """Let a command take this process's place; it is built first where it is missing.

    Args:
        command: The command.
        arguments: Its arguments.
    """
    outside = {name: value for name, value in os.environ.items() if name not in _OF_THE_SANDBOX}
    try:
        executable = engine.built(command, outside)
    except engine.EngineError as error:
        engine.say(str(error))
        sys.exit(1)
    os.execv(executable, [str(executable), *arguments])  # noqa: S606 - no shell is wanted
