"""Faults that the test control asks for: wrong answers, delays, connections cut.

Owns which request a fault strikes, and how often.
"""

import fnmatch
import itertools
from dataclasses import dataclass, field
from typing import Literal

from sandbox.tenant.documents import Document


@dataclass
class Fault:
    """One fault: what it strikes and what it does."""

    id: int
    method: str = "*"
    path: str = "*"
    times: int = 1
    status: int | None = None
    body: Document | str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: Literal["before", "after"] | None = None
    struck: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether the fault is for this request."""
        return (
            self.struck < self.times
            and self.method.upper() in ("*", method)
            and fnmatch.fnmatchcase(path.lower(), self.path.lower())
        )


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.all: list[Fault] = []

    def add(self, given: Document) -> Fault:
        """Put a fault in force."""
        fault = Fault(id=next(self._numbers), **given)
        self.all.append(fault)
        return fault

    def next(self, method: str, path: str) -> Fault | None:
        """The fault that strikes a request; it counts as struck."""
        for fault in self.all:
            if fault.strikes(method, path):
                fault.struck += 1
                return fault
        return None
