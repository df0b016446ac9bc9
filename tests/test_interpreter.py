"""The interpreter that starts warm runs a program as `python` does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import interpreter

TELLING = """
import json, os, sys
print(json.dumps([__name__, sys.argv[1:], os.getcwd(), os.environ["A"], sys.stdin.read(), "settings" in sys.modules]))
print("to the errors", file=sys.stderr)
sys.exit({leave})
"""


@pytest.mark.parametrize("leave", ["0", "7", "'words'", "None"])
@pytest.mark.parametrize("as_module", [False, True])
def test_a_program_runs_and_ends_as_elsewhere(tmp_path: Path, leave: str, as_module: bool) -> None:
    (tmp_path / "telling.py").write_text(TELLING.format(leave=leave))
    program = ["-m", "telling"] if as_module else [str(tmp_path / "telling.py")]

    def ran(python: str) -> tuple[int, str, str]:
        environment = {"A": "b", "PATH": os.environ["PATH"]}
        command = [python, *program, "one", "two words"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, input="given", capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    assert ran(interpreter.warm()) == ran(sys.executable)


def test_an_error_is_told_and_ends_with_one(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("import atexit\natexit.register(print, 'at the end')\n1 / 0\n")
    done = subprocess.run([interpreter.warm(), tmp_path / "wrong.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "at the end\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_the_program_too(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "long.py").write_text("import time\nprint('running', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [interpreter.warm(), tmp_path / "long.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as asking:
        assert asking.stdout is not None
        asking.stdout.readline()
        asking.send_signal(number)
        # Ends when the program has let go of it.
        assert asking.stdout.read() == ""
    assert asking.returncode in (-number, 1)
