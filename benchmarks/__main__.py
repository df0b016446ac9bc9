"""`python -m benchmarks [SIZE ...]`: measures the stack in a sandbox of its own and prints one table."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks import projects
from benchmarks.journal import journal_backend
from benchmarks.measure import BenchmarkError, Measured, measure
from benchmarks.table import SECONDS_AFTER_DELETION, SECONDS_AFTER_SECRET, Row, markdown, mebibytes, ratio, seconds
from sandbox import engine, environment
from sandbox.azuread.selection import PluginError

SIZES = (1, 10, 100, 1000)
PAIRS = 5
PARALLEL = 100

_PREVIEW = ("preview",)
_COMMANDS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("preview of all", _PREVIEW, 0),
    ("up", ("up", "--yes", "--skip-preview"), SECONDS_AFTER_SECRET),
    ("preview, no change", _PREVIEW, 0),
    ("preview --refresh", (*_PREVIEW, "--refresh"), 0),
    ("destroy", ("destroy", "--yes", "--skip-preview"), SECONDS_AFTER_DELETION),
)
"""What is done with a stack of each size, in this order, and what the real plugin waits per registration."""
_UP = 1


FOLDER_UP_TO = 100
"""The most registrations that are also made with the state in a folder: its cost grows with their square."""


class Bench:
    """One sandbox in which projects are measured."""

    def __init__(self, folder: Path, home: Path, variables: Mapping[str, str], journal: Mapping[str, str]) -> None:
        self._folder = folder
        self._calls = home / "calls.jsonl"
        self._variables = variables
        self._journal = {**variables, **journal}

    def against_empty(self, pairs: int) -> list[str]:
        """Compare this program with an empty one: previews without a change, in turn."""
        empty, stack = projects.empty(self._folder), projects.stack(self._folder)
        for project in (empty, stack):
            self._pulumi(project, "stack", "init", "dev")
            self._pulumi(project, "up", "--yes", "--skip-preview", "--stack", "dev")
        runs = [(self._preview(empty), self._preview(stack)) for _ in range(pairs)]
        self._pulumi(stack, "destroy", "--yes", "--skip-preview", "--stack", "dev")
        over = statistics.median(mine.seconds - bare.seconds for bare, mine in runs)
        return [
            "1",
            f"this stack's preview, no change: {seconds(over)} over an empty program's (median of {pairs} pairs)",
            seconds(statistics.median(mine.seconds for _, mine in runs)),
            ratio(statistics.median(mine.seconds / bare.seconds for bare, mine in runs)),
            seconds(statistics.median(mine.cpu_seconds for _, mine in runs)),
            ratio(statistics.median(mine.cpu_seconds / bare.cpu_seconds for bare, mine in runs)),
            mebibytes(statistics.median(mine.peak_bytes for _, mine in runs)),
            ratio(statistics.median(mine.peak_bytes / bare.peak_bytes for bare, mine in runs)),
            str(runs[-1][1].requests),
            "none",
        ]

    def of_size(self, registrations: int) -> Iterator[Row]:
        """Make, preview, refresh and destroy a fleet."""
        if registrations <= FOLDER_UP_TO:
            yield self._in_a_folder(registrations)
        project = projects.fleet(self._folder, registrations)
        run = partial(self._pulumi, project, variables=self._journal)
        run("stack", "init", "dev", "--secrets-provider", "passphrase")
        for name, command, wait in _COMMANDS:
            yield Row(registrations, name, run(*command, "--stack", "dev"), wait)
        run("stack", "rm", "--yes", "--stack", "dev")

    def _in_a_folder(self, registrations: int) -> Row:
        project = projects.fleet(self._folder, registrations)
        self._pulumi(project, "stack", "init", "dev")
        name, command, wait = _COMMANDS[_UP]
        made = Row(registrations, f"{name}, state in a folder", self._pulumi(project, *command, "--stack", "dev"), wait)
        self._pulumi(project, "destroy", "--yes", "--skip-preview", "--stack", "dev")
        self._pulumi(project, "stack", "rm", "--yes", "--stack", "dev")
        shutil.rmtree(project)
        return made

    def _preview(self, project: Path) -> Measured:
        return self._pulumi(project, "preview", "--stack", "dev")

    def _pulumi(self, project: Path, *command: str, variables: Mapping[str, str] | None = None) -> Measured:
        return measure(("pulumi", *command, "--non-interactive"), project, variables or self._variables, self._calls)


def main(arguments: list[str]) -> int:
    """Measure, and print the table.

    Args:
        arguments: The command line without the program's name.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, metavar="SIZE", help="registrations in one stack: 1 10 100 1000")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="runs of this program and of an empty one")
    parser.add_argument("--parallel", type=int, default=PARALLEL, help="operations the engine runs at once")
    parser.add_argument("--output", type=Path, help="write the table here as well")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        home = Path(folder) / "sandbox"
        try:
            with (
                environment.entered(home, "deploy", os.environ) as variables,
                journal_backend(Path(folder)) as journal,
            ):
                bench = Bench(Path(folder), home, {**variables, "PULUMI_PARALLEL": str(parsed.parallel)}, journal)
                text = _run(bench, sorted(parsed.sizes or SIZES), parsed.pairs, parsed.parallel)
        except (BenchmarkError, environment.SandboxError, engine.EngineError, PluginError) as error:
            engine.say(str(error))
            return 2
    sys.stdout.write(text)
    if parsed.output:
        parsed.output.write_text(text)
    return 0


def _run(bench: Bench, sizes: list[int], pairs: int, parallel: int) -> str:
    machine = (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; "
        f"Python {sys.version.split()[0]}; --parallel {parallel}"
    )
    engine.say(machine)
    first = bench.against_empty(pairs)
    rows = []
    for size in sizes:
        for row in bench.of_size(size):
            engine.say(f"  {row.registrations:,} x {row.command}: {seconds(row.measured.seconds)}")
            rows.append(row)
    return f"{markdown(rows, parallel, first)}\n{machine}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
