"""One command, measured from outside: its time, the memory of all its processes, the requests that the tenant saw."""

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_SAMPLES = 0.1


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    seconds: float
    cpu_seconds: float
    """What the processors worked for it; other work on the machine changes this less than the time."""
    peak_bytes: int
    """The most that the engine, the program and the plugins held at one moment."""
    requests: int
    """How many requests reached the tenant: Microsoft Graph, and the two to sign in."""


class BenchmarkError(Exception):
    """A command failed, so there is nothing to measure; the text ends with what it printed."""


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str], calls: Path) -> Measured:
    """Run a command to its end.

    Args:
        command: The command and its arguments.
        folder: Where it runs.
        environment: Its environment.
        calls: The tenant's log of calls.

    Raises:
        BenchmarkError: The command failed.
    """
    before = _lines(calls)
    cpu = _cpu_seconds()
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = 0
    while True:
        try:
            printed, _ = process.communicate(timeout=SECONDS_BETWEEN_SAMPLES)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, _held(process.pid))
    seconds = time.monotonic() - started
    if process.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}:\n{printed[-2000:]}")
    return Measured(seconds, _cpu_seconds() - cpu, peak, _lines(calls) - before)


def _cpu_seconds() -> float:
    """What all commands so far, with all that they started and waited for, have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _held(pid: int) -> int:
    """The memory of a process and of all that it started, as Linux tells it; 0 elsewhere."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The command's name, in brackets, may hold anything; the parent is the second word after it.
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    family, found = set[int](), {pid}
    while found:
        family |= found
        found = {child for child, parent in parents.items() if parent in found}
    pages = 0
    for member in family:
        with suppress(OSError):
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _lines(file: Path) -> int:
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
