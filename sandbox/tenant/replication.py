"""Replication lag: how long a new object stays invisible, as the test control asks for.

Owns the memory of what is fresh. Real tenants answer 404 for an object that they have just made, because another
replica answers; here that happens only on request, and on three views apart: reading an object by its id, referring
to it from a relation, and finding it in a list.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sandbox.tenant.clock import Clock


class View(StrEnum):
    """A way to see an object."""

    GET = "get"
    RELATIONS = "relations"
    FILTERS = "filters"


@dataclass(frozen=True)
class Lag:
    """How long an object stays invisible on one view."""

    reads: int = 0
    seconds: float = 0


@dataclass
class _Fresh:
    born: datetime
    seen: dict[View, int] = field(default_factory=dict)


class Replication:
    """What is not visible yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fresh: dict[str, _Fresh] = {}
        self.lags: dict[View, Lag] = {}

    def created(self, key: str) -> None:
        """An object was made."""
        if self.lags:
            self._fresh[key] = _Fresh(self._clock.now())

    def hides(self, key: str, view: View) -> bool:
        """Whether this look at an object misses it; the look counts."""
        fresh, lag = self._fresh.get(key), self.lags.get(view)
        if fresh is None or lag is None:
            return False
        seen = fresh.seen.get(view, 0)
        fresh.seen[view] = seen + 1
        return seen < lag.reads or self._clock.now() < fresh.born + timedelta(seconds=lag.seconds)

    def catch_up(self) -> None:
        """Everything is visible."""
        self._fresh.clear()
