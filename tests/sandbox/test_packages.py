"""The short answer to the language host's question for the installed packages."""

import json
import subprocess
import sys
from pathlib import Path

from sandbox import engine

QUESTION = ("-m", "pip", "list", "-v", "--format", "json")


def test_the_language_host_hears_of_the_packages_that_pip_would_name() -> None:
    def heard(command: str, path: str) -> set[tuple[str, str, str]]:
        ran = subprocess.run([command, *QUESTION], env={"PATH": path}, capture_output=True, text=True, check=True)
        listed = json.loads(ran.stdout)
        return {(one["name"].lower().replace("_", "-"), one["version"], one["location"]) for one in listed}

    path = f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin"
    of_pip = heard(str(Path(sys.prefix) / "bin" / "python3"), path)
    ours = heard(engine.LANGUAGE_HOST_VARIABLES["PULUMI_PYTHON_CMD"], path)
    pulumis = {one for one in of_pip if "pulumi" in one[0]}
    assert {name for name, _, _ in pulumis} >= {"pulumi", "pulumi-azuread", "pulumi-policy"}
    assert {one for one in ours if "pulumi" in one[0]} == pulumis


def test_anything_else_is_for_the_interpreter_itself() -> None:
    command = [engine.LANGUAGE_HOST_VARIABLES["PULUMI_PYTHON_CMD"], "-c", "import sys; print(sys.argv[1:])", "a b", ""]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "['a b', '']\n"
