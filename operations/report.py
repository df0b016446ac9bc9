"""What a command found: tables for people, JSON for programs, and the exit status.

Owns the form of all output. No command hands it a secret.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from operations.errors import OperationError

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | None


class Status(IntEnum):
    """The exit status of every command."""

    GOOD = 0
    NEEDS_ATTENTION = 1
    COULD_NOT_RUN = 2


@dataclass
class Report:
    """What one command found.

    Attributes:
        facts: What the command found, for programs.
        title: What the table shows.
        columns: The table's columns.
        rows: The table's rows.
        said: What was done or holds, a sentence each.
        findings: What needs attention, a sentence each.
        next_steps: What comes next, a sentence each.
        text: What is printed as it is, after everything else; for a command whose product is text.
    """

    facts: dict[str, Json]
    title: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    said: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    next_steps: list[str] = field(default_factory=list)
    text: str = ""

    @property
    def status(self) -> Status:
        """Good, or needs attention where there is a finding."""
        return Status.NEEDS_ATTENTION if self.findings else Status.GOOD

    def show(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            whole = {"status": int(self.status), "said": self.said, "findings": self.findings, "next": self.next_steps}
            sys.stdout.write(json.dumps({**whole, **self.facts}, indent=2, ensure_ascii=False) + "\n")
            return
        # A product stays alone on standard output, so that it can be piped.
        console = Console(stderr=bool(self.text), soft_wrap=True, highlight=False)
        if self.rows:
            table = Table(*self.columns, title=self.title, title_justify="left")
            for row in self.rows:
                table.add_row(*(Text(cell) for cell in row))
            console.print(table)
        for mark, style, lines in (
            ("ok", "green", self.said),
            ("!!", "bold red", self.findings),
            ("->", "cyan", self.next_steps),
        ):
            for line in lines:
                console.print(Text.assemble((mark, style), f" {line}"))
        if self.text:
            sys.stdout.write(self.text)

    def markdown(self) -> str:
        """The table, the findings and the next steps, for the summary of a pipeline."""
        lines = [f"### {self.title}", ""]
        lines += ["| " + " | ".join(map(_cell, cells)) + " |" for cells in (self.columns, ["---"] * len(self.columns))]
        lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in self.rows]
        remarks = [f"- **{line}**" for line in self.findings] + [f"- {line}" for line in (*self.said, *self.next_steps)]
        return "\n".join([*lines, "", *remarks]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def refuse(error: OperationError, *, as_json: bool) -> None:
    """Print why a command could not run."""
    if as_json:
        whole = {"status": int(Status.COULD_NOT_RUN), "error": str(error), "mend": error.mend}
        sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        return
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text.assemble(("error", "bold red"), f" {error}"))
    console.print(Text.assemble(("mend ", "cyan"), f" {error.mend}"))
