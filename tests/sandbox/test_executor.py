"""The executor that starts the program: an interrupted program leaves the word to the engine."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

EXECUTOR = Path(__file__).parents[2] / "sandbox" / "engine" / "pulumi-language-python-exec"


def test_an_interrupted_program_prints_no_traceback(tmp_path: Path) -> None:
    shutil.copy(EXECUTOR, tmp_path)
    (tmp_path / f"sdk-{EXECUTOR.name}").write_text("import time\nprint('running', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / EXECUTOR.name)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "running\n"
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=10)
    assert (output, errors) == ("", "")
    assert program.returncode == 32


def test_the_program_gets_its_arguments(tmp_path: Path) -> None:
    shutil.copy(EXECUTOR, tmp_path)
    (tmp_path / f"sdk-{EXECUTOR.name}").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    command = [sys.executable, str(tmp_path / EXECUTOR.name), "--stack", "dev", "."]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "__main__ ['--stack', 'dev', '.']\n"
